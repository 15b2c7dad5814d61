"""The named data sets: their sources, their folders on this machine, and how those folders are read."""

import itertools
import os
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import platformdirs

from segcourse.data.decode import SUFFIXES
from segcourse.data.pairing import split_pattern
from segcourse.errors import DataError
from segcourse.palette import Palette

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RemoteFile:
    """An archive to download.

    Attributes:
        url: the archive's address.
        checksum: "md5:…", "sha256:…" or "unknown".
        into: the subfolder to unpack the archive into; "" for the data set's folder.
    """

    url: str
    checksum: str
    into: str = ""


class Layout(NamedTuple):
    """The folders of a split's images and masks, and the file that lists its stems, if any.

    In the catalogue, `a|b` means a, or b where there is no a. A folder may end with a pattern of file names,
    see `segcourse.data.pairing.image_files`.
    """

    images: str
    masks: str | None = None
    ids: str | None = None


@dataclass(frozen=True)
class Entry:
    """One data set of catalogue.toml; the comment at the top of that file explains the fields."""

    name: str
    title: str
    page: str
    access: str
    licence: str
    citation: str
    image_size: str
    download: str
    pairs: dict[str, int]
    classes: tuple[str, ...]
    splits: dict[str, Layout]
    upright: bool = True
    colours: tuple = ()
    mask_values: tuple[int, ...] | None = None
    void_values: tuple[int, ...] = ()
    steps: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = field(default=())

    @property
    def palette(self) -> Palette:
        """Return the data set's own colours, or default colours if it has none."""
        return Palette(self.classes, self.colours) if self.colours else Palette.default(self.classes)

    def instructions(self, folder: Path) -> str:
        """Return the steps by which a person gets this data set into `folder`."""
        steps = [step.replace("FOLDER", str(folder)) for step in self.steps]
        if not steps:
            steps = [f"download {file.url}" for file in self.files]
            inside = sorted({file.into for file in self.files} - {""})
            where = f" (archives without a top folder into {' and '.join(inside)} in there)" if inside else ""
            steps.append(f"unpack into {folder}{where}")
        return "; ".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def catalogue_folder() -> Path:
    """Return the folder of catalogue.toml: in the installed package, else the checkout's `datasets/`."""
    shipped = _PACKAGE / "_course" / "datasets"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "datasets"


@cache
def entries() -> dict[str, Entry]:
    """Return the data sets of the catalogue by name."""
    tables = tomllib.loads((catalogue_folder() / "catalogue.toml").read_text(encoding="utf-8"))
    return {name: _entry(name, table) for name, table in tables.items()}


def entry(name: str) -> Entry:
    """Return one data set of the catalogue.

    Raises:
        DataError: the catalogue has no data set of this name.

    >>> entry("camvid").classes[:3]
    ('sky', 'building', 'pole')
    """
    if name not in entries():
        raise DataError(f"{name!r} is not in the catalogue; the names are {', '.join(entries())}.")
    return entries()[name]


def table() -> str:
    """Return the catalogue as a text table."""
    lines = [("NAME", "PAIRS", "CLASSES", "ACCESS", "HERE", "WHAT")]
    generated = [("lesions", "2", "procedural dermoscopy with optional difficulties")]
    generated += [("scenes", "8", "procedural street scenes with depth")]
    lines += [(name, "any number", classes, "code", "yes", what) for name, classes, what in generated]
    for name, one in entries().items():
        pairs = ", ".join(f"{count} {split}" for split, count in one.pairs.items())
        here = "yes" if find_folder(name) else "no"
        lines.append((name, pairs, str(len(one.classes)), one.access, here, one.title))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def data_root() -> Path:
    """Return the folder of downloaded data sets: `$SEGCOURSE_DATA`, else the platform's cache folder."""
    chosen = os.environ.get("SEGCOURSE_DATA")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("segcourse"))


def candidates(name: str, root: str | os.PathLike | None = None) -> list[Path]:
    """Return the folders to search for a data set, in order; with `root`, only `root` is searched."""
    if root is not None:
        return [Path(root) / name, Path(root)]
    folders = [data_root() / name, Path(platformdirs.user_cache_dir("segcourse")) / name]
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():
        folders.append(checkout.parent / "shared" / "data" / name)
    return list(dict.fromkeys(folders))


def find_folder(name: str, root: str | os.PathLike | None = None, split: str | None = None) -> Path | None:
    """Return the first candidate folder that holds the split (default: any split), or None."""
    one = entry(name)
    wanted = one.splits if split is None else [split]
    return next((f for f in candidates(name, root) if any(find_layout(one, f, s) for s in wanted)), None)


def find_layout(one: Entry, folder: Path, split: str) -> Layout | None:
    """Return the locations of a split's files in `folder`, or None.

    A folder prepared by hand holds `SPLIT/images` and `SPLIT/masks`, or `images`, `masks` and
    `SPLIT_ids.txt`. Otherwise the folders are those of the data set's archives, up to two levels deeper.
    """
    by_hand = [Layout(f"{split}/images", f"{split}/masks"), Layout("images", "masks", f"{split}_ids.txt")]
    prepared = (_in_folder(layout, folder) for layout in by_hand)
    return next(filter(None, prepared), None) or find_packed(one, folder, split)


def find_packed(one: Entry, folder: Path, split: str) -> Layout | None:
    """Return the locations of a split's files as its owner packs them, up to two levels below `folder`."""
    if split not in one.splits:
        return None
    deeper = (path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_dir())
    found = (_in_folder(one.splits[split], base) for base in itertools.chain([folder], deeper))
    return next(filter(None, found), None)


def _in_folder(layout: Layout, folder: Path) -> Layout | None:
    """Return the layout with its places in `folder`, or None if one of them is missing."""
    parts = {part: choices for part, choices in layout._asdict().items() if choices}
    places = {part: place for part, choices in parts.items() if (place := _place(folder, choices))}
    return layout._replace(**places) if places.keys() == parts.keys() else None


def _place(folder: Path, choices: str) -> str | None:
    for choice in choices.split("|"):
        inner, names = split_pattern(choice)
        if place := next(folder.glob(str(inner)), None):
            return os.path.normpath(place if names == "*" else place / names)
    return None


def read_ids(path: str | os.PathLike) -> list[str]:
    """Read stems from a text file: the first word of each line, without an image suffix."""
    words = [line.split()[0] for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Path(word).stem if Path(word).suffix.lower() in SUFFIXES else word
        for word in words
        if not word.startswith("#")
    ]


def locate(name: str, split: str, root: str | os.PathLike | None = None) -> Layout:
    """Return the locations of a split's files on this machine.

    Raises:
        DataError: the data set has no such split, or it is not on this machine. The message then lists the
            steps to get it.
    """
    one = entry(name)
    folder = find_folder(name, root, split)
    if folder is not None and (layout := find_layout(one, folder, split)) is not None:
        return layout
    if split not in one.splits:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(one.splits)}.")
    home = Path(root) if root is not None else data_root() / name
    looked = ", ".join(map(str, candidates(name, root)))
    program = f"run `segcourse data get {name}` ({one.download}), or by hand: " * (one.access == "program")
    raise DataError(
        f"{name} ({split}) is not on this machine; searched {looked}. To get it, {program}"
        f"{one.instructions(home)}. Licence: {one.licence}"
    )


def _entry(name: str, table: dict) -> Entry:
    table = dict(table)
    splits = {split: Layout(**layout) for split, layout in table.pop("splits").items()}
    files = tuple(RemoteFile(**file) for file in table.pop("files", ()))
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Entry(name=name, splits=splits, files=files, **{**table, **lists})
