"""The report of `check_folder`: what is wrong, in which files, and what to do."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from segcourse.data.pairing import listing

DARK = 48  # of 255; 16-bit satellite images with values up to 10000 are below it

# kind of finding -> (is it a problem, or only a note; what to do), in the order of the table
KINDS = {
    "no pairs": (True, "name each mask like its image, or list the pairs in a CSV"),
    "image without mask": (
        True,
        "add the mask (all black if there is nothing to mark), move the image to another folder, or list the "
        "pairs in a CSV",
    ),
    "mask without image": (True, "rename it to its image's name plus _mask, or move it to another folder"),
    "several files for one name": (True, "rename them, or list the pairs in a CSV"),
    "unreadable image": (True, "see below, or move the pair to another folder"),
    "unreadable mask": (True, "see below, or move the pair to another folder"),
    "sizes differ": (True, "export the mask at the size of its image"),
    "mask not rotated": (
        True,
        "the mask fits the image without its EXIF rotation: rotate the mask, or remove the EXIF tag",
    ),
    "colour mask": (True, "save class ids in one channel, or pass palette=Palette(names, colours)"),
    "unknown colour": (True, "see below; if the colour is a class, add it to the palette"),
    "JPEG mask": (
        True,
        "JPEG blurs labels: export as PNG, or pass mask_values= to round to the nearest value",
    ),
    "unexpected mask values": (
        True,
        "pass mask_values= with the value of each class, or void_values= to ignore pixels",
    ),
    "stray class": (
        True,
        "ignore these pixels with void_values={}; if they are a class, pass class_names= with all names",
    ),
    "255, but no 1": (
        True,
        "other masks hold 1 and 255: save as 0/1 if 255 means class 1 here, else pass void_values=(255,)",
    ),
    "same image twice": (True, "keep one: a copy in both training and validation inflates the scores"),
    "empty mask": (False, "fine if these images really show nothing to segment"),
    "dark image": (
        False,
        f"all pixels are below {DARK} of 255; if the image should look brighter, scale its values to 0..255",
    ),
    "EXIF rotation": (
        False,
        "these images are turned upright when read, and their masks have the size of the upright image; "
        "where the size can't tell (square images, half turns), check that each mask lies on its object",
    ),
    "saved as 0/255": (False, "255 is read as class 1"),
    "0/1 and 0/255 mixed": (False, "255 is read as class 1, and so is the 1 of the other masks"),
    "saved as JPEG": (False, "each pixel is rounded to the nearest of mask_values"),
}


@dataclass
class Report:
    """The findings of `check_folder`.

    Attributes:
        pairs: number of pairs of image and mask.
        found: kind of finding -> file names.
        strays: class ids that are asked about.
        reasons: why files can't be read, one sentence per cause.
    """

    pairs: int
    found: dict[str, list[str]] = field(default_factory=dict)
    strays: tuple[int, ...] = ()
    reasons: list[str] = field(default_factory=list)
    _causes: set[str] = field(default_factory=set)

    def add(self, kind: str, where: Path | str, reason: str = "") -> None:
        """Add one file to a kind of finding, and the reason unless only its numbers are new."""
        self.found.setdefault(kind, []).append(where.name if isinstance(where, Path) else where)
        cause = re.sub(r"\d+", "0", reason.replace(str(where), ""))
        if reason and cause not in self._causes:
            self._causes.add(cause)
            self.reasons.append(reason)

    @property
    def problems(self) -> dict[str, list[str]]:
        """Return the findings that must be fixed before training."""
        return {kind: names for kind, names in self.found.items() if KINDS[kind][0]}

    @property
    def ok(self) -> bool:
        """Return True if nothing must be fixed before training."""
        return not self.problems

    def table(self, most: int = 3) -> str:
        """Return the findings as a text table, one line per kind, with at most `most` file names each."""
        count = len(self.problems)
        verdict = f"{count} kind{'s' * (count > 1)} of problem" if count else "no problems"
        lines = [f"{self.pairs} pairs of image and mask: {verdict}"]
        rows = [("", "WHAT", "FILES", "WHERE", "WHAT TO DO")]
        for kind, (problem, general) in KINDS.items():
            if names := self.found.get(kind):
                advice = general.format(self.strays)
                rows.append(
                    ("problem" if problem else "note", kind, str(len(names)), listing(names, most), advice)
                )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        if len(rows) > 1:
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines + [f"- {reason}" for reason in self.reasons])
