"""Exercise 1.6: the share of the pixels that have the right class."""

from collections.abc import Iterator

import torch
from numpy.random import Generator

from segcourse import metrics
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l05_losses_metrics._draw import guess, ids, random_ids


def pixel_accuracy(prediction, target):
    """Return the fraction of the labelled pixels (target not 255) with the right class, a scalar tensor."""
    labelled = target != 255
    return (prediction == target)[labelled].double().mean()


SINGLE, VOID, BATCHES = "single masks", "void pixels", "batches, integer types"


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, prediction, target, *traits):
        traits += ("there is a batch",) if target.ndim == 3 else ()
        return Case(group, {"prediction": prediction, "target": target}, traits)

    def drawn(num_classes, *shape):
        target = random_ids(rng, num_classes, *shape)
        return guess(rng, target, num_classes), target

    yield case(SINGLE, ids([[0, 1], [1, 1]]), ids([[0, 0], [0, 1]]))
    yield case(SINGLE, ids([[0, 0, 0, 0]]), ids([[0, 0, 0, 1]]), "nothing was found")
    yield case(SINGLE, ids([[1, 2, 0]]), ids([[1, 2, 0]]), "every pixel is right")
    yield case(SINGLE, ids([[1], [2], [0]]), ids([[2], [0], [1]]), "every pixel is wrong")
    yield case(SINGLE, ids([[0, 2, 1], [2, 2, 0]]), ids([[0, 1, 1], [2, 0, 0]]), "there are three classes")
    yield case(VOID, ids([[0, 1], [1, 1]]), ids([[0, 0], [1, 255]]), "one pixel is void")
    yield case(VOID, ids([[0, 1], [1, 0]]), ids([[255, 255], [255, 255]]), "every pixel is void")
    yield case(SINGLE, *drawn(3, 5, 7), "the masks have 5 x 7 pixels")
    prediction, target = drawn(4, 6, 5)
    target[torch.from_numpy(rng.random((6, 5)) < 0.4)] = 255
    target[0, :2] = torch.tensor([255, 1])
    yield case(VOID, prediction, target, "many pixels are void")
    prediction, target = drawn(2, 2, 4, 5)
    target[0, :3] = 255
    yield case(VOID, prediction, target, "in a batch, one image is mostly void")
    yield case(BATCHES, *drawn(3, 3, 4, 5), "there is a batch of three")
    yield case(BATCHES, *drawn(3, 1, 4, 5), "there is a batch of one")
    prediction, target = drawn(21, 24, 20)
    yield case(BATCHES, prediction.byte(), target.byte(), "the masks are uint8")
    yield case(BATCHES, prediction.long(), target.byte(), "prediction is int64 and target uint8")
    prediction, target = drawn(5, 300, 280)
    yield case(BATCHES, prediction.int(), target.int(), "the masks have 84,000 pixels")


def _void_is_wrong(prediction, target):
    return (prediction == target).double().mean()


def _void_is_right(prediction, target):
    return ((prediction == target) | (target == 255)).double().mean()


def _only(kept):
    """Return an answer that looks only at the pixels where `kept` holds."""
    return lambda prediction, target: (prediction == target)[kept(prediction, target)].double().mean()


def _right(prediction, target):
    return ((prediction == target) & (target != 255)).sum().double()


def _matrix(prediction, target):
    return metrics.confusion_matrix(prediction, target, 256)


def _per_class(prediction, target):
    matrix = _matrix(prediction, target).double()
    return (matrix.diagonal() / matrix.sum(dim=1)).nanmean()


def _per_predicted_class(prediction, target):
    matrix = _matrix(prediction, target).double()
    return (matrix.diagonal() / matrix.sum(dim=0)).nanmean()


def _first_of_batch(prediction, target):
    return (
        pixel_accuracy(prediction[0], target[0]) if target.ndim == 3 else pixel_accuracy(prediction, target)
    )


def _per_image(prediction, target):
    if target.ndim < 3:
        return pixel_accuracy(prediction, target)
    return torch.stack([pixel_accuracy(p, t) for p, t in zip(prediction, target, strict=True)])


def _all_classes_but_zero_alike(prediction, target):
    known = target != 255
    return ((prediction > 0) == (target > 0))[known].double().mean()


