"""Match images with masks by the usual file and folder names, or by a CSV file."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from segcourse.data.decode import SUFFIXES
from segcourse.errors import DataError

MASK_MARK = re.compile(
    r"[ _.-](masks?|segmentation|segmented|seg|lesion|gt|ground_?truth|labels?|annotations?|l"
    r"|gtfine_labelids|gtfine_labeltrainids)$",
    re.IGNORECASE,
)
IMAGE_MARK = re.compile(r"[ _.-](images?|img|photo|sat|leftimg8bit|dermoscopic_image)$", re.IGNORECASE)
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages", "photos")
MASK_FOLDERS = ("masks", "mask", "labels", "annotations", "gt", "ground_truth", "SegmentationClass", "annot")
# files next to the images of known data sets that are neither image nor mask: superpixels of ISIC, regions
# of PH2, and what Cityscapes stores beside the class ids
_NEITHER = re.compile(r"_superpixels$|^imd\d+_r\d+_label\w*$|_gtfine_(color|instanceids)$", re.IGNORECASE)
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".webp")


class Pair(NamedTuple):
    """An image file, its mask file, and their common name."""

    image: Path
    mask: Path
    name: str


class Matches(NamedTuple):
    """The result of matching: pairs, unmatched images, unmatched masks, and files with ambiguous names."""

    pairs: list[Pair]
    images_alone: list[Path]
    masks_alone: list[Path]
    ambiguous: list[Path]


def image_files(folder: str | os.PathLike) -> list[Path]:
    """Return all image files below `folder`, sorted; the suffix decides, and hidden files are left out.

    Args:
        folder: the folder, or the folder and a pattern that the names must match: `gtFine/*_labelIds.png`.

    Raises:
        DataError: the folder does not exist or holds no image.
    """
    folder, pattern = split_pattern(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}; expected a folder with images.")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and path.match(pattern)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not _NEITHER.search(path.stem)
        and path.is_file()
    ]
    if not files:
        wanted = f"ending in {', '.join(SUFFIXES)}" if pattern == "*" else f"named {pattern}"
        raise DataError(f"{folder} holds no images; expected files {wanted}.")
    return files


def split_pattern(folder: str | os.PathLike) -> tuple[Path, str]:
    """Split a pattern of file names off a folder; without one, the pattern is `*`.

    >>> split_pattern("masks/*_labelIds.png") == (Path("masks"), "*_labelIds.png")
    True
    >>> split_pattern("masks") == (Path("masks"), "*")
    True
    """
    folder = Path(folder)
    return (folder.parent, folder.name) if "*" in folder.name else (folder, "*")


def match_files(images: str | os.PathLike, masks: str | os.PathLike | None = None) -> Matches:
    """Match the image files below `images` with the mask files below `masks`, or within one folder.

    A mask has the stem of its image, or that stem plus an ending such as `_mask`, `_segmentation`, `_lesion`,
    `_gt` or `_label`. One folder may hold `images/` and `masks/`, or all files together. If an image and a
    mask in one folder have the same stem, the JPEG or WebP file is the image.

    Args:
        images, masks: folders, or folders with a pattern of file names, see `image_files`.

    Raises:
        DataError: a folder is missing or empty.
    """
    images = Path(images)
    if masks is None:
        inside = _subfolders(images)
        if inside is None:
            root = split_pattern(images)[0]
            return _match(*_split_mixed(image_files(images)), root, root)
        images, masks = inside
    masks = Path(masks)
    if images.resolve() == masks.resolve():
        return _match(*_split_mixed(image_files(images)), images, images)
    return _match(image_files(images), image_files(masks), split_pattern(images)[0], split_pattern(masks)[0])


def pair_files(
    images: str | os.PathLike, masks: str | os.PathLike | None = None, names: Sequence[str] | None = None
) -> list[Pair]:
    """Return the pairs that `match_files` finds, sorted by name.

    Args:
        images: folder with images, or with images and masks.
        masks: folder with masks.
        names: use only these, in this order: stems, or paths relative to `images` without the suffix.

    Raises:
        DataError: a folder is missing or empty, an image has no mask, several files match one name, or a
            name is missing.
    """
    found = match_files(images, masks)
    if names is not None:
        return _select(found.pairs, names, images)
    if found.ambiguous:
        raise DataError(
            f"several files match the same name: {listing(found.ambiguous)}; rename them, use a CSV file, or "
            "choose with a pattern, such as 'FOLDER/*_labelIds.png'."
        )
    if found.images_alone:
        raise DataError(
            f"{len(found.images_alone)} of {len(found.images_alone) + len(found.pairs)} images have no mask: "
            f"{listing(found.images_alone)}. A mask has the name of its image, optionally followed by _mask "
            "or _segmentation. Rename the masks, move these images to another folder, or list the pairs in a "
            "CSV file with the columns image,mask."
        )
    return found.pairs


def pairs_from_csv(
    path: str | os.PathLike, folder: str | os.PathLike | None = None, split: str | None = None
) -> list[Pair]:
    """Return the pairs listed in the columns `image`, `mask` and (optionally) `split` of a CSV file.

    A pair has the name of its image's file; where two would be equal, all have the path in the CSV file.

    Args:
        path: the CSV file.
        folder: paths are relative to this folder. Default: the folder of the CSV file.
        split: use only the rows with this split. Default: all rows.

    Raises:
        DataError: the file or a column is missing, a cell is empty, or no row has this split.
    """
    path = Path(path)
    folder = path.parent if folder is None else Path(folder)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file ({error}).") from error
    missing = {"image", "mask"} - set(columns)
    if missing or (split is not None and "split" not in columns):
        wanted = "image, mask" + (", split" if split is not None else "")
        raise DataError(f"{path} has the columns {', '.join(columns) or 'none'}; expected {wanted}.")
    for line, row in enumerate(rows, start=2):
        if not row["image"] or not row["mask"]:
            raise DataError(f"{path}, line {line}: image or mask is empty; give both in each row.")
    rows = [row for row in rows if split is None or row["split"] == split]
    if not rows:
        raise DataError(
            f"{path} lists no pairs" + (f" of the split {split!r}." if split is not None else ".")
        )
    names = [Path(row["image"]).stem for row in rows]
    if len(set(names)) < len(names):  # of several folders
        names = [Path(row["image"]).with_suffix("").as_posix() for row in rows]
    return [
        Pair(folder / row["image"], folder / row["mask"], name) for row, name in zip(rows, names, strict=True)
    ]


def listing(paths: Iterable[Path | str], most: int = 5) -> str:
    """Return the first `most` names and the number of the others.

    >>> listing(["a.png", "b.png", "c.png"], most=2)
    'a.png, b.png and 1 more'
    """
    names = [path.name if isinstance(path, Path) else path for path in paths]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _normal(stem: str) -> str:
    # macOS writes an accented letter as two characters, other systems as one
    return unicodedata.normalize("NFC", stem)


def _subfolders(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / name for name in IMAGE_FOLDERS if (folder / name).is_dir()), None)
    masks = next((folder / name for name in MASK_FOLDERS if (folder / name).is_dir()), None)
    return (images, masks) if images and masks else None


def _split_mixed(files: list[Path]) -> tuple[list[Path], list[Path]]:
    by_stem: dict[str, list[Path]] = {}
    for path in files:
        by_stem.setdefault(_normal(path.stem), []).append(path)
    masks = set()
    for path in files:
        twins = by_stem[_normal(path.stem)]
        is_photo = path.suffix.lower() in _PHOTO_SUFFIXES
        beside_photo = any(twin.suffix.lower() in _PHOTO_SUFFIXES for twin in twins if twin != path)
        if MASK_MARK.search(_normal(path.stem)) or (not is_photo and beside_photo):
            masks.add(path)
    return [path for path in files if path not in masks], sorted(masks)


def _match(images: list[Path], masks: list[Path], image_root: Path, mask_root: Path) -> Matches:
    # first by relative path (a/001.jpg and b/001.jpg differ), then by stem if only one file has it; the mask
    # crack/001.png is that of crack/001.jpg, so good/001.jpg has no mask
    keys_of = {image: _keys(image, image_root, IMAGE_MARK) for image in images}
    at_image = {key for keys in keys_of.values() for key in keys if not key.startswith("*/")}
    by_key: dict[str, list[Path]] = {}
    for mask in masks:
        keys = _keys(mask, mask_root, MASK_MARK)
        for key in [key for key in keys if key in at_image] or keys:
            by_key.setdefault(key, []).append(mask)
    pairs, unmatched, ambiguous, taken = [], [], [], {}
    for image in images:
        keys = [key for key in keys_of[image] if key in by_key]
        candidates = by_key[keys[0]] if keys else []
        if not candidates:
            unmatched.append(image)
        elif len(candidates) > 1 or candidates[0] in taken:
            ambiguous += [image, *candidates]
        else:
            name = _normal(image.relative_to(image_root).with_suffix("").as_posix())
            pairs.append(Pair(image, candidates[0], name))
            taken[candidates[0]] = image
    unused = [mask for mask in masks if mask not in taken and mask not in ambiguous]
    if len({Path(pair.name).name for pair in pairs}) == len(pairs):
        pairs = [pair._replace(name=Path(pair.name).name) for pair in pairs]
    return Matches(pairs, unmatched, unused, list(dict.fromkeys(ambiguous)))


def _keys(path: Path, root: Path, mark: re.Pattern) -> list[str]:
    """Return the keys by which a file can be matched, the most specific first."""
    parent = path.relative_to(root).parent.as_posix()
    stem = _normal(path.stem)
    stems = dict.fromkeys([stem, mark.sub("", stem)])
    return [f"{parent}/{stem}" for stem in stems] + [f"*/{stem}" for stem in stems]


def _select(pairs: list[Pair], names: Sequence[str], folder: str | os.PathLike) -> list[Pair]:
    by_name = {key: pair for pair in pairs for key in (_normal(pair.image.stem), pair.name)}
    missing = [name for name in names if _normal(name) not in by_name]
    if missing:
        raise DataError(
            f"{folder} has no pair of image and mask for {len(missing)} names: {listing(missing)}."
        )
    return [by_name[_normal(name)] for name in names]
