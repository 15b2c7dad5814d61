"""Exercise 9.2: GrabCut, started by clicks."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def grabcut(image, clicks):
    """Return the mask of the object that clicks mark: an array H x W of 0 and 1."""
    labels = np.full(image.shape[:2], cv2.GC_PR_BGD, np.uint8)
    for row, column, label in clicks:
        cv2.circle(labels, (column, row), 3, cv2.GC_FGD if label else cv2.GC_BGD, -1)
    if not (labels == cv2.GC_FGD).any():
        return np.zeros_like(labels)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))  # where OpenCV keeps the colours
    cv2.grabCut(image, labels, None, background, foreground, 5, cv2.GC_INIT_WITH_MASK)
    return ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)


OBJECT, BOTH, NONE = "clicks on the object", "clicks on object and background", "special clicks"
SKIN, BROWN, RED = (
    (224, 172, 150),
    (96, 56, 40),
    (150, 30, 40),
)  # far apart, so that every seed finds the same


def _paint(rng, size, *boxes):
    """Return skin with rectangles (top, left, bottom, right, colour) on it, and a little noise."""
    image = np.empty((*size, 3))
    image[:] = SKIN
    for top, left, bottom, right, colour in boxes:
        image[top:bottom, left:right] = colour
    return (image + rng.normal(0, 4, image.shape)).round().clip(0, 255).astype(np.uint8)


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(9)

    def case(group, size, boxes, clicks, *traits, rng=fixed):
        image = _paint(rng, size, *boxes)
        given = f"an image of {size[0]} x {size[1]} x 3, clicks = {clicks}"
        return Case(group, {"image": image, "clicks": clicks}, traits, given=given)

    def twins(top, left, colour=BROWN):
        return (top, left, top + 12, left + 12, BROWN), (top, left + 16, top + 12, left + 28, colour)

    yield case(OBJECT, (20, 30), [(4, 12, 15, 24, BROWN)], [(9, 17, 1)], "there is one click")
    yield case(OBJECT, (30, 20), [(12, 4, 25, 15, BROWN)], [(18, 9, 1)], "there is one click")
    yield case(
        OBJECT, (24, 34), [(4, 3, 19, 31, BROWN)], [(9, 8, 1), (12, 24, 1)], "two clicks lie on the object"
    )
    yield case(
        OBJECT,
        (26, 36),
        twins(6, 3, RED),
        [(12, 9, 1), (11, 25, 1)],
        "the object has two colours",
        "two clicks lie on the object",
    )
    yield case(OBJECT, (26, 36), twins(5, 4), [(10, 10, 1)], "two things have the object's colour")
    spot = [(5, 5, 18, 20, BROWN), (10, 11, 13, 14, SKIN)]
    yield case(OBJECT, (24, 28), spot, [(11, 12, 1)], "a spot of skin lies under the click")
    yield case(BOTH, (26, 36), twins(6, 3), [(12, 9, 1), (11, 25, 0)], "two things have the object's colour")
    yield case(BOTH, (26, 36), twins(8, 4), [(14, 26, 1), (13, 10, 0)], "two things have the object's colour")
    yield case(BOTH, (26, 36), twins(7, 3, RED), [(13, 9, 0), (12, 25, 1)], "the background has two colours")
    yield case(BOTH, (26, 36), twins(7, 3, RED), [(13, 9, 1), (12, 25, 0)], "the background has two colours")
    yield case(NONE, (20, 24), [(4, 6, 15, 18, BROWN)], [], "there are no clicks")
    yield case(NONE, (20, 24), [(4, 6, 15, 18, BROWN)], [(9, 11, 0)], "no click lies on the object")
    yield case(NONE, (20, 24), [(0, 0, 12, 13, BROWN)], [(2, 5, 1)], "a disc is cut by the frame")
    yield case(NONE, (24, 20), [(13, 8, 24, 20, BROWN)], [(18, 17, 1)], "a disc is cut by the frame")
    for wide in (False, True):
        size = (24, 32) if wide else (32, 24)
        top, left = int(rng.integers(2, 8)), int(rng.integers(2, 8))
        height, width = 11 + int(rng.integers(3)), 11 + int(rng.integers(3))
        click = top + 5 + int(rng.integers(2)), left + 5 + int(rng.integers(2)), 1
        yield case(
            OBJECT,
            size,
            [(top, left, top + height, left + width, BROWN)],
            [click],
            "there is one click",
            rng=rng,
        )
        top, left = int(rng.integers(4, 9)), int(rng.integers(2, 6))
        first, second = (top + 5 + int(rng.integers(2)) for _ in range(2))
        clicks = [(first, left + 5, int(wide)), (second, left + 22, int(not wide))]
        yield case(BOTH, (26, 36), twins(top, left), clicks, "two things have the object's colour", rng=rng)
    left = int(rng.integers(0, 9))
    yield case(
        NONE,
        (20, 24),
        [(0, left, 11, left + 12, BROWN)],
        [(2, left + 6, 1)],
        "a disc is cut by the frame",
        rng=rng,
    )


def look(obj, case):
    """Observe the mask. OpenCV draws from its own generator, so this gets the same seed for every answer."""
    cv2.setRNGSeed(0)
    try:
        return {"value": obj(*case.inputs.values())}
    except cv2.error as error:
        if "Samples.empty()" not in str(error):
            raise
        if any(label for *_, label in case.inputs["clicks"]):
            raise Explained(
                "GrabCut can't start: your labels mark no pixel as object, or none as background. "
                "`cv2.GC_FGD` is 1, `cv2.GC_BGD` is 0, `cv2.GC_PR_BGD` is 2."
            ) from error
        raise Explained(
            "GrabCut can't start where no click lies on the object. Return an empty mask before you call it."
        ) from error


def _made(rest=cv2.GC_PR_BGD, label_of=lambda label: label, place=lambda row, column: (column, row), radius=3,
          used=lambda clicks: clicks, finish=lambda labels: labels % 2, mode=cv2.GC_INIT_WITH_MASK, rounds=5,
          nothing=np.zeros_like, thickness=-1, guarded=True):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(image, clicks):
        labels = np.full(image.shape[:2], rest, np.uint8)
        for row, column, label in used(list(clicks)):
            cv2.circle(labels, place(row, column), radius, label_of(label), thickness)
        if guarded and not any(label for *_, label in clicks):
            return nothing(labels)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(image, labels, (0, 0, 0, 0), *models, rounds, mode)
        return finish(labels)

    return wrong


def _in_the_box(image, clicks):
    """Cut inside the image without its margin, and paint the clicks into the result."""
    labels = np.zeros(image.shape[:2], np.uint8)
    if not any(label for *_, label in clicks):
        return labels
    box = 1, 1, image.shape[1] - 2, image.shape[0] - 2
    cv2.grabCut(image, labels, box, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT)
    return labels % 2


def _inside_the_loop(image, clicks):
    """Run GrabCut after each click on the object, and go on from its labels."""
    labels = np.full(image.shape[:2], cv2.GC_PR_BGD, np.uint8)
    if not any(label for *_, label in clicks):
        return np.zeros_like(labels)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    for row, column, label in clicks:
        cv2.circle(labels, (column, row), 3, label, -1)
        if label:
            cv2.grabCut(image, labels, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    return labels % 2


def celebrate(answer):
    """Show what GrabCut finds with one click, and with three."""
    from segcourse.data import load_dataset
    from segcourse.plotting import outline, show_image

    image, mask = load_dataset("lesions", "test", size=128, count=1).picture(0)
    row, column = (int(n) for n in np.argwhere(mask).mean(axis=0))
    clicks = [(row, column, 1), (8, 8, 0), (120, 120, 0)]
    pictures = [outline(image, answer(image, clicks[:n])) for n in (1, 3)]
    titles = ["your GrabCut, one click", "with two clicks on the skin"]
    show_image(pictures, titles, alt="A lesion, outlined by your GrabCut after one click and after three.")


EXERCISE = Exercise(
    grabcut,
    number="9.2",
    difficulty=2,
    minutes=15,
    groups={OBJECT: 1, BOTH: 2, NONE: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You exchange row and column. OpenCV's points are (x, y), so the column comes first: "
            "`cv2.circle(labels, (column, row), …)`.",
            _made(place=lambda row, column: (row, column)),
        ),
        (
            "You return OpenCV's labels, 0 to 3. The object is where the label is 1 (object) or 3 (probably "
            "object).",
            _made(finish=lambda labels: labels),
        ),
        (
            "You return every pixel with a label above 0. Label 2 is probably background: the object is "
            "where the label is 1 or 3.",
            _made(finish=lambda labels: labels > 0),
        ),
        *(
            (
                "Your mask is the discs of the clicks alone. Either label 3, probably object, is left out of "
                "it, or GrabCut had nothing to decide: pixels that start as 0 are background for certain.",
                wrong,
            )
            for wrong in (
                _made(finish=lambda labels: labels == cv2.GC_FGD),
                _made(rest=cv2.GC_BGD),
            )
        ),
        (
            "You return only what is probably object, label 3. The discs of the clicks, label 1, belong to "
            "the object as well.",
            _made(finish=lambda labels: labels == cv2.GC_PR_FGD),
        ),
        (
            "You return the background: the mask is 1 where the object is not.",
            _made(finish=lambda labels: 1 - labels % 2, nothing=np.ones_like),
        ),
        (
            "You mark the pixels without a click as probably object. They are probably background, "
            "`cv2.GC_PR_BGD`.",
            _made(rest=cv2.GC_PR_FGD),
        ),
        (
            "You leave out the clicks on the background. They become discs of `cv2.GC_BGD`.",
            _made(used=lambda clicks: [click for click in clicks if click[2]]),
        ),
        (
            "You mark clicks on the background as object: the label of the click is not looked at.",
            _made(label_of=lambda label: 1),
        ),
        (
            "You exchange the labels of the clicks. Label 1 is a click on the object, `cv2.GC_FGD`.",
            _made(label_of=lambda label: 1 - label),
        ),
        (
            "You use the last click only. All of them are marked before GrabCut starts.",
            _made(used=lambda clicks: clicks[-1:]),
        ),
        (
            "You use the first click only. All of them are marked before GrabCut starts.",
            _made(used=lambda clicks: clicks[:1]),
        ),
        (
            "You mark the clicked pixels alone. Discs of radius 3 around them are asked for: one pixel is "
            "too little to model a colour.",
            _made(radius=0),
        ),
        (
            "You draw circles that aren't filled. With a thickness of -1, `cv2.circle` fills them.",
            _made(thickness=1),
        ),
        (
            "You mark the discs as *probably* object. They are object for certain, `cv2.GC_FGD`.",
            _made(label_of=lambda label: cv2.GC_PR_FGD if label else cv2.GC_BGD),
        ),
        (
            "You let GrabCut run for one round. Five are asked for.",
            _made(rounds=1),
        ),
        (
            "You run GrabCut inside the loop, after each click on the object. Mark all clicks first, then "
            "run it once.",
            _inside_the_loop,
        ),
        (
            "You don't check that a click lies on the object. Without one, GrabCut can't start: return an "
            "empty mask before you call it.",
            _made(guarded=False),
        ),
        (
            "You let GrabCut start from a box. With `cv2.GC_INIT_WITH_MASK` it starts from your labels.",
            _in_the_box,
        ),
        (
            "You return ones where no click lies on the object. An empty mask is asked for.",
            _made(nothing=np.ones_like),
        ),
        (
            "You return 255 for the object. The mask is 0 and 1.",
            _made(finish=lambda labels: labels % 2 * 255),
        ),
    ],
    finished=("segcourse.classical.cutting:grabcut_clicks", "segcourse.classical.cutting:_cut"),
)