def celebrate(answer):
    """Show the accuracy at every threshold."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import show_curves

    grey, truth, thresholds = lesion().image.mean(dim=0), lesion().mask, [i / 20 for i in range(21)]
    curve = [answer((grey < t).long(), truth) for t in thresholds]
    label = {"xlabel": "threshold: darker pixels are lesion", "ylabel": "pixel accuracy"}
    show_curves({"your pixel_accuracy, one lesion": curve}, thresholds, ylim=(0, 1), **label)


EXERCISE = Exercise(
    pixel_accuracy,
    number="1.6",
    difficulty=1,
    minutes=5,
    groups={SINGLE: 1, VOID: 1, BATCHES: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Right pixels of class 2 and above do not count as right in your result. Compare the class ids "
            "themselves: `prediction == target`.",
            lambda p, t: pixel_accuracy(torch.where(t > 1, 254, p.long()), t),
        ),
        (
            "You count void pixels as wrong. Leave out the pixels whose target is 255 (the prediction never "
            "holds 255), and divide by the number of labelled pixels.",
            _void_is_wrong,
        ),
        (
            "You count void pixels as right. Their class is unknown: leave them out, and divide by the "
            "number of labelled pixels.",
            _void_is_right,
        ),
        (
            "You leave class 0 of the target out, so that a false alarm costs nothing. The background is a "
            "class like any other.",
            _only(lambda p, t: (t != 255) & (t > 0)),
        ),
        (
            "You return the share of wrong pixels, 1 - accuracy.",
            lambda p, t: 1 - pixel_accuracy(p, t),
        ),
        (
            "You return how many pixels are right. Divide by the number of labelled pixels.",
            _right,
        ),
        (
            "You return per cent. The fraction is asked for, 0 to 1.",
            lambda p, t: 100 * pixel_accuracy(p, t),
        ),
        (
            "You average the accuracy of each class, so that small classes count as much as large ones. Here "
            "every labelled pixel counts equally.",
            _per_class,
        ),
        (
            "You return one number per image. One number for all pixels of the batch is asked for.",
            _per_image,
        ),
        (
            "You average over the images of a batch. Where void pixels are left out, images have unequal "
            "numbers of pixels: count all labelled pixels of the batch together.",
            lambda p, t: _per_image(p, t).nanmean(),
        ),
        (
            "You return 0 where every pixel is void. 0/0 is NaN here: nothing was wrong, nothing was right.",
            lambda p, t: pixel_accuracy(p, t).nan_to_num(0),
        ),
        (
            "You return 1 where every pixel is void. 0/0 is NaN here: nothing was wrong, nothing was right.",
            lambda p, t: pixel_accuracy(p, t).nan_to_num(1),
        ),
        (
            "You compare only foreground with background: a pixel with the wrong foreground class counts as "
            "right. Compare the class ids.",
            _all_classes_but_zero_alike,
        ),
        (
            "You return the mean IoU of the classes that occur. Accuracy is simpler: right pixels over "
            "labelled pixels.",
            lambda p, t: metrics.mean_iou(_matrix(p, t)),
        ),
        (
            "You leave out the pixels with the largest id of the target, whatever that id is. Void is 255, "
            "also where no pixel is void.",
            _only(lambda p, t: t != t.max()),
        ),
        *(
            (
                "You leave class 0 of the target out, and count void pixels as wrong. The background is a "
                "class like any other; void is 255.",
                wrong,
            )
            for wrong in (
                _only(lambda p, t: t > 0),
                lambda p, t: ((p == t) & (t > 0) & (t != 255)).sum().double() / (t > 0).sum(),
            )
        ),
        *(
            (
                f"You look only at pixels {where}. Every labelled pixel counts, background too.",
                _only(kept),
            )
            for where, kept in (
                ("that are predicted as foreground", lambda p, t: (p > 0) & (t != 255)),
                (
                    "that are foreground in the prediction or the target",
                    lambda p, t: (p + t > 0) & (t != 255),
                ),
                ("that are foreground in the prediction or the target", lambda p, t: p + t > 0),
                ("of the classes 0 and 1", lambda p, t: t < 2),
            )
        ),
        (
            "You count only right pixels of the foreground. A right pixel of class 0 is right, too.",
            lambda p, t: ((p == t) & (t != 255) & (t > 0)).sum().double() / (t != 255).sum(),
        ),
        *(
            (
                "You divide by `len(target)`, which is the number of rows, or of images in a batch. Divide "
                "by the number of labelled pixels.",
                lambda p, t, right=right: right(p, t) / len(t),
            )
            for right in (_right, lambda p, t: (p == t).sum().double())
        ),
        (
            "You divide by the pixels of one image, H * W. A batch has more, and void pixels don't count: "
            "divide by the number of labelled pixels of all images.",
            lambda p, t: _right(p, t) / (t.shape[-1] * t.shape[-2]),
        ),
        (
            "You look only at the first image of a batch. Count the pixels of all images together.",
            _first_of_batch,
        ),
        (
            "You look only at the first row of a mask, or the first image of a batch. Count all pixels.",
            lambda p, t: pixel_accuracy(p[0], t[0]),
        ),
        *(
            (
                "You look for class 1 only: all other classes count as one class, or not at all. Compare the "
                "ids with each other, `prediction == target`.",
                wrong,
            )
            for wrong in (
                lambda p, t: pixel_accuracy(p == 1, torch.where(t == 255, t.long(), t == 1)),
                lambda p, t: ((p == 1) & (t == 1)).sum().double() / (t != 255).sum(),
                lambda p, t: ((p == 1) == (t == 1)).double().mean(),
                _only(lambda p, t: p == 1),
                _only(lambda p, t: t == 1),
            )
        ),
        (
            "You average the share of right pixels within each predicted class. Here every labelled pixel "
            "counts equally.",
            _per_predicted_class,
        ),
        *(
            (
                f"You return {text}, and void pixels count as wrong. Leave out the pixels whose target is "
                f"255, and {what}.",
                lambda p, t, wrong=wrong: wrong((p == t).double()),
            )
            for text, what, wrong in (
                ("per cent", "return a fraction", lambda right: 100 * right.mean()),
                ("the share of wrong pixels", "return that of right ones", lambda right: 1 - right.mean()),
                (
                    "one number per image",
                    "count all pixels of a batch together",
                    lambda right: right.mean(dim=(-2, -1)),
                ),
            )
        ),
        (
            "You average over the rows of the masks. Rows have unequal numbers of labelled pixels: count all "
            "of them together.",
            lambda p, t: _per_image(p.reshape(-1, 1, p.shape[-1]), t.reshape(-1, 1, t.shape[-1])).nanmean(),
        ),
        *(
            (
                "You return whether every labelled pixel is right, or the accuracy cut to 0 or 1. Divide "
                "the number of right pixels by that of labelled ones with `/`.",
                lambda p, t, empty=empty: pixel_accuracy(p, t).nan_to_num(empty).floor(),
            )
            for empty in (1, 0, torch.nan)
        ),
    ],
    finished=(
        "segcourse.metrics:pixel_accuracy",
        "sklearn.metrics:accuracy_score",
        "torchmetrics.functional.classification:multiclass_accuracy",
        "torchmetrics.classification:MulticlassAccuracy",
    ),
)
