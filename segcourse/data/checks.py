"""Check a folder of images and masks before training."""

import functools
import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from segcourse.data.decode import ImageFacts, image_facts
from segcourse.data.images import is_one_bit, read_image, read_mask
from segcourse.data.pairing import Matches, Pair, match_files, pairs_from_csv
from segcourse.data.report import DARK, Report
from segcourse.data.values import mask_value_scheme
from segcourse.errors import DataError, first_few
from segcourse.palette import IGNORE, Palette

# a class is asked about if it has fewer pixels than the larger of these, in one mask in ten or in one mask
_STRAY_PIXELS, _STRAY_SHARE = 20, 0.001
_SMALL = 32  # reading at this size decodes the whole file, a JPEG at a fraction of its size


class _Inspection(NamedTuple):
    """What was read from one pair; None for a file that could not be read."""

    pair: Pair
    image: ImageFacts | None
    mask_shape: tuple[int, int] | None
    pixels: dict[int, int]  # stored value -> number of pixels
    findings: list[tuple[str, Path, str]]  # kind, file, and why it can't be read, or ""

    @property
    def values(self) -> set[int]:
        return set(self.pixels)


def check_folder(
    images: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    *,
    csv: str | os.PathLike | None = None,
    mask_values: Sequence[int] | None = None,
    void_values: Sequence[int] = (),
    class_names: Sequence[str] | None = None,
    palette: Palette | None = None,
) -> Report:
    """Check every pair that a `FolderDataset` with these arguments would read, and report the problems.

    Every file is decoded, so a truncated file is found now and not in the third epoch.

    Args:
        images, masks, csv, mask_values, void_values, class_names, palette: as in `FolderDataset`.

    Raises:
        DataError: a folder is missing or holds no image, or the CSV file can't be read.
    """
    if csv is not None:
        matches = Matches(pairs_from_csv(csv, images), [], [], [])
    elif images is None:
        raise DataError("give a folder with images, or a CSV file with the columns image,mask.")
    else:
        matches = match_files(images, masks)
    report = Report(len(matches.pairs))
    if not matches.pairs:
        report.add("no pairs", str(images))
    kinds = ("image without mask", "mask without image", "several files for one name")
    for kind, paths in zip(kinds, matches[1:], strict=True):
        for path in paths:
            report.add(kind, path)
    for path in [*matches.images_alone, *matches.masks_alone]:
        try:
            read_image(path, _SMALL)
        except DataError as error:
            report.add("unreadable image", path, str(error))
    with ThreadPoolExecutor(max_workers=4) as pool:  # decoders release the GIL
        inspect = functools.partial(_inspect, values_given=mask_values is not None, palette=palette)
        inspections = list(pool.map(inspect, matches.pairs))
    for one in inspections:
        for finding in [*one.findings, *_compare(one)]:
            report.add(*finding)
    void = set(void_values)
    known = [
        one._replace(pixels={value: count for value, count in one.pixels.items() if value not in void})
        for one in inspections
        if one.pixels
    ]
    listed = _class_values([one.values for one in known], mask_values, void_values, class_names, palette)
    _check_values(report, known, listed, mask_values is not None)
    if mask_values is None and class_names is None and palette is None:
        _check_stray_classes(report, known, listed)
    _check_duplicates(report, matches.pairs)
    return report


def _inspect(pair: Pair, values_given: bool, palette: Palette | None) -> _Inspection:
    findings, image, shape, pixels = [], None, None, {}
    try:
        if _is_dark(pair.image):
            findings.append(("dark image", pair.image, ""))
        image = image_facts(pair.image)
    except DataError as error:
        findings.append(("unreadable image", pair.image, str(error)))
    try:
        if jpeg := image_facts(pair.mask).format == "JPEG":
            findings.append(("saved as JPEG" if values_given else "JPEG mask", pair.mask, ""))
        mask = read_mask(pair.mask, palette=palette)
        shape = mask.shape
        if not jpeg:
            values, counts = np.unique(mask, return_counts=True)
            pixels = dict(zip(values.tolist(), counts.tolist(), strict=True))
    except DataError as error:
        kind = _mask_problem(pair.mask, palette is not None)
        findings.append((kind, pair.mask, "" if kind == "colour mask" else str(error)))
    return _Inspection(pair, image, shape, pixels, findings)


