"""Write predictions to files: masks, overlays, cut-outs, and a table of class shares."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segcourse.data.images import read_image
from segcourse.data.pairing import image_files
from segcourse.errors import DataError
from segcourse.files import replacing, write_csv
from segcourse.inference.segmenter import Segmenter
from segcourse.palette import Palette
from segcourse.plotting.arrays import background_class, overlay
from segcourse.plotting.legend import Entry, add_legend

KINDS = ("mask", "overlay", "cutout")


def write_predictions(
    segmenter: Segmenter,
    inputs: Iterable[str | Path],
    out: str | Path,
    kinds: Collection[str] = ("mask", "overlay"),
    keep: str | None = None,
    force: bool = False,
    **options: Any,
) -> tuple[list[Path], list[Path]]:
    """Predict image files and write the results to a folder, with a table of class shares (shares.csv).

    `NAME_mask.png` holds 0 and 255 for two classes or with `keep`, else class ids with the palette's colours.
    `NAME_overlay.png` is the image tinted with the class colours; with more than two classes, a strip below
    the image names the colours. `NAME_cutout.png` is the foreground (with
    `keep`: that class); the rest is transparent.

    Args:
        segmenter: the model.
        inputs: image files, and folders of image files.
        out: folder for the results.
        kinds: any of "mask", "overlay" and "cutout".
        keep: name or number of the only class to show. Default: all classes but the background.
        force: overwrite earlier results; inputs are never overwritten.
        options: for `Segmenter.predict_files`.

    Returns:
        The predicted files, and the unreadable files, which are reported on stderr and left out.

    Raises:
        DataError: a file, folder or class does not exist, an output exists already, or an output would
            overwrite an input.
    """
    out = Path(out)
    kept = None if keep is None else _class_id(segmenter, keep)
    if "cutout" in kinds and kept is None and background_class(segmenter.palette) is None:
        raise DataError(
            f"a cut-out needs the class to keep: pass --keep with one of {', '.join(segmenter.class_names)}."
        )
    paths = [
        path for given in inputs for path in (image_files(given) if Path(given).is_dir() else [Path(given)])
    ]
    stems = dict(zip(paths, _distinct_stems(paths), strict=True))
    targets = [out / f"{stem}_{kind}.png" for stem in stems.values() for kind in kinds] + [out / "shares.csv"]
    _refuse_overwriting(targets, paths, force)
    rows, done = [], []
    for path, mask in segmenter.predict_files(paths, on_error="skip", **options):
        image = read_image(path)
        for kind in kinds:
            _save(_draw(kind, segmenter, image, mask, kept), out / f"{stems[path]}_{kind}.png")
        shares = np.bincount(mask.ravel(), minlength=len(segmenter.class_names)) / mask.size
        rows.append([str(path), mask.shape[1], mask.shape[0], *(f"{share:.6f}" for share in shares)])
        done.append(path)
    if done:
        write_csv(out / "shares.csv", [["file", "width", "height", *segmenter.class_names], *rows])
    return done, [path for path in paths if path not in set(done)]


def _draw(
    kind: str, segmenter: Segmenter, image: np.ndarray, mask: np.ndarray, kept: int | None
) -> Image.Image:
    background = background_class(segmenter.palette)
    found = mask != background if kept is None else mask == kept
    if kind == "overlay":
        tinted = overlay(image, mask, segmenter.palette, background=background)
        if kept is not None:
            return Image.fromarray(np.where(found[..., None], tinted, image))
        return Image.fromarray(add_legend(tinted, _entries(segmenter.palette, mask)))
    if kind == "cutout":
        return Image.fromarray(np.dstack([image, np.where(found, 255, 0).astype(np.uint8)]), "RGBA")
    if kept is not None or len(segmenter.palette) == 2:
        return Image.fromarray(np.where(found, 255, 0).astype(np.uint8))
    indexed = Image.fromarray(mask).convert("P")
    indexed.putpalette(np.array(segmenter.palette.colours, dtype=np.uint8).tobytes())
    return indexed


def _entries(palette: Palette, mask: np.ndarray) -> list[Entry]:
    """Return name and colour of each class in a mask; none for two classes, whose only colour is clear."""
    if len(palette) == 2:
        return []
    present = set(np.unique(mask).tolist()) - {background_class(palette)}
    return [(palette.names[one], palette.colours[one]) for one in sorted(present)]


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        image.save(
            temporary, compress_level=1
        )  # takes a quarter of the default's time and a tenth more bytes


def _class_id(segmenter: Segmenter, keep: str) -> int:
    names = segmenter.class_names
    if keep in names:
        return names.index(keep)
    if keep.isdigit() and int(keep) < len(names):
        return int(keep)
    raise DataError(f"there is no class {keep!r}; the classes of this model are {', '.join(names)}.")


def _distinct_stems(paths: list[Path]) -> list[str]:
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


def _refuse_overwriting(targets: list[Path], inputs: list[Path], force: bool) -> None:
    originals = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in originals:
            raise DataError(f"{target} is one of the images to predict; choose another folder with --out.")
        if target.exists() and not force:
            raise DataError(
                f"{target} exists already; choose another folder with --out, or pass --force to overwrite it."
            )
