"""Compare our scores and losses with those of other libraries: equal to 1e-6 where the definitions agree.

The defaults differ. This table shows the "mean IoU" of the same two images of 2 × 2 pixels per library. There
are three classes, and the third does not occur (`TOY`). In the second column (`FALSE_ALARM`), the second
image shows only background, and one of its pixels is predicted as class 1:

================================================  =====  ===========  ======================================
library and function                              toy    false alarm  an absent class; the average
================================================  =====  ===========  ======================================
scikit-learn jaccard_score(macro, labels=all)     0.500  0.517        counts as 0; all pixels
torchmetrics segmentation.MeanIoU                 0.688  0.583        left out; pairs of image and class
MONAI MeanIoU                                     0.688  0.875        left out where the truth has none: a
                                                                      false alarm is free; image by image
segcourse Scores, jaccard_per_image               0.688  0.688        left out; image by image
segcourse mean_iou                                0.750  0.775        left out; all pixels
torchmetrics JaccardIndex (macro, the default)    0.750  0.775        left out; all pixels
scikit-learn jaccard_score(macro)                 0.750  0.775        left out; all pixels
smp iou_score(micro), torchmetrics' micro         0.778  0.778        no classes: accuracy / (2 - accuracy)
smp iou_score(macro-imagewise)                    0.792  0.792        counts as 1; image by image
smp iou_score(micro-imagewise)                    0.800  0.800        no classes; image by image
smp iou_score(macro)                              0.833  0.850        counts as 1; all pixels
================================================  =====  ===========  ======================================

The tests take these differences into account:

- smp divides its Dice and Tversky losses by the number of all classes, not of those that occur.
- smp's multi-class focal loss is a sum of sigmoids, one class against the rest.
- MONAI's mean focal loss divides by pixels times classes.
- MONAI's losses have no ignore_index.
- MONAI's Hausdorff distance at a percentile is NaN, not infinite, if one mask is empty.
- medpy takes one percentile of the distances of both directions together. We and MONAI take the larger of the
  two percentiles.
"""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sklearn_metrics
from torchvision.ops import sigmoid_focal_loss

from segcourse import hausdorff_distance_95, metrics, surface_dice
from segcourse.losses import cross_entropy, focal_loss, jaccard_loss, soft_dice_loss, tversky_loss

for module, name in (
    ("torchmetrics.segmentation", "torchmetrics"),
    ("segmentation_models_pytorch", "segmentation_models.pytorch"),
    ("monai.losses", "MONAI"),
):
    pytest.importorskip(module, reason=f"{name} is not installed (extra: peers)")

import monai.losses  # noqa: E402
import monai.metrics  # noqa: E402
import segmentation_models_pytorch as smp  # noqa: E402
import torchmetrics.segmentation  # noqa: E402

TOY = (  # prediction, truth
    torch.tensor([[[0, 1], [1, 0]], [[1, 1], [1, 1]]]),
    torch.tensor([[[0, 1], [1, 0]], [[0, 1], [1, 1]]]),
)
FALSE_ALARM = (
    torch.tensor([[[1, 1], [1, 1]], [[0, 0], [0, 1]]]),
    torch.tensor([[[1, 1], [1, 1]], [[0, 0], [0, 0]]]),
)


def close(ours, theirs, tolerance=1e-6):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=tolerance)


def one_hot(mask, num_classes=3):
    return F.one_hot(mask, num_classes).movedim(-1, 1)


