"""Decode images, predict them and write the results, in parallel; one bad file never stops the others."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from segcourse.data.decode import open_image
from segcourse.data.images import to_rgb
from segcourse.data.samples import image_tensor
from segcourse.errors import DataError
from segcourse.files import replacing
from segcourse.inference import contours, pictures
from segcourse.inference.keeping import Keep
from segcourse.inference.segmenter import Segmenter
from segcourse.plotting.arrays import background_class

SUFFIXES = {**pictures.KINDS, "contours": ".geojson"}
_BATCH, _BATCH_PIXELS = 8, 24_000_000  # 24 million RGB pixels are 290 MB as floats


class Job(NamedTuple):
    """An image file to predict.

    Attributes:
        name: the path as a person gave it.
        stem: what the names of its results begin with.
        path: the path to open; on a cluster absolute.
    """

    name: str
    stem: str
    path: Path


class Outcome(NamedTuple):
    """What became of an image file.

    Attributes:
        name: the path as a person gave it.
        row: its row of shares.csv; empty if the file was skipped.
        note: what a person should know, or why the file was skipped.
    """

    name: str
    row: list[str]
    note: str = ""


@dataclass(frozen=True)
class Order:
    """What to write for each image, and where: everything but the network and the images.

    Attributes:
        out: folder for the results.
        kinds: names in `SUFFIXES`.
        keep: the classes to show. Default: all but the background.
        style: how pictures are drawn.
        options: `flips`, `tile` and `overlap` of `Segmenter.predict`.
    """

    out: Path
    kinds: tuple[str, ...]
    keep: Keep | None = None
    style: pictures.Style = field(default_factory=pictures.Style)
    options: dict[str, Any] = field(default_factory=dict)

    def target(self, job: Job, kind: str) -> Path:
        """Return the file of one result."""
        return self.out / f"{job.stem}_{kind}{SUFFIXES[kind]}"


def predict_images(
    segmenter: Segmenter, order: Order, jobs: Iterable[Job], threads: int = 4
) -> Iterator[Outcome]:
    """Predict image files, write the results, and yield what became of each, in the order of `jobs`.

    Threads decode the next images and write the last results while the network is busy. Two images per thread
    and two batches are in memory at most.

    Raises:
        SaveError: the folder is not writable or the disk is full.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        writing: deque[Future[Outcome]] = deque()
        try:
            decoded = _ahead(pool, lambda job: _decode(job, len(segmenter.mean)), jobs, threads)
            for batch in _batches(decoded):
                readable = [one for one in batch if not isinstance(one.pixels, DataError)]
                masks = iter(_masks(segmenter, [one.pixels for one in readable], order.options))
                for one in batch:
                    mask = one.pixels if isinstance(one.pixels, DataError) else next(masks)
                    writing.append(pool.submit(_write, segmenter, order, one, mask))
                while len(writing) > threads:
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        except BaseException:  # above all Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Decoded(NamedTuple):
    job: Job
    image: np.ndarray  # uint8 H×W×3, for drawing
    pixels: Any  # for the network; or why there are none


def _decode(job: Job, channels: int) -> _Decoded:
    try:
        opened = open_image(job.path)
        image = np.array(to_rgb(opened, job.path))
        return _Decoded(job, image, image if channels == 3 else image_tensor(opened, channels))
    except DataError as error:
        return _Decoded(job, np.zeros((0, 0, 3), np.uint8), error)


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[Job], _Decoded], jobs: Iterable[Job], count: int
) -> Iterator[_Decoded]:
    """Yield function(job) for each job in order, while threads work on the next `count` jobs."""
    waiting: deque[Future[_Decoded]] = deque()
    for job in jobs:
        waiting.append(pool.submit(function, job))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(decoded: Iterable[_Decoded]) -> Iterator[list[_Decoded]]:
    batch: list[_Decoded] = []
    pixels = 0
    for one in decoded:
        size = one.image.shape[0] * one.image.shape[1]
        if batch and (len(batch) == _BATCH or pixels + size > _BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(one)
        pixels += size
    if batch:
        yield batch


def _masks(segmenter: Segmenter, images: list, options: dict[str, Any]) -> list[np.ndarray | DataError]:
    try:
        return [*segmenter.predict_batch(images, **options)] if images else []
    except (DataError, torch.OutOfMemoryError) as error:
        if len(images) > 1:  # one image may be to blame
            return [mask for image in images for mask in _masks(segmenter, [image], options)]
        if isinstance(error, DataError):
            return [error]
        return [DataError("too large for the memory of the device; pass --tile 1024 to predict it in tiles.")]


def _write(segmenter: Segmenter, order: Order, one: _Decoded, mask: np.ndarray | DataError) -> Outcome:
    name = one.job.name
    if isinstance(mask, DataError):
        said = str(mask)
        return Outcome(name, [], said if name in said else f"{name}: {said}")
    palette, classes = segmenter.palette, segmenter.class_names
    kept = None if order.keep is None else order.keep.choose(mask)
    height, width = mask.shape
    for kind in order.kinds:
        with replacing(order.target(one.job, kind)) as temporary:
            if kind == "contours":
                shown = set(range(len(classes))) - {background_class(palette)} if kept is None else kept
                image = {"file": name, "width": width, "height": height}
                found = contours.as_geojson(contours.regions(mask, sorted(shown)), classes, image)
                temporary.write_text(json.dumps(found), encoding="utf-8")
            else:
                drawn = pictures.draw(kind, one.image, mask, kept, palette, order.style)
                _save(drawn, temporary)
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    row = [name, str(width), str(height), *(f"{count / mask.size:.6f}" for count in counts)]
    if order.keep is None or kept is None:
        return Outcome(name, row)
    row.append(" ".join(classes[i] for i in kept))
    return Outcome(name, row, _said(name, order.keep, kept, counts, classes))


def _said(name: str, keep: Keep, kept: tuple[int, ...], counts: np.ndarray, classes: tuple[str, ...]) -> str:
    wanted = " or ".join(classes[i] for i in keep.ids)
    if kept != keep.ids:
        return f"{name}: no {wanted}; shows {' and '.join(classes[i] for i in kept)} instead."
    return "" if counts[list(kept)].any() else f"{name}: no {wanted} found."


def _save(image: Image.Image, path: Path) -> None:
    # level 1 takes a quarter of the default's time and a tenth more bytes
    image.save(path, compress_level=1)
