"""The report on a folder of images and masks: what, where, and what to do."""

from dataclasses import dataclass, field
from pathlib import Path

from segcourse.data.pairing import listing

# kind of finding -> (is it a problem, or only worth knowing; what to do), in the order of the table
KINDS = {
    "no pairs": (True, "name each mask like its image, or list the pairs in a CSV"),
    "image without mask": (True, "add the mask, move the image away, or list the pairs in a CSV"),
    "mask without image": (True, "rename it to its image's name plus _mask, or move it away"),
    "several files for one name": (True, "rename them, or list the pairs in a CSV"),
    "unreadable image": (True, "copy or download it again, or move the pair away"),
    "unreadable mask": (True, "copy or export it again, or move the pair away"),
    "sizes differ": (True, "export the mask at its image's size"),
    "mask not turned": (
        True,
        "the mask fits the image without its EXIF rotation: turn the mask, or strip EXIF",
    ),
    "colour mask": (True, "save class ids in one channel, or pass palette=Palette(names, colours)"),
    "JPEG mask": (True, "JPEG blurs labels: export as PNG, or pass mask_values= to take the nearest"),
    "unexpected mask values": (True, "save class ids, or pass mask_values= with each class's value"),
    "0/1 and 0/255 mixed": (True, "save all masks in one way; these hold 255 where others hold 1"),
    "same image twice": (True, "keep one: a copy in training and validation flatters the scores"),
    "empty mask": (False, "fine if there is nothing to find in these images"),
    "EXIF rotation": (False, "these images are turned upright when read, and their masks fit that"),
    "saved as 0/255": (False, "255 is read as class 1"),
    "saved as JPEG": (False, "each pixel takes the nearest of mask_values"),
}


@dataclass
class Report:
    """What `check_folder` found: for each kind of finding the files' names; `ok` if no kind is a problem."""

    pairs: int
    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: Path | str) -> None:
        """Note one file under a kind of finding."""
        self.found.setdefault(kind, []).append(where.name if isinstance(where, Path) else where)

    @property
    def problems(self) -> dict[str, list[str]]:
        """The kinds that must be put right before a training."""
        return {kind: names for kind, names in self.found.items() if KINDS[kind][0]}

    @property
    def ok(self) -> bool:
        """Whether a training may start; the command line ends with 0 if so, else with 1."""
        return not self.problems

    def table(self, most: int = 3) -> str:
        """What, where and what to do, one finding a line; at most `most` files are named for each."""
        count = len(self.problems)
        verdict = f"{count} kind{'s' * (count > 1)} of problem" if count else "nothing to put right"
        lines = [f"{self.pairs} pairs of image and mask: {verdict}"]
        rows = [("", "WHAT", "FILES", "WHERE", "WHAT TO DO")]
        for kind, (problem, cure) in KINDS.items():
            if names := self.found.get(kind):
                rows.append(
                    ("problem" if problem else "note", kind, str(len(names)), listing(names, most), cure)
                )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        if len(rows) > 1:
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)