def random_pair(seed, num_classes=5, ignored=0.1):
    """Masks 4×20×30 in which every class occurs in every image."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, num_classes, (4, 20, 30), generator=generator)
    other = torch.randint(0, num_classes, target.shape, generator=generator)
    prediction = torch.where(torch.rand(target.shape, generator=generator) < 0.7, target, other)
    return prediction, target.masked_fill(torch.rand(target.shape, generator=generator) < ignored, 255)


def scores_of(pair):
    scores = metrics.Scores(3)
    scores.update(*pair)
    return scores.compute()


def monai_mean_iou(prediction, target):
    score = monai.metrics.MeanIoU()
    score(one_hot(prediction), one_hot(target))
    return score.aggregate().item()


def sklearn_iou(prediction, target, **options):
    options |= {"average": "macro"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does warn that it sets the absent class to 0
        return sklearn_metrics.jaccard_score(target.flatten(), prediction.flatten(), **options)


def smp_iou(prediction, target, reduction):
    counts = smp.metrics.get_stats(prediction, target, mode="multiclass", num_classes=3)
    return smp.metrics.iou_score(*counts, reduction=reduction).item()


def torchmetrics_iou(prediction, target, **options):
    return torchmetrics.JaccardIndex(task="multiclass", num_classes=3, **options)(prediction, target).item()


ANSWERS = {
    "scikit-learn, all labels": (lambda p, t: sklearn_iou(p, t, labels=[0, 1, 2]), 0.5, 31 / 60),
    "torchmetrics, segmentation.MeanIoU": (
        lambda p, t: torchmetrics.segmentation.MeanIoU(num_classes=3, input_format="index")(p, t).item(),
        11 / 16,
        7 / 12,
    ),
    "MONAI": (monai_mean_iou, 11 / 16, 7 / 8),
    "segcourse, per image": (lambda *pair: scores_of(pair)["jaccard_per_image"], 11 / 16, 11 / 16),
    "segcourse, per data set": (lambda *pair: scores_of(pair)["mean_iou"], 3 / 4, 31 / 40),
    "torchmetrics, macro": (torchmetrics_iou, 3 / 4, 31 / 40),
    "scikit-learn, macro": (sklearn_iou, 3 / 4, 31 / 40),
    "torchmetrics, micro": (lambda p, t: torchmetrics_iou(p, t, average="micro"), 7 / 9, 7 / 9),
    "smp, micro": (lambda p, t: smp_iou(p, t, "micro"), 7 / 9, 7 / 9),
    "smp, macro-imagewise": (lambda p, t: smp_iou(p, t, "macro-imagewise"), 19 / 24, 19 / 24),
    "smp, micro-imagewise": (lambda p, t: smp_iou(p, t, "micro-imagewise"), 4 / 5, 4 / 5),
    "smp, macro": (lambda p, t: smp_iou(p, t, "macro"), 5 / 6, 17 / 20),
}


@pytest.mark.parametrize(("answer", "toy", "false_alarm"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_each_library_calls_the_mean_iou_of_the_same_two_images(answer, toy, false_alarm):
    close(answer(*TOY), toy)
    close(answer(*FALSE_ALARM), false_alarm)


def test_the_same_images_get_seven_different_mean_ious():
    answers = sorted({round(answer(*TOY), 4) for answer, *_ in ANSWERS.values()})
    assert answers == [0.5, 0.6875, 0.75, 0.7778, 0.7917, 0.8, 0.8333]


@pytest.mark.parametrize("seed", range(3))
def test_confusion_matrix_and_scores_per_class(seed):
    prediction, target = random_pair(seed)
    matrix = metrics.confusion_matrix(prediction, target, 5)
    kept = target != 255
    truth, guess = target[kept], prediction[kept]
    options = {"num_classes": 5, "ignore_index": 255}

    assert matrix.tolist() == sklearn_metrics.confusion_matrix(truth, guess).tolist()
    functional = torchmetrics.functional.classification
    assert torch.equal(matrix, functional.multiclass_confusion_matrix(prediction, target, **options))

    iou, dice = metrics.iou_per_class(matrix), metrics.dice_per_class(matrix)
    close(iou, functional.multiclass_jaccard_index(prediction, target, average="none", **options))
    close(iou, sklearn_metrics.jaccard_score(truth, guess, average=None))
    close(dice, functional.multiclass_f1_score(prediction, target, average="none", **options))
    close(dice, sklearn_metrics.f1_score(truth, guess, average=None))
    close(metrics.pixel_accuracy(matrix), sklearn_metrics.accuracy_score(truth, guess))
    close(metrics.mean_iou(matrix), functional.multiclass_jaccard_index(prediction, target, **options))

    tp, fp, fn, tn = (count.sum(dim=0, keepdim=True) for count in smp.metrics.get_stats(
        prediction, target.where(kept, -1), mode="multiclass", num_classes=5, ignore_index=-1
    ))  # fmt: skip
    close(iou, smp.metrics.iou_score(tp, fp, fn, tn)[0])
    close(dice, smp.metrics.f1_score(tp, fp, fn, tn)[0])


@pytest.mark.parametrize("seed", range(3))
def test_foreground_scores_per_image(seed):
    prediction, target = random_pair(seed, num_classes=2, ignored=0)
    dice, iou = metrics.dice_score(prediction, target), metrics.iou_score(prediction, target)

    close(dice, monai.metrics.compute_dice(one_hot(prediction, 2), one_hot(target, 2))[:, 1])
    close(iou, monai.metrics.compute_iou(one_hot(prediction, 2), one_hot(target, 2))[:, 1])
    counts = smp.metrics.get_stats(prediction.unsqueeze(1), target.unsqueeze(1), mode="binary")
    close(dice, smp.metrics.f1_score(*counts)[:, 0])
    close(iou, smp.metrics.iou_score(*counts)[:, 0])
    close(
        dice,
        [sklearn_metrics.f1_score(t.flatten(), p.flatten()) for p, t in zip(prediction, target, strict=True)],
    )
    theirs = torchmetrics.segmentation.DiceScore(
        num_classes=2, include_background=False, input_format="index", average="macro"
    )
    close(dice.mean(), theirs(prediction, target))


def test_defaults_differ_for_empty_masks():
    empty = torch.zeros(1, 2, 2, dtype=torch.int64)
    alarm = torch.tensor([[[1, 0], [0, 0]]])
    counts = smp.metrics.get_stats(empty.unsqueeze(1), empty.unsqueeze(1), mode="binary")
    assert metrics.dice_score(empty, empty).isnan()
    assert monai.metrics.compute_dice(one_hot(empty, 2), one_hot(empty, 2))[0, 1].isnan()
    assert smp.metrics.f1_score(*counts).item() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert sklearn_metrics.f1_score(empty.flatten(), empty.flatten()) == 0
    # a false alarm on an empty mask: 0 here, no score at all in MONAI
    assert metrics.dice_score(alarm, empty) == 0
    assert monai.metrics.compute_dice(one_hot(alarm, 2), one_hot(empty, 2))[0, 1].isnan()


def random_blobs(seed, count=4, size=(40, 50)):
    """Foreground masks with smooth outlines, some cut by the frame."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 1, 6, 7, generator=generator)
    return F.interpolate(coarse, size, mode="bicubic")[:, 0] > 0.3


