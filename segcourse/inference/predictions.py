"""Predict files, folders and patterns of files: pictures, contours and a table of shares in one folder."""

import glob
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save as as_bytes
from tqdm import tqdm

from segcourse.cluster import open_cluster
from segcourse.data.decode import SUFFIXES as IMAGE_SUFFIXES
from segcourse.data.pairing import image_files
from segcourse.errors import DataError, SegcourseError
from segcourse.files import replacing
from segcourse.inference import contours, pictures, pipeline
from segcourse.inference.keeping import Keep
from segcourse.inference.pipeline import Job, Order, Outcome
from segcourse.inference.results_folder import COCO, SHEET, ResultsFolder
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.shipped import weights_file
from segcourse.models.weights import weights_of
from segcourse.plotting.arrays import background_class
from segcourse.plotting.contact_sheet import contact_sheet, thumbnail

KINDS = tuple(pipeline.SUFFIXES)
_SHOWN = ("overlay", "background", "recoloured", "cutout", "mask")  # on the contact sheet: the first of them
_SHEET_PICTURES = 24
_CHUNK = 16  # images per task of a cluster
_MOST_THREADS = 8  # each holds two images in memory


class Report(NamedTuple):
    """The image files of a run: predicted now, done by an earlier run, and skipped as unreadable."""

    done: list[Path]
    earlier: list[Path]
    unreadable: list[Path]


def write_predictions(
    model: Segmenter | str | Path,
    inputs: Iterable[str | Path],
    out: str | Path,
    kinds: Collection[str] = ("mask", "overlay"),
    keep: str | None = None,
    force: bool = False,
    *,
    style: pictures.Style | None = None,
    device: str | None = None,
    build: str | None = None,
    scheduler: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Report:
    """Predict image files and write the results to a folder, with a table of class shares (shares.csv).

    If a run is stopped, the same call continues it. Images that can't be read are reported on stderr and
    left out. With several images, contact_sheet.jpg shows up to 24 of them.

    | kind | file | contents |
    | --- | --- | --- |
    | mask | `NAME_mask.png` | 0 and 255 for one class, else class ids with a palette |
    | overlay | `NAME_overlay.png` | the image, tinted by class; with several classes, a legend below |
    | cutout | `NAME_cutout.png` | what is kept, with soft edges; the rest is transparent |
    | background | `NAME_background.png` | what is kept, before `style.background` |
    | recoloured | `NAME_recoloured.png` | what is kept in the colour `style.recolour`, with its shading |
    | contours | `NAME_contours.geojson`, `coco.json` | polygons in pixels, per image and for all images |

    Args:
        model: the model, or what `Segmenter.load` takes.
        inputs: image files, folders of image files, and patterns such as "photos/**/*.jpg".
        out: folder for the results.
        kinds: what to write.
        keep: the only classes to show, by name or number, with commas between them. In a picture without the
            vehicle that was named, the other vehicles are shown instead, which stderr and the column `shown`
            say; a number has no such fall-back. Default: all classes but the background.
        force: predict all images again and overwrite results; images are never overwritten.
        style: how pictures are drawn.
        device, build: for `Segmenter.load`, if `model` isn't loaded yet.
        scheduler: address of a Dask cluster that shares the work. Its machines must see the same paths.
        progress: show a progress bar.
        options: `flips`, `tile` and `overlap` of `Segmenter.predict`.

    Raises:
        DataError: a folder or class does not exist, two images would get the same name, or the folder holds
            results from other settings, or other files with the names of results.
        ModelFileError: the model can't be loaded.
        SaveError: the folder is not writable or the disk is full.
    """
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise DataError(f"there is no result {unknown[0]!r}; choose from {', '.join(KINDS)}.")
    if scheduler is not None and isinstance(model, Segmenter):
        raise DataError("a cluster loads the model itself; give the name of its file instead of the model.")
    segmenter = model if isinstance(model, Segmenter) else Segmenter.load(model, device, build=build)
    names, style = segmenter.class_names, style or pictures.Style()
    order = Order(
        Path(out),
        tuple(kind for kind in KINDS if kind in kinds),
        None if keep is None else Keep.parse(keep, names),
        style,
        options,
    )
    _refuse_without_background(segmenter, order)
    identity = _identity(model)
    always = {"model": identity, "classes": [*names], "keep": keep, "flips": False, "tile": None}
    columns = ["file", "width", "height", *names, *(() if keep is None else ["shown"])]
    folder = ResultsFolder(order, always | options | _used(order), columns)
    jobs = _jobs(path for path in _files(inputs) if not folder.is_result(path))
    todo = folder.begin(jobs, force)
    if scheduler is None:
        outcomes = pipeline.predict_images(segmenter, order, todo, _threads())
    else:
        outcomes = _on_cluster(scheduler, (str(model), device, build, identity), order, todo)
    done: set[str] = set()
    unreadable: set[str] = set()
    try:
        with tqdm(total=len(jobs), initial=len(jobs) - len(todo), unit="image", disable=not progress) as bar:
            for outcome in outcomes:
                (done if outcome.row else unreadable).add(outcome.name)
                if outcome.row:
                    folder.add(outcome)
                if outcome.note:
                    bar.write(outcome.note if outcome.row else f"skipped: {outcome.note}", file=sys.stderr)
                bar.update()
    except SegcourseError:
        folder.finish(jobs)
        raise
    folder.finish(jobs)
    finished = [job for job in jobs if job.name not in unreadable]
    if "contours" in order.kinds and finished:
        contours.write_coco(order.out / COCO, (order.target(job, "contours") for job in finished), names)
    if len(finished) > 1:
        _write_sheet(order, finished)
    groups: tuple[list[Path], ...] = ([], [], [])
    for job in jobs:
        groups[0 if job.name in done else 2 if job.name in unreadable else 1].append(Path(job.name))
    return Report(*groups)


def _on_cluster(scheduler: str, loading: tuple, order: Order, jobs: list[Job]) -> Iterator[Outcome]:
    # workers have another working folder
    model = weights_file(loading[0])
    loading = (str(model.resolve()) if model.is_file() else loading[0], *loading[1:])
    order = replace(order, out=order.out.resolve())
    chunks = (
        (loading, order, [job._replace(path=job.path.resolve()) for job in jobs[start : start + _CHUNK]])
        for start in range(0, len(jobs), _CHUNK)
    )
    with open_cluster(scheduler) as cluster:
        for _, outcomes in cluster.run(_predict_chunk, chunks):
            yield from outcomes


def _predict_chunk(task: tuple[tuple, Order, list[Job]]) -> list[Outcome]:
    loading, order, jobs = task
    return [*pipeline.predict_images(_load_once(*loading), order, jobs, threads=2)]


@lru_cache(maxsize=1)
def _load_once(model: str, device: str | None, build: str | None, identity: str) -> Segmenter:
    """Load a model once per worker; a file that has changed has another `identity`."""
    return Segmenter.load(model, device, build=build)


def _identity(model: Segmenter | str | Path) -> str:
    """Return what tells a model from others: its name, or a digest of its file or of its weights."""
    if isinstance(model, Segmenter):
        numbers = repr((model.mean, model.std, model.size, model.threshold)).encode()
        content = as_bytes(weights_of(model.model)) + numbers
    elif weights_file(model).is_file():
        content = weights_file(model).read_bytes()
    else:
        return str(model)
    return hashlib.sha256(content).hexdigest()[:16]


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)


