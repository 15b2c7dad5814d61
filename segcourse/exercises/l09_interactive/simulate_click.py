"""Exercise 9.3: where a user clicks next."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.random import Generator
from scipy import ndimage

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import plain
from segcourse.exercises.engine.observing import Explained


def simulate_click(prediction, target):
    """Return the next click (row, column, label), deepest inside a mistake; None if there is none."""
    best, click = 0, None
    for label in (1, 0):  # missing, then too much
        wrong = ((target == label) & (prediction != label)).numpy()  # H, W
        depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[
            1:-1, 1:-1
        ]  # beyond the image, nothing is wrong
        if depth.max() > best:
            best = depth.max()
            row, column = np.unravel_index(depth.argmax(), depth.shape)
            click = int(row), int(column), label
    return click


MISSING, TOO_MUCH, BOTH = "the object is missing", "there is too much", "both mistakes"


def _shape(size, *boxes):
    """Return a mask of rectangles (top, left, bottom, right), the ends left out."""
    mask = torch.zeros(size, dtype=torch.int64)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = 1
    return mask


def _diamond_and_square(half):
    """Return a diamond and a square. The diamond is 4.24 deep: taxicab 6, chessboard 3."""
    rows, columns = torch.arange(13)[:, None], torch.arange(26)[None, :]
    diamond = (rows - 6).abs() + (columns - 6).abs() <= 5
    square = ((rows - 6).abs() <= half) & ((columns - 18).abs() <= half)
    return (diamond | square).long()


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, *traits):
        return Case(group, {"prediction": prediction, "target": target}, traits)

    def box(size):
        """Draw a box with odd sides, away from the frame, and another size in rows than in columns."""
        sides = [2 * int(rng.integers(1, 4)) + 1 for _ in range(2)]
        starts = [int(rng.integers(1, whole - side)) for whole, side in zip(size, sides, strict=True)]
        return *starts, starts[0] + sides[0], starts[1] + sides[1]

    size = (7, 9)
    empty, full = _shape(size), _shape(size) + 1
    ring = _shape((9, 11), (1, 1, 8, 10)) - _shape((9, 11), (3, 3, 6, 7))
    yield case(MISSING, _shape((3, 4)), _shape((3, 4), (1, 2, 2, 3)), "one pixel is missing")
    yield case(MISSING, _shape((4, 6)), _shape((4, 6), (3, 5, 4, 6)), "one pixel is missing")
    yield case(MISSING, empty, _shape(size, (1, 3, 4, 6)), "the prediction is empty")
    yield case(
        MISSING, empty, _shape(size, (2, 0, 7, 5)), "the object touches the frame", "the prediction is empty"
    )
    yield case(MISSING, empty, full, "the object fills the image")
    yield case(
        MISSING,
        _shape((9, 12)),
        _shape((9, 12), (1, 1, 2, 11), (4, 2, 7, 5)),
        "the largest mistake is not the deepest",
    )
    yield case(
        MISSING, _shape(size, (1, 4, 6, 8)), _shape(size, (1, 1, 6, 8)), "a part of the object is found"
    )
    yield case(MISSING, 0 * ring, ring, "the middle of the mistake is not a mistake")
    yield case(TOO_MUCH, _shape(size, (1, 3, 4, 6)), empty, "the target is empty")
    yield case(TOO_MUCH, full, _shape(size, (0, 0, 7, 4)), "the mistake touches the frame")
    yield case(
        TOO_MUCH, _shape(size, (1, 1, 6, 8)), _shape(size, (1, 1, 6, 3)), "a part of the object is found"
    )
    left, right = _shape((9, 8), (1, 1, 8, 4)), _shape((9, 8), (1, 4, 8, 7))
    yield case(BOTH, left, right, "the two kinds of mistake touch")
    yield case(BOTH, full, full, "nothing is wrong")
    yield case(BOTH, empty, empty, "nothing is wrong")
    one, other = _shape((8, 12), (1, 1, 6, 6)), _shape((8, 12), (2, 8, 5, 11))
    yield case(BOTH, other, one, "what is missing is deeper")
    yield case(BOTH, one, other, "what is too much is deeper")
    thin = _shape((10, 13), (0, 0, 2, 13))
    yield case(BOTH, thin, _shape((10, 13), (4, 5, 9, 10)), "what is missing is deeper")
    yield case(BOTH, _shape((10, 13), (4, 5, 9, 10)), thin, "what is too much is deeper")
    yield case(BOTH, _shape(size, (1, 1, 4, 4)), _shape(size, (3, 5, 6, 8)), "two pixels are equally deep")
    yield case(MISSING, _shape(size), _shape(size, (1, 1, 4, 4), (3, 5, 6, 8)), "two pixels are equally deep")
    for half in (3, 4):
        slanted = _diamond_and_square(half)
        yield case(MISSING, 0 * slanted, slanted, "a mistake has slanted borders")
        yield case(TOO_MUCH, slanted, 0 * slanted, "a mistake has slanted borders")
    yield case(MISSING, _shape((9, 13)).bool(), _shape((9, 13), (2, 3, 7, 8)).bool(), "the masks are bool")
    yield case(TOO_MUCH, _shape((9, 13), (2, 3, 7, 8)).byte(), _shape((9, 13)).byte(), "the masks are uint8")
    for wide in (False, True):
        size = (12, 17) if wide else (17, 12)
        yield case(
            MISSING, _shape(size), _shape(size, box(size)), f"the masks have {size[0]} x {size[1]} pixels"
        )
        yield case(
            TOO_MUCH, _shape(size, box(size)), _shape(size), f"the masks have {size[0]} x {size[1]} pixels"
        )
        found, wanted = (ndimage.gaussian_filter(rng.random((24, 30)), 2.5) for _ in range(2))
        found, wanted = (torch.from_numpy(one > np.median(one)).long() for one in (found, wanted))
        yield case(BOTH, found, wanted, "the masks have 24 x 30 pixels")


def _depths(prediction, target, distance=ndimage.distance_transform_edt, frame=True):
    """Return the depth of each pixel inside what is too much (0) and inside what is missing (1)."""
    found, wanted = (np.asarray(mask) != 0 for mask in (prediction, target))
    wrong = np.stack([found & ~wanted, wanted & ~found])
    if not frame:
        return np.stack([distance(one) if one.any() else 0.0 * one for one in wrong])
    return np.stack([distance(np.pad(one, 1))[1:-1, 1:-1] for one in wrong])


A_CLICK = "You return a click where nothing is wrong. None is asked for."
NEAR = 0.97  # of the greatest depth: OpenCV's quick distances are off by two per cent


def look(obj, case):
    """Observe the click. Where several pixels are about equally deep, each one counts as the first."""
    value = obj(*case.inputs.values())
    came = plain(value)
    if isinstance(came, np.ndarray) and came.shape == (3,):
        value = tuple(came.tolist())
        depths = _depths(*case.inputs.values())
        if not depths.any():
            raise Explained(A_CLICK)
        row, column, label = value
        inside = label in (0, 1) and 0 <= row < depths.shape[1] and 0 <= column < depths.shape[2]
        whole = all(number == int(number) for number in value)
        if inside and whole and depths.any() and depths[label, row, column] >= NEAR * depths.max():
            value = _deepest(depths)
    return {"value": value}


def _deepest(depths):
    """Return the click at the greatest depth: of equal ones, the first that is missing."""
    label = int(depths[1].max() >= depths[0].max())
    row, column = divmod(int(depths[label].argmax()), depths.shape[2])
    return (row, column, label) if depths[label, row, column] else None


def _made(click=_deepest, change=lambda click: click, nothing=None, **options):
    """Return an answer that does one thing differently."""

    def wrong(prediction, target):
        found = click(_depths(prediction, target, **options))
        return change(found) if found else nothing

    return wrong


def _first(depths):
    label = int(depths[1].any())
    places = np.argwhere(depths[label])
    return (*places[0].tolist(), label) if len(places) else None


def _centre(depths):
    """Click on the mean position of the larger mistake."""
    label = int((depths[1] > 0).sum() >= (depths[0] > 0).sum())
    places = np.argwhere(depths[label])
    return (*places.mean(axis=0).round().astype(int).tolist(), label) if len(places) else None


def _centre_of_the_deepest_kind(depths):
    """Click on the mean position of the kind of mistake that is deepest."""
    label = int(depths[1].max() >= depths[0].max())
    places = np.argwhere(depths[label])
    return (*places.mean(axis=0).round().astype(int).tolist(), label) if len(places) else None


def _in_the_largest_part(depths):
    """Click at the deepest place of the mistake with the largest area."""
    parts = []
    for label in (1, 0):
        numbers, count = ndimage.label(depths[label] > 0)
        parts += [((numbers == i).sum(), label, numbers == i) for i in range(1, count + 1)]
    if not parts:
        return None
    _, label, part = max(parts, key=lambda one: one[0])
    return *divmod(int((depths[label] * part).argmax()), part.shape[1]), label


def _kind_by_area(depths):
    label = int((depths[1] > 0).sum() >= (depths[0] > 0).sum())
    row, column = divmod(int(depths[label].argmax()), depths.shape[2])
    return (row, column, label) if depths[label, row, column] else None


def _missing_first(depths):
    return _deepest(np.stack([depths[0] * (not depths[1].any()), depths[1]]))


def _only(label):
    def click(depths):
        return _deepest(depths * (np.arange(2) == label)[:, None, None])

    return click


def _taken_together(prediction, target):
    wrong = np.asarray(prediction) != np.asarray(target)
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    return (row, column, int(target[row, column])) if depth[row, column] else None


def _deepest_in_the_object(prediction, target):
    """Click at the deepest place of the object, whatever is found already."""
    return simulate_click(torch.zeros_like(target), target)


def _far_from_mistakes(prediction, target):
    """Measure distances from the mistakes instead of inside them."""
    found, wanted = (np.asarray(mask) != 0 for mask in (prediction, target))
    best, click = 0, None
    for label, wrong in ((1, wanted & ~found), (0, found & ~wanted)):
        depth = ndimage.distance_transform_edt(~np.pad(wrong, 1))[1:-1, 1:-1] if wrong.any() else 0.0 * wrong
        if depth.max() > best:
            best = depth.max()
            click = (*divmod(int(depth.argmax()), depth.shape[1]), label)
    return click


def _by_difference(prediction, target, bools=True):
    """Subtract masks in their own type; bool masks have no difference."""
    if bools and target.dtype == torch.bool:
        prediction, target = prediction.long(), target.long()
    wrong = np.stack([(prediction - target).numpy() > 0, (target - prediction).numpy() > 0])
    depths = np.stack([ndimage.distance_transform_edt(np.pad(one, 1))[1:-1, 1:-1] for one in wrong])
    return _deepest(depths)


def celebrate(answer):
    """Show the user's next click on three coarse masks of a lesion."""
    from torch.nn.functional import interpolate

    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import outline, show_image

    image, mask, _ = lesion()
    coarse = interpolate(mask[None, None].float(), scale_factor=1 / 8, mode="area") > 0.3
    blocks = interpolate(coarse.float(), mask.shape)[0, 0].long()
    pictures, titles = [], []
    for name, found in {"no mask": 0 * mask, "blocks": blocks, "moved": mask.roll(9, dims=1)}.items():
        row, column, label = answer(found, mask)
        picture = outline(image, found)
        rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
        scale = picture.shape[0] // mask.shape[0]
        near = (rows - scale * row) ** 2 + (columns - scale * column) ** 2 <= (2 * scale) ** 2
        picture[near] = (0, 158, 115) if label else (213, 94, 0)
        pictures.append(picture)
        titles.append(f"{name}: your click, on {'the object' if label else 'the background'}")
    show_image(pictures, titles, alt="A lesion with three outlines, and your next click on each as a dot.")