SHAPES = torch.zeros(4, 12, 12, dtype=torch.bool)
SHAPES[0, 2:9, 3:10] = True
SHAPES[1, 3:11, 3:10] = True
SHAPES[2, ::3, :] = True  # stripes that touch the frame
SHAPES[3, 5, 5] = True


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI's own call
@pytest.mark.parametrize("spacing", [1.0, 0.25, (2.0, 0.5)])
@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        *((random_blobs(2 * seed), random_blobs(2 * seed + 1)) for seed in range(3)),
        (SHAPES, SHAPES.roll(1, 0)),
    ],
)
def test_boundary_scores(prediction, target, spacing):
    theirs = prediction[:, None], target[:, None]
    options = {"spacing": list(np.broadcast_to(spacing, 2)), "include_background": True}
    distance = monai.metrics.compute_hausdorff_distance(*theirs, percentile=95, **options)[:, 0]
    np.testing.assert_allclose(hausdorff_distance_95(prediction, target, spacing), distance, rtol=1e-6)
    for tolerance in (0, 1.3, 4):
        dice = monai.metrics.compute_surface_dice(*theirs, class_thresholds=[tolerance], **options)[:, 0]
        close(surface_dice(prediction, target, tolerance, spacing), dice)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_boundary_scores_of_empty_masks():
    """MONAI agrees, except that its percentile of infinite distances is NaN: inf - inf, interpolated."""
    full, empty = SHAPES[:1, None], torch.zeros(1, 1, 12, 12, dtype=torch.bool)
    options = {"include_background": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns about empty masks
        for pair in ((full, empty), (empty, full), (empty, empty)):
            distance = monai.metrics.compute_hausdorff_distance(*pair, percentile=95, **options)
            assert distance.isnan()
            dice = monai.metrics.compute_surface_dice(*pair, class_thresholds=[1], **options)
            close(surface_dice(pair[0][:, 0], pair[1][:, 0], tolerance=1), dice[:, 0])
        assert monai.metrics.compute_hausdorff_distance(full, empty, **options).isinf()  # the maximum
    assert hausdorff_distance_95(full[0, 0], empty[0, 0]).isinf()


def random_logits(seed, num_classes=3):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, num_classes, 8, 9, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, num_classes, (2, 8, 9), generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_dice_jaccard_and_tversky_losses(seed):
    logits, target = random_logits(seed)
    no_smoothing = {"smooth_nr": 0, "smooth_dr": 0, "batch": True, "softmax": True, "to_onehot_y": True}
    labels = target.unsqueeze(1)

    close(soft_dice_loss(logits, target), smp.losses.DiceLoss("multiclass")(logits, target))
    close(soft_dice_loss(logits, target), monai.losses.DiceLoss(**no_smoothing)(logits, labels))
    weights = {"alpha": 0.3, "beta": 0.7}
    close(tversky_loss(logits, target), smp.losses.TverskyLoss("multiclass", **weights)(logits, target))
    close(tversky_loss(logits, target), monai.losses.TverskyLoss(**weights, **no_smoothing)(logits, labels))
    per_image = no_smoothing | {"batch": False, "jaccard": True}
    close(jaccard_loss(logits, target), monai.losses.DiceLoss(**per_image)(logits, labels))


def test_smp_divides_the_dice_loss_by_all_classes_and_ours_by_those_that_occur():
    logits, target = random_logits(0)
    target = target.clamp(max=1)
    close(soft_dice_loss(logits, target) * 2 / 3, smp.losses.DiceLoss("multiclass")(logits, target))


@pytest.mark.parametrize("seed", range(3))
def test_dice_loss_with_ignored_pixels(seed):
    logits, target = random_logits(seed)
    target[:, :2] = 255
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)(logits, target)
    close(soft_dice_loss(logits, target), theirs)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_focal_loss(gamma):
    logits, target = random_logits(1)
    theirs = monai.losses.FocalLoss(gamma=gamma, use_softmax=True, to_onehot_y=True)(
        logits, target.unsqueeze(1)
    )
    close(focal_loss(logits, target, gamma), 3 * theirs)  # theirs is a mean over pixels and classes

    logits, target = random_logits(2, num_classes=2)
    odds = logits[:, 1] - logits[:, 0]  # softmax of two logits is the sigmoid of their difference
    options = {"alpha": 0.25, "gamma": gamma}
    ours = focal_loss(logits, target, **options)
    close(ours, sigmoid_focal_loss(odds, target.double(), reduction="mean", **options))
    close(ours, smp.losses.FocalLoss("binary", **options)(odds, target))


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy(seed):
    logits, target = random_logits(seed)
    target[0, 0] = 255
    kept = target != 255
    probability = logits.softmax(dim=1).movedim(1, -1)[kept]
    close(cross_entropy(logits, target), sklearn_metrics.log_loss(target[kept], probability))
    close(cross_entropy(logits, target), smp.losses.SoftCrossEntropyLoss(smooth_factor=0, ignore_index=255)(
        logits, target) * target.numel() / kept.sum())  # fmt: skip
