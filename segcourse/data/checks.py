"""What is wrong with a folder of images and masks, said before a training and not after it."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segcourse.data.decode import ImageFacts, image_facts
from segcourse.data.images import read_image, read_mask
from segcourse.data.pairing import Matches, Pair, match_files, pairs_from_csv
from segcourse.data.report import Report
from segcourse.data.values import mask_value_scheme
from segcourse.errors import DataError
from segcourse.palette import IGNORE, Palette


class _Looked(NamedTuple):
    """What one look at a pair gave; None for what could not be read."""

    pair: Pair
    image: ImageFacts | None
    mask_shape: tuple[int, int] | None
    values: set[int]
    findings: list[tuple[str, Path]]


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
    """Look at every pair that a `FolderDataset` of these arguments would read, and report what is wrong.

    Every file is decoded, so that a truncated one is found now and not in the third epoch.

    Raises:
        DataError: a folder is missing or holds no image, or the CSV cannot be read.
    """
    if csv is not None:
        matches = Matches(pairs_from_csv(csv, images), [], [], [])
    elif images is None:
        raise DataError("a folder with images, or a CSV file with the columns image,mask, was expected")
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
        if not _is_readable(path):
            report.add("unreadable image", path)
    with ThreadPoolExecutor(max_workers=4) as pool:  # decoders run side by side
        looked = list(pool.map(lambda pair: _look(pair, mask_values is not None, palette), matches.pairs))
    for one in looked:
        for kind, path in [*one.findings, *_compare(one)]:
            report.add(kind, path)
    names = palette.names if class_names is None and palette is not None else class_names
    _check_values(report, looked, mask_values, set(void_values), names)
    _check_copies(report, matches.pairs)
    return report


def _look(pair: Pair, values_given: bool, palette: Palette | None) -> _Looked:
    findings, image, shape, values = [], None, None, set()
    if _is_readable(pair.image):
        image = image_facts(pair.image)
    else:
        findings.append(("unreadable image", pair.image))
    try:
        if jpeg := image_facts(pair.mask).format == "JPEG":
            findings.append(("saved as JPEG" if values_given else "JPEG mask", pair.mask))
        mask = read_mask(pair.mask, palette=palette)
        shape, values = mask.shape, set() if jpeg else set(np.unique(mask).tolist())
    except DataError:
        findings.append((_why_no_mask(pair.mask), pair.mask))
    return _Looked(pair, image, shape, values, findings)


def _is_readable(path: Path) -> bool:
    try:
        read_image(path, size=32)  # decodes the whole file, the fast way
    except DataError:
        return False
    return True


def _why_no_mask(path: Path) -> str:
    try:
        picture = read_image(path)
    except DataError:
        return "unreadable mask"
    grey = (picture == picture[..., :1]).all()
    return "unexpected mask values" if grey else "colour mask"


def _compare(one: _Looked) -> list[tuple[str, Path]]:
    """Sizes, rotation and emptiness of a pair of which both files could be read."""
    findings = []
    if one.image is not None and one.mask_shape is not None:
        if one.mask_shape != one.image.shape:
            stored = one.image.rotated and one.mask_shape == one.image.shape[::-1]
            findings.append(("mask not turned" if stored else "sizes differ", one.pair.image))
        elif one.image.rotated:
            findings.append(("EXIF rotation", one.pair.image))
    if one.values == {0}:
        findings.append(("empty mask", one.pair.mask))
    return findings


def _check_values(report: Report, looked: list[_Looked], mask_values, void: set[int], class_names) -> None:
    """Hold each mask's values against what they mean in the whole set."""
    looked = [one._replace(values=one.values - void) for one in looked if one.values]
    listed = _listed([one.values for one in looked], mask_values, class_names)
    for one in looked:
        if strange := sorted(one.values - {*listed, IGNORE}) if listed else sorted(one.values):
            shown = ", ".join(map(str, strange[:6])) + (", …" if len(strange) > 6 else "")
            report.add("unexpected mask values", f"{one.pair.mask.name} {{{shown}}}")
    if mask_values is None and listed == (0, 255):
        for one in looked:
            if 255 in one.values:
                report.add("saved as 0/255", one.pair.mask)
    # a mask with 0, 1 and 255 shows that 255 is void here, and then a mask of 0 and 255 is nothing strange
    elif mask_values is None and listed == (0, 1) and not any({1, 255} <= one.values for one in looked):
        for one in looked:
            if 255 in one.values:
                report.add("0/1 and 0/255 mixed", one.pair.mask)


def _listed(stored: list[set[int]], mask_values, class_names) -> tuple[int, ...]:
    """The values of the classes, as the masks say that make sense on their own; empty if none does."""

    def makes_sense(values: set[int]) -> bool:
        try:
            return bool(mask_value_scheme([values], mask_values, (), class_names))
        except DataError:
            return False

    sound = [values for values in stored if makes_sense(values)]
    try:
        return mask_value_scheme(sound, mask_values, (), class_names).mask_values if sound else ()
    except DataError:
        return ()


def _check_copies(report: Report, pairs: list[Pair]) -> None:
    by_size: dict[int, list[Path]] = {}
    for path in {pair.image for pair in pairs}:
        if path.is_file():
            by_size.setdefault(path.stat().st_size, []).append(path)
    seen: dict[bytes, Path] = {}
    for paths in by_size.values():
        for path in sorted(paths) if len(paths) > 1 else ():
            first = seen.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
            if first != path:
                report.add("same image twice", f"{first.name} = {path.name}")