EXERCISE = Exercise(
    simulate_click,
    number="9.3",
    difficulty=3,
    minutes=20,
    groups={MISSING: 1, TOO_MUCH: 1, BOTH: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You exchange row and column. A click is (row, column, label).",
            _made(change=lambda click: (click[1], click[0], click[2])),
        ),
        (
            "You exchange the labels. Where the object is missing, the user clicks on it: label 1.",
            _made(change=lambda click: (*click[:2], 1 - click[2])),
        ),
        (
            "Your clicks all have label 1. Where the prediction has too much, the user clicks on the "
            "background: label 0.",
            _made(change=lambda click: (*click[:2], 1)),
        ),
        (
            "Your distances pass beyond the frame, so that a mistake at the frame is clicked at its edge. "
            "Surround the mistakes by a border of zeros first.",
            _made(frame=False),
        ),
        *(
            (
                "You click on the mean position of the mistakes. The mean of a ring lies in its hole, where "
                "nothing is wrong. Click where the distance to the nearest right pixel is greatest.",
                _made(click=click),
            )
            for click in (_centre, _centre_of_the_deepest_kind)
        ),
        (
            "You click on the first wrong pixel. The deepest one is asked for.",
            _made(click=_first),
        ),
        (
            "You choose the mistake with the largest area, and its deepest pixel. The deepest pixel of all "
            "counts: a long thin mistake has a large area and little depth.",
            _made(click=_in_the_largest_part),
        ),
        (
            "You choose the kind of mistake by its area: what covers more pixels, missing or too much. The "
            "depth decides.",
            _made(click=_kind_by_area),
        ),
        (
            "You click on what is too much only where nothing is missing. The deeper mistake comes first, "
            "whichever kind it is.",
            _made(click=_missing_first),
        ),
        (
            "You never click on the background: what is too much is left as it is.",
            _made(click=_only(1)),
        ),
        (
            "You never click on the object: what is missing is left as it is.",
            _made(click=_only(0)),
        ),
        (
            "You take both kinds of mistake together, so that they count as one where they touch. Measure "
            "what is missing and what is too much apart.",
            _taken_together,
        ),
        (
            "You measure distances along rows and columns (taxicab). Straight, Euclidean distances are asked "
            "for.",
            _made(distance=lambda wrong: ndimage.distance_transform_cdt(wrong, "taxicab")),
        ),
        (
            "You measure chessboard distances, where a diagonal step counts as 1. Straight, Euclidean "
            "distances are asked for.",
            _made(distance=lambda wrong: ndimage.distance_transform_cdt(wrong, "chessboard")),
        ),
        *(
            (
                A_CLICK,
                _made(nothing=nothing),
            )
            for nothing in ((0, 0, 1), (0, 0, 0))
        ),
        (
            "You click on the middle of the object, whatever is found already. Only what is wrong counts.",
            _deepest_in_the_object,
        ),
        (
            "Your click is the pixel that is farthest away from the mistakes. It has to lie inside one: "
            "distances are measured from its pixels to the nearest one without it.",
            _far_from_mistakes,
        ),
        *(
            (
                "You subtract masks in uint8, where 0 - 1 is 255, so what is too much counts as missing, "
                "too. Compare the masks instead.",
                wrong,
            )
            for wrong in (_by_difference, partial(_by_difference, bools=False))
        ),
        (
            "Your click is one row too low and one column too far to the right: the border that "
            "surrounds the mistakes shifts them. Cut it off, or subtract 1.",
            _made(change=lambda click: (click[0] + 1, click[1] + 1, click[2])),
        ),
        (
            "Your click has no label. Return (row, column, label).",
            _made(change=lambda click: click[:2]),
        ),
        (
            "You put the label first. Return (row, column, label).",
            _made(change=lambda click: (click[2], *click[:2])),
        ),
    ],
    finished=("segcourse.interactive.clicks:simulate_click", "segcourse.interactive.clicks:_depth"),
)