def _is_dark(path: Path) -> bool:
    """Return True if no pixel is bright, as in 16-bit files that use a small part of their range."""
    return read_image(path, _SMALL).max() < DARK and read_image(path).max() < DARK


def _mask_problem(path: Path, has_palette: bool) -> str:
    """Return the kind of problem of a mask that `read_mask` refuses."""
    try:
        image = read_image(path)
    except DataError:
        return "unreadable mask"
    if (image == image[..., :1]).all():  # grey, with values that are no class ids
        return "unreadable mask"
    return "unknown colour" if has_palette else "colour mask"


def _compare(one: _Inspection) -> list[tuple[str, Path, str]]:
    """Compare the sizes and rotations of an image and its mask; report an empty mask."""
    findings = []
    if one.image is not None and one.mask_shape is not None:
        if one.mask_shape != one.image.shape:
            unrotated = one.image.rotated and one.mask_shape == one.image.shape[::-1]
            findings.append(("mask not rotated" if unrotated else "sizes differ", one.pair.image, ""))
        elif one.image.rotated:
            findings.append(("EXIF rotation", one.pair.image, ""))
    if one.values == {0}:
        findings.append(("empty mask", one.pair.mask, ""))
    return findings


def _check_values(
    report: Report, inspections: list[_Inspection], listed: tuple[int, ...], given: bool
) -> None:
    """Compare each mask's values with the values of the classes in the whole data set."""
    for one in inspections:
        known = {*listed, IGNORE} if listed else set()
        if is_one_bit(one.values, listed):
            known.add(1)
        if unknown := sorted(one.values - known):
            report.add("unexpected mask values", f"{one.pair.mask.name} {{{first_few(unknown, 6)}}}")
    if not given and listed == (0, 255):
        one_bit = any(1 in one.values for one in inspections)
        for one in inspections:
            if 255 in one.values:
                report.add("0/1 and 0/255 mixed" if one_bit else "saved as 0/255", one.pair.mask)
    # a mask with 1 and 255 shows that 255 means void in this data set
    elif not given and listed == (0, 1):
        for one in inspections:
            if 255 in one.values and 1 not in one.values:
                report.add("255, but no 1", one.pair.mask)


def _check_stray_classes(report: Report, inspections: list[_Inspection], listed: tuple[int, ...]) -> None:
    """Report classes of a few pixels in a few masks: more often a slip of the pen than a class."""
    everything = sum(sum(one.pixels.values()) for one in inspections)
    for value in listed if len(listed) > 2 else ():
        holding = [one for one in inspections if value in one.pixels]
        pixels = sum(one.pixels[value] for one in holding)
        few = pixels < max(_STRAY_PIXELS, _STRAY_SHARE * everything)
        if few and len(holding) <= max(1, len(inspections) // 10):
            report.strays += (value,)
            for one in holding:
                report.add("stray class", f"{one.pair.mask.name} {{{value}: {one.pixels[value]} pixels}}")


def _class_values(stored: list[set[int]], mask_values: Sequence[int] | None, *known: Any) -> tuple[int, ...]:
    """Infer the values of the classes from the masks that are valid by themselves; () if none is.

    Args:
        stored: the values in each mask.
        mask_values, known: the arguments of `mask_value_scheme` after `stored`.
    """

    def is_valid(values: set[int]) -> bool:
        try:
            return bool(mask_value_scheme([values], mask_values, *known))
        except DataError:
            return False

    valid = [values for values in stored if is_valid(values)]
    try:
        with warnings.catch_warnings():  # the report says it
            warnings.simplefilter("ignore")
            return mask_value_scheme(valid, mask_values, *known).mask_values if valid else ()
    except DataError:
        return ()


def _check_duplicates(report: Report, pairs: list[Pair]) -> None:
    """Report image files that are listed twice or have the same bytes; files of equal size are hashed."""
    by_size: dict[int, list[Path]] = {}
    for path in (pair.image for pair in pairs):
        if path.is_file():
            by_size.setdefault(path.stat().st_size, []).append(path)
    seen: dict[bytes, Path] = {}
    for paths in by_size.values():
        for path in sorted(paths) if len(paths) > 1 else ():
            content = hashlib.sha256(path.read_bytes()).digest()
            if content in seen:
                report.add("same image twice", f"{seen[content].name} = {path.name}")
            seen.setdefault(content, path)
