"""Exercise 9.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import cv2
import numpy as np
import torch
from contract import Contract, nothing_changes
from scipy import ndimage

from segcourse.exercises.l09_interactive import simulate_click as module
from segcourse.exercises.l09_interactive.simulate_click import simulate_click as answer
from segcourse.interactive import simulate_click


def by_opencv(found, wanted):
    found, wanted = found.bool().numpy(), wanted.bool().numpy()
    depths = []
    for wrong in (wanted & ~found, found & ~wanted):
        image = cv2.copyMakeBorder(wrong.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        depths.append(cv2.distanceTransform(image, cv2.DIST_L2, 5)[1:-1, 1:-1])
    missing, too_much = depths
    if not max(missing.max(), too_much.max()):
        return None
    chosen = missing if missing.max() > too_much.max() else too_much
    _, _, _, (x, y) = cv2.minMaxLoc(chosen)
    return [y, x, int(chosen is missing)]


def by_pixels(prediction, target):
    height, width = target.shape
    kind = [
        [int(target[r, c] != 0) - int(prediction[r, c] != 0) if 0 <= r < height and 0 <= c < width else 0
         for c in range(-1, width + 1)] for r in range(-1, height + 1)
    ]  # fmt: skip
    kind = np.array([row[1:] + row[:1] for row in kind[1:] + kind[:1]])  # index -1 is beyond the frame
    best, click = -1.0, None
    for r in range(height):
        for c in range(width):
            if kind[r, c]:
                rows, columns = np.nonzero(kind != kind[r, c])
                rows, columns = (np.where(x == n + 1, -1, x) for x, n in ((rows, height), (columns, width)))
                distance = np.sqrt((rows - r) ** 2 + (columns - c) ** 2).min()
                if distance >= best:
                    best, click = distance, torch.tensor([r, c, int(kind[r, c] > 0)])
    return click


def by_one_stack(prediction, target):
    p, t = prediction.to(torch.int8), target.to(torch.int8)
    wrong = torch.nn.functional.pad(torch.stack([p - t, t - p]) == 1, (1, 1, 1, 1))
    depth = torch.stack([torch.from_numpy(ndimage.distance_transform_edt(one)) for one in wrong])
    if depth.sum() == 0:
        return None
    label, row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row) - 1, int(column) - 1, int(label)


class TestSimulateClick(Contract):
    name = "simulate_click"
    library = staticmethod(simulate_click)
    right = {"OpenCV": by_opencv, "pixels": by_pixels, "one stack": by_one_stack}
    promises = (
        ("tensors H x W", "the masks have 12 x 17 pixels", lambda p, t: answer(p.T, t.T)),
        ("of 0 and 1, bool, uint8 or int64", "the masks are uint8", module._by_difference),
        ("of 0 and 1, bool, uint8 or int64", "the masks are bool",
         lambda p, t: answer(p.long(), t.long()) if t.dtype != torch.bool else None),
        ("the object in the target and not in the prediction is *missing*", "the object is missing",
         module._made(click=module._only(0)), module._deepest_in_the_object),
        ("the other way round it is *too much*", "there is too much", module._made(click=module._only(1))),
        ("The depth of a wrong pixel", "a mistake has slanted borders",
         module._made(distance=lambda wrong: ndimage.distance_transform_cdt(wrong, "taxicab")),
         module._made(distance=lambda wrong: ndimage.distance_transform_cdt(wrong, "chessboard"))),
        ("the nearest pixel without this kind of mistake", "what is missing is deeper", module._far_from_mistakes),
        ("The two kinds are measured apart", "the two kinds of mistake touch", module._taken_together),
        ("Beyond the image, nothing is wrong", "the mistake touches the frame", module._made(frame=False)),
        ("Beyond the image, nothing is wrong", "the object touches the frame", module._made(frame=False)),
        ("the deepest wrong pixel of all", "what is too much is deeper", module._made(click=module._missing_first),
         module._made(click=module._first)),
        ("the deepest wrong pixel of all", "what is missing is deeper", module._made(click=module._kind_by_area)),
        ("the deepest wrong pixel of all", "the largest mistake is not the deepest",
         module._made(click=module._in_the_largest_part)),
        ("the deepest wrong pixel of all", "the middle of the mistake is not a mistake",
         module._made(click=module._centre)),
        ("any of them will do", "two pixels are equally deep", lambda p, t: (0, 0, 1)),
        ("returns (row, column, label)", "the object is missing", module._made(change=lambda c: (c[1], c[0], c[2])),
         module._made(change=lambda c: c[:2])),
        ("label 1 if the object is missing there and 0 if there is too much", "both mistakes",
         module._made(change=lambda c: (*c[:2], 1 - c[2])), module._made(change=lambda c: (*c[:2], 1))),
        ("None if nothing is wrong", "nothing is wrong", module._made(nothing=(0, 0, 1))),
        ("never changes its inputs", "the object is missing", nothing_changes(answer)),
    )  # fmt: skip
    equal = {
        r"->  (prediction|target) = \w+\.": "masks hold 0 and 1",
        r"->  wrong = \(target == label\) & \(prediction != label\)$|\(prediction != label\) & \(target": "the same pixels",
        r"->  click = ": "whole numbers of any type",
        r"->  row, column = .*; best = ": "the order of the two lines does not matter",
    }
    said = (
        (lambda p, t: answer(p, t)[:2], "(2,), and (3,) is expected"),
        (module._made(frame=False), "Surround the mistakes by a border of zeros"),
    )
