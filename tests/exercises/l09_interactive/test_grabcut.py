"""Exercise 9.2: right answers in other styles, promises and their breakers, mutants that are equal."""

import cv2
import numpy as np
from contract import Contract

from segcourse.classical import grabcut_clicks
from segcourse.exercises.l09_interactive import grabcut as module
from segcourse.exercises.l09_interactive.grabcut import grabcut as answer


def library(image, clicks):
    return grabcut_clicks(image, clicks).numpy()


def by_distances(photo, points):
    rows, columns = np.indices(photo.shape[:2])
    labels = np.full(photo.shape[:2], 2, "uint8")
    for y, x, on_object in points:
        labels[np.hypot(rows - y, columns - x) <= 3] = int(on_object)
    if sum(on_object for _, _, on_object in points) == 0:
        return np.zeros(photo.shape[:2], bool)
    labels, *_ = cv2.grabCut(photo, labels, None, None, None, 5, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, [cv2.GC_FGD, cv2.GC_PR_FGD])


def by_slices(image, clicks):
    """Draw discs row by row, on a copy whose channels OpenCV calls blue, green, red."""
    labels = np.ones(image.shape[:2], np.uint8) * cv2.GC_PR_BGD
    for row, column, label in clicks:
        for down in range(-3, 4):
            half = int((9 - down * down) ** 0.5)
            if 0 <= row + down < len(labels):
                labels[row + down, max(column - half, 0) : column + half + 1] = label
    if 1 not in labels:
        return 0 * labels
    blue_first = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.grabCut(blue_first, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, mode=cv2.GC_INIT_WITH_MASK)
    return np.where((labels == 0) | (labels == 2), 0, 1)


def in_two_parts(image, clicks):
    labels = np.full(image.shape[:2], cv2.GC_PR_BGD, np.uint8)
    for wanted in (0, 1):
        for row, column, label in clicks:
            if label == wanted:
                cv2.circle(labels, center=(column, row), radius=3, color=wanted, thickness=cv2.FILLED)
    if not np.count_nonzero(labels == 1):
        return np.zeros(image.shape[:2], np.int64)
    models = [np.zeros((1, 65), np.float64) for _ in range(2)]
    cv2.grabCut(image, labels, None, *models, 2, cv2.GC_INIT_WITH_MASK)
    cv2.grabCut(image, labels, None, *models, 3, cv2.GC_EVAL)
    return (labels & 1).astype(float)


def changing(image, clicks):
    mask = answer(image, clicks)
    image[:] = 0
    return mask


class TestGrabcut(Contract):
    name = "grabcut"
    library = staticmethod(library)
    right = {"distances": by_distances, "slices": by_slices, "two parts": in_two_parts}
    promises = (
        ("a uint8 array H x W x 3", "there is one click", lambda i, c: answer(i, c).T),
        ("a list of (row, column, label)", "there is one click", module._made(place=lambda row, column: (row, column))),
        ("label 1 on the object, 0 on the background", "the background has two colours",
         module._made(label_of=lambda label: 1 - label)),
        ("discs of radius 3", "there is one click", module._made(radius=12), module._made(radius=9)),
        ("are object for certain, `cv2.GC_FGD`", "clicks on the object", module._made(finish=lambda q: q == 3),
         lambda i, c: answer(i, [one for one in c if not one[2]])),
        ("background for certain, `cv2.GC_BGD`", "clicks on object and background",
         module._made(used=lambda clicks: [click for click in clicks if click[2]]),
         module._made(label_of=lambda label: 1)),
        ("All other pixels are *probably* background, `cv2.GC_PR_BGD`", "two things have the object's colour",
         module._made(rest=cv2.GC_BGD), module._made(rest=cv2.GC_PR_FGD)),
        ("Discs may be cut by the frame", "a disc is cut by the frame",
         lambda i, c: answer(i, [one for one in c if 3 <= one[0] < len(i) - 3])),
        ("all clicks at once", "the object has two colours", module._made(used=lambda clicks: clicks[-1:]),
         module._made(used=lambda clicks: clicks[:1])),
        ("returns an array H x W of 0 and 1", "there is one click", module._made(finish=lambda q: q),
         module._made(finish=lambda q: q % 2 * 255), lambda i, c: answer(i, c).tolist()),
        ("1 where GrabCut says object or probably object", "there is one click",
         module._made(finish=lambda q: q == 1), module._made(finish=lambda q: q == 3), module._made(finish=lambda q: q > 0)),
        ("Without a click on the object, the mask is empty", "no click lies on the object",
         module._made(nothing=np.ones_like)),
        ("Without a click on the object, the mask is empty", "there are no clicks", module._made(nothing=np.ones_like)),
        ("never changes its inputs", "there is one click", changing),
    )  # fmt: skip
    equal = {
        r"background, foreground": "where OpenCV keeps the colours; it fills them itself",
        r"\(column, row\), (2|4|6)|\b(4|6), cv2.GC_INIT|, 1, cv2.GC_INIT|, 10, cv2.GC_INIT": "other discs, or other rounds, find the same here",
        r"->  return \(\(?labels == cv2\.GC_FGD\) [|^] \(labels == cv2\.GC_PR_FGD\)\)?": "0 and 1 of any type",
        r"PR_FGD\) \| \(labels == cv2.GC_FGD": "a sum in another order",
    }
    said = (
        (module._made(guarded=False), "Without one, GrabCut can't start"),
        (
            lambda i, c: module._made(guarded=False)(i, c) if c else np.zeros(i.shape[:2], np.uint8),
            "GrabCut can't start where no click lies on the object",
        ),
        (lambda i, c: answer(i, c).tolist(), "returns a list, and a NumPy array is asked for"),
        (module._made(place=lambda row, column: (row, column)), "OpenCV's points are (x, y)"),
    )
