"""The threshold of a two-class model: chosen on validation images, used everywhere, kept in the file."""

import pytest
import torch
from torch import nn

from segcourse.inference.segmenter import Segmenter
from segcourse.inference.threshold import choose_threshold
from segcourse.models import create_model


class Grey(nn.Module):
    """The probability of class 1 is the brightness."""

    def forward(self, x):
        grey = x.mean(1, keepdim=True).clamp(0.001, 0.999)
        return torch.cat([(1 - grey).log(), grey.log()], 1)


def grey_model(size=None, threshold=0.5):
    return Segmenter(Grey(), mean=(0, 0, 0), std=(1, 1, 1), device="cpu", size=size, threshold=threshold)


def columns(*levels):
    return torch.tensor(levels).expand(3, 8, len(levels)).clone()


def test_the_threshold_is_that_of_the_best_dice():
    image, mask = columns(0.1, 0.32, 0.38, 0.9), torch.tensor([[0, 0, 1, 1]]).expand(8, 4)
    assert choose_threshold(grey_model(), [(image, mask, "a")]) == 0.35
    mask = torch.tensor([[0, 0, 255, 1]]).expand(8, 4)
    assert choose_threshold(grey_model(), [(image, mask, "ignored pixels do not count")]) == 0.5
    empty = torch.zeros(8, 4, dtype=torch.int64)
    assert choose_threshold(grey_model(), [(image * 0, empty, "nothing there")]) == 0.5


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize("flips", [False, True])
def test_every_way_to_predict_uses_the_threshold(size, flips):
    image = columns(*[0.38] * 8)
    for threshold, wanted in ((0.5, 0), (0.35, 1)):
        segmenter = grey_model(size, threshold)
        assert set(segmenter.predict(image, flips=flips).ravel()) == {wanted}
        assert set(segmenter.predict_batch([image], flips=flips)[0].ravel()) == {wanted}


def test_the_file_keeps_the_threshold(tmp_path):
    model = create_model("unet", 2, width=2, depth=1)
    Segmenter(model, device="cpu", threshold=0.35).save(tmp_path / "m.safetensors")
    assert Segmenter.load(tmp_path / "m.safetensors", "cpu").threshold == 0.35
