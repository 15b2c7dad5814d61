"""Time confusion matrix and mean IoU of 8 × 512 × 512 pixels and 21 classes against six alternatives.

    python benchmarks/confusion_matrix.py [--dtype int64|uint8] [--rounds 30] [--device cpu|cuda]

All results are compared with ours before anything is timed. Labels are int64, as from argmax and data sets,
or uint8, as in image files. 3 % of the pixels are ignored (255).
"""

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from _race import race, table

from segcourse.metrics import confusion_matrix, iou_per_class, mean_iou

CLASSES, IGNORE = 21, 255


def blobs(generator: torch.Generator, shape=(8, 512, 512)) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a prediction that is 80 % correct, and a target of 16 × 16 patches with ignored pixels."""
    coarse = torch.randint(0, CLASSES, (shape[0], shape[1] // 16, shape[2] // 16), generator=generator)
    target = coarse.repeat_interleave(16, 1).repeat_interleave(16, 2)
    random = torch.randint(0, CLASSES, shape, generator=generator)
    prediction = torch.where(torch.rand(shape, generator=generator) < 0.8, target, random)
    return prediction, target.masked_fill(torch.rand(shape, generator=generator) < 0.03, IGNORE)


def plain_bincount(prediction, target):
    """Drop the ignored pixels, then count pairs: the usual implementation."""
    kept = target != IGNORE
    pairs = target[kept].long() * CLASSES + prediction[kept].long()
    return torch.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def routed_bincount(prediction, target):
    """Count ignored pixels in one extra bin, which copies less."""
    pairs = torch.where(target != IGNORE, target.long() * CLASSES + prediction.long(), CLASSES**2)
    return torch.bincount(pairs.flatten(), minlength=CLASSES**2 + 1)[:-1].reshape(CLASSES, CLASSES)


def torchmetrics_runner(validate: bool):
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    def run(prediction, target):
        return multiclass_confusion_matrix(
            prediction, target, CLASSES, ignore_index=IGNORE, validate_args=validate
        )

    return run


def smp_scores(prediction, target):
    import segmentation_models_pytorch.metrics as smp

    # smp needs an ignore_index that fits into its histogram: -1 replaces 255
    target = target.long().masked_fill(target == IGNORE, -1)
    stats = smp.get_stats(prediction.long(), target, mode="multiclass", num_classes=CLASSES, ignore_index=-1)
    tp, fp, fn, _ = (count.sum(dim=0) for count in stats)
    return tp / (tp + fp + fn)


def monai_scores(prediction, target):
    from monai.metrics import get_confusion_matrix

    # MONAI has no ignore_index: in the one-hot tensors, ignored pixels belong to no class
    kept = (target != IGNORE).unsqueeze(1)
    one_hots = [
        F.one_hot(ids.long().where(kept[:, 0], 0), CLASSES).movedim(-1, 1) * kept
        for ids in (prediction, target)
    ]
    tp, fp, _, fn = get_confusion_matrix(*one_hots, include_background=True).sum(dim=0).unbind(-1)
    return tp / (tp + fp + fn)


def sklearn_runner(prediction, target):
    from sklearn.metrics import confusion_matrix as sklearn_matrix

    kept = (target != IGNORE).cpu().numpy()
    ids = (target.cpu().numpy()[kept], prediction.cpu().numpy()[kept])
    return torch.from_numpy(sklearn_matrix(*ids, labels=np.arange(CLASSES)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["int64", "uint8"], default="int64")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)

    prediction, target = blobs(torch.Generator().manual_seed(0))
    dtype = getattr(torch, arguments.dtype)
    prediction, target = prediction.to(device, dtype), target.to(device, dtype)

    matrices = {
        "segcourse": lambda p, t: confusion_matrix(p, t, CLASSES),
        "torchmetrics (its default)": torchmetrics_runner(validate=True),
        "torchmetrics (validation off)": torchmetrics_runner(validate=False),
        "scikit-learn": sklearn_runner,
        "torch.bincount, plain": plain_bincount,
        "torch.bincount, one more bin": routed_bincount,
    }
    scores = {"segmentation_models.pytorch": smp_scores, "MONAI": monai_scores}

    expected = plain_bincount(prediction, target)
    for name, run in matrices.items():
        assert torch.equal(run(prediction, target).to(expected), expected), f"{name} counts differently"
    for name, run in scores.items():
        iou = run(prediction, target).double().cpu()
        assert torch.allclose(iou, iou_per_class(expected), atol=1e-6), f"{name} scores differently"
    print(f"values agree: mean IoU {mean_iou(expected):.6f}")
    print(
        f"8 × 512 × 512, {CLASSES} classes, {arguments.dtype}, {device}, {torch.get_num_threads()} threads\n"
    )

    def timed(finish):
        finish()
        if device.type == "cuda":
            torch.cuda.synchronize()

    runners = {
        name: lambda run=run: timed(lambda: mean_iou(run(prediction, target)))
        for name, run in matrices.items()
    }
    runners |= {
        name: lambda run=run: timed(lambda: run(prediction, target).nanmean()) for name, run in scores.items()
    }
    print(table(race(runners, arguments.rounds), ours="segcourse"))


if __name__ == "__main__":
    main()
