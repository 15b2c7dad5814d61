"""Comparisons: the same start for every variant, a curve per start, and the masks of every epoch."""

import torch

from segcourse import UNet, load_dataset, losses
from segcourse.course.trials import compare


def small():
    return UNet(3, 2, width=2, depth=1)


def test_variants_start_alike_and_seeds_differ():
    train, val = (load_dataset("lesions", split, size=16, count=6) for split in ("train", "val"))
    watch = [val[0], val[1]]
    variants = {"one": {"loss": losses.cross_entropy}, "same": {"loss": losses.cross_entropy}, "other": {}}
    plan = {"model": small, "epochs": 2, "batch_size": 3, "device": "cpu", "progress": False}
    trials = compare(variants, train, val, seeds=[0, 1], watch=watch, **plan)
    assert set(trials.curves) == {(name, seed) for name in variants for seed in (0, 1)}
    assert all(len(curve) == 2 for curve in trials.curves.values())
    weights = {key: segmenter.model.head.weight for key, segmenter in trials.segmenters.items()}
    assert torch.equal(weights["one", 0], weights["same", 0])
    assert not torch.equal(weights["one", 0], weights["one", 1])
    assert not torch.equal(weights["one", 0], weights["other", 0])
    assert trials.watched["one", 0].shape == (2, 2, 16, 16)
    assert [column.title for column in trials.play(1).columns][:3] == ["truth", "one, seed 0", "same, seed 0"]
    masks = trials.masks([val[i] for i in range(3)])
    assert masks["other", 1].shape == (3, 16, 16)
    assert masks["other", 1].dtype == torch.int64
