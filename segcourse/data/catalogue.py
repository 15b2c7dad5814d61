"""The data sets that have a name: where each comes from, where it lies on this machine, and how its folders
are read."""

import os
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import platformdirs

from segcourse.data.decode import SUFFIXES
from segcourse.errors import DataError
from segcourse.palette import Palette

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RemoteFile:
    """An archive to download: `checksum` is "md5:…", "sha256:…" or "unknown"; `into` the folder to unpack it
    into."""

    url: str
    checksum: str
    into: str = ""


class Layout(NamedTuple):
    """Where a split's images and masks lie below the set's folder, and the file with its stems, if there is
    one."""

    images: str
    masks: str | None = None
    ids: str | None = None


@dataclass(frozen=True)
class Entry:
    """One data set of catalogue.toml, whose head explains the fields."""

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
    colours: tuple = ()
    mask_values: tuple[int, ...] | None = None
    void_values: tuple[int, ...] = ()
    steps: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = field(default=())

    @property
    def palette(self) -> Palette:
        """The set's own colours, or made ones where it has none."""
        return Palette(self.classes, self.colours) if self.colours else Palette.default(self.classes)

    def instructions(self, folder: Path) -> str:
        """What a person does to have this set in `folder`, step by step."""
        steps = [step.replace("FOLDER", str(folder)) for step in self.steps]
        if not steps:
            steps = [f"download {file.url}" for file in self.files]
            inside = sorted({file.into for file in self.files} - {""})
            where = f" ({' and '.join(inside)} inside it for archives without a folder)" if inside else ""
            steps.append(f"unpack into {folder}{where}")
        return "; ".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def catalogue_folder() -> Path:
    """The folder with catalogue.toml and the data cards: inside an installed package, or the checkout's
    `datasets/`."""
    shipped = _PACKAGE / "_course" / "datasets"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "datasets"


@cache
def entries() -> dict[str, Entry]:
    """Every data set of the catalogue, by name."""
    tables = tomllib.loads((catalogue_folder() / "catalogue.toml").read_text(encoding="utf-8"))
    return {name: _entry(name, table) for name, table in tables.items()}


def entry(name: str) -> Entry:
    """One data set of the catalogue.

    Raises:
        DataError: there is none of this name.

    >>> entry("camvid").classes[:3]
    ('sky', 'building', 'pole')
    """
    if name not in entries():
        raise DataError(f"{name!r} is not in the catalogue; it has {', '.join(entries())}")
    return entries()[name]


def table() -> str:
    """The catalogue as a text table: name, pairs, classes, how to get it, where it is, what it is."""
    lines = [("NAME", "PAIRS", "CLASSES", "ACCESS", "HERE", "WHAT")]
    lines.append(
        ("lesions", "any number", "2", "code", "yes", "procedural dermoscopy with planted difficulties")
    )
    for name, one in entries().items():
        pairs = ", ".join(f"{count} {split}" for split, count in one.pairs.items())
        here = "yes" if find_folder(name) else "no"
        lines.append((name, pairs, str(len(one.classes)), one.access, here, one.title))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def data_root() -> Path:
    """Where downloaded sets live: `$SEGCOURSE_DATA`, else the platform's cache folder."""
    chosen = os.environ.get("SEGCOURSE_DATA")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("segcourse"))


def candidates(name: str, root: str | os.PathLike | None = None) -> list[Path]:
    """The folders in which a set is looked for, the first one first; with `root` only there."""
    if root is not None:
        return [Path(root) / name, Path(root)]
    folders = [data_root() / name, Path(platformdirs.user_cache_dir("segcourse")) / name]
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file():
        folders.append(checkout.parent / "shared" / "data" / name)
    return list(dict.fromkeys(folders))


def find_folder(name: str, root: str | os.PathLike | None = None, split: str | None = None) -> Path | None:
    """The first candidate that holds the split (any, if none is given), or None."""
    one = entry(name)
    wanted = one.splits if split is None else [split]
    return next((f for f in candidates(name, root) if any(find_layout(one, f, s) for s in wanted)), None)


def find_layout(one: Entry, folder: Path, split: str) -> Layout | None:
    """Where in `folder` the split's files lie: as prepared by hand, or as the set's own archives unpack.

    Prepared means `SPLIT/images` and `SPLIT/masks`, or `images`, `masks` and `SPLIT_ids.txt`, in `folder`
    itself. Archives may have been unpacked a folder or two deeper than needed.
    """
    by_hand = [Layout(f"{split}/images", f"{split}/masks"), Layout("images", "masks", f"{split}_ids.txt")]
    packed = [one.splits[split]] if split in one.splits else []
    deeper = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if path.is_dir()]
    tries = [(folder, layout) for layout in [*by_hand, *packed]]
    tries += [(base, layout) for base in deeper for layout in packed]
    for base, layout in tries:
        places = Layout(*(part and str(base / part) for part in layout))
        if all(os.path.exists(place) for place in places if place):
            return places
    return None


def read_ids(path: str | os.PathLike) -> list[str]:
    """The stems that a list file names: the first word of each line, without a suffix of an image."""
    words = [line.split()[0] for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Path(word).stem if Path(word).suffix.lower() in SUFFIXES else word
        for word in words
        if not word.startswith("#")
    ]


def locate(name: str, split: str, root: str | os.PathLike | None = None) -> Layout:
    """Where the split of a set lies on this machine.

    Raises:
        DataError: the set has no such split, or is not here; then with the steps that bring it here.
    """
    one = entry(name)
    folder = find_folder(name, root, split)
    if folder is not None:
        return find_layout(one, folder, split)
    if split not in one.splits:
        raise DataError(f"{name} has no split {split!r}; it has {', '.join(one.splits)}")
    home = Path(root) if root is not None else data_root() / name
    looked = ", ".join(map(str, candidates(name, root)))
    program = f"run `segcourse data get {name}` ({one.download}), or by hand: " * (one.access == "program")
    raise DataError(
        f"{name} ({split}) is not on this machine; looked in {looked}. To get it, {program}"
        f"{one.instructions(home)}. Licence: {one.licence}"
    )


def _entry(name: str, table: dict) -> Entry:
    table = dict(table)
    splits = {split: Layout(**layout) for split, layout in table.pop("splits").items()}
    files = tuple(RemoteFile(**file) for file in table.pop("files", ()))
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Entry(name=name, splits=splits, files=files, **{**table, **lists})