def _refuse_without_background(segmenter: Segmenter, order: Order) -> None:
    """Raise a DataError if what is asked for needs a background and the model has no such class."""
    if order.keep is not None or background_class(segmenter.palette) is not None:
        return
    needing = [kind for kind in ("cutout", "background", "recoloured") if kind in order.kinds]
    if needing or ("mask" in order.kinds and order.style.mask_format == "binary"):
        what = {"cutout": "a cut-out", "background": "a new background", "recoloured": "recolouring"}
        raise DataError(
            f"{what[needing[0]] if needing else 'a binary mask'} needs the class to keep: pass --keep with "
            f"one of {', '.join(segmenter.class_names)}."
        )


def _used(order: Order) -> dict[str, Any]:
    """Return the settings of the style that the chosen kinds of results depend on."""
    field_of = {
        "mask": "mask_format",
        "overlay": "alpha",
        "background": "background",
        "recoloured": "recolour",
    }
    return {field_of[kind]: getattr(order.style, field_of[kind]) for kind in order.kinds if kind in field_of}


def _files(inputs: Iterable[str | Path]) -> list[Path]:
    """Return the image files that were given, each once."""
    paths: dict[Path, None] = {}
    for given in inputs:
        if Path(given).is_dir():
            paths |= dict.fromkeys(image_files(given))
        elif Path(given).exists() or not glob.has_magic(str(given)):
            paths[Path(given)] = None  # a missing file is reported like one that can't be read
        else:
            paths |= dict.fromkeys(_matching(str(given)))
    return [*paths]


def _jobs(files: Iterable[Path]) -> list[Job]:
    paths = [*files]
    stems = _distinct_stems(paths)
    # a name that is not UTF-8 can't be written to a table
    names = [os.fsencode(path).decode("utf-8", "replace") for path in paths]
    return [Job(*each) for each in zip(names, stems, paths, strict=True)]


def _matching(pattern: str) -> list[Path]:
    found = sorted(Path(name) for name in glob.iglob(pattern, recursive=True))
    files = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not files:
        raise DataError(
            f"no image file matches {pattern}; expected names ending in {', '.join(IMAGE_SUFFIXES)}."
        )
    return files


def _distinct_stems(paths: Sequence[Path]) -> list[str]:
    """Return one distinct stem per file, with its suffix, and then its folder, added where needed.

    >>> _distinct_stems([Path("a/x.png"), Path("a/x.jpg"), Path("a/y.png")])
    ['x_png', 'x_jpg', 'y']
    """
    choices = [
        [path.stem, path.name.replace(".", "_"), "_".join((*path.parts[-2:-1], path.name)).replace(".", "_")]
        for path in paths
    ]
    counts = [Counter(level) for level in zip(*choices, strict=True)]
    stems = [
        next((name for name, count in zip(options, counts, strict=True) if count[name] == 1), options[-1])
        for options in choices
    ]
    if repeated := [name for name, count in Counter(stems).items() if count > 1]:
        raise DataError(
            f"several images would get the name {repeated[0]}; predict them into different folders."
        )
    return stems


def _write_sheet(order: Order, jobs: list[Job]) -> None:
    """Write a contact sheet of results that are spread evenly over the images."""
    kind = next((kind for kind in _SHOWN if kind in order.kinds), None)
    count = min(_SHEET_PICTURES, len(jobs))
    chosen = [jobs[i * len(jobs) // count] for i in range(count)]
    files = [job.path if kind is None else order.target(job, kind) for job in chosen]
    with ThreadPoolExecutor(_threads()) as pool:
        thumbnails = [*pool.map(thumbnail, files)]
    sheet = contact_sheet(
        [(Path(job.name).name, small) for job, small in zip(chosen, thumbnails, strict=True)]
    )
    with replacing(order.out / SHEET) as temporary:
        sheet.save(temporary, quality=90)
