"""What `fit` refuses before the training: networks and data that don't fit together."""

import numpy as np
import pytest
import torch
from foreign_networks import Picky, Scores, forward
from squares import Squares, numbers, run, tiny_net
from torch import nn
from torch.utils.data import DataLoader, Subset

from segcourse.data import load_dataset
from segcourse.errors import DataError, TrainingError
from segcourse.losses import cross_entropy
from segcourse.models import create_model
from segcourse.training.accelerator import make_accelerator
from segcourse.training.accumulation import AUXILIARY, backward

pytestmark = pytest.mark.usefixtures("one_thread")


def arrays(count=6, channels=3, foreground=1):
    """Pairs of uint8 arrays, as people have them."""
    data = [Squares(count)[i] for i in range(count)]
    images = [(image.permute(1, 2, 0).numpy() * 255).astype(np.uint8) for image, _, _ in data]
    images = [np.dstack([image, image])[..., :channels] for image in images]
    masks = [(mask.numpy() * foreground).astype(np.uint8) for _, mask, _ in data]
    return list(zip(images, masks, strict=True))


def test_pairs_of_arrays_train_like_samples():
    pairs = arrays()
    samples = [
        (torch.from_numpy(image).permute(2, 0, 1) / 255, torch.from_numpy(mask).long(), str(i))
        for i, (image, mask) in enumerate(pairs)
    ]
    one, other = (run(train=data, val=data[:2], folder=False, epochs=2) for data in (pairs, samples))
    assert numbers(one) == numbers(other)


def test_four_channels_train_with_four_numbers():
    model = create_model("unet", 2, in_channels=4, width=2, depth=1)
    data = arrays(channels=4)
    history = run(model, data, data, folder=False, epochs=1, normalise=((0.5,) * 4, (0.2,) * 4))
    assert len(history.rows) == 1
    with pytest.raises(DataError, match=r"the network can't take images of 1 × 3 × 16 × 16"):
        run(create_model("unet", 2, in_channels=4, width=2, depth=1), data, folder=False)


def test_networks_that_need_padding_and_dictionaries_train():
    data = [(torch.rand(3, 20, 28), torch.randint(0, 2, (20, 28))) for _ in range(5)]
    for model in (Picky(), Scores(lambda logits: {"out": logits, "aux": 2 * logits})):
        before = model.head.weight.detach().clone()
        for accumulate in (1, 2):
            history = run(model, data, data, folder=False, epochs=1, batch_size=2, accumulate=accumulate)
            assert history.rows[0]["val_loss"] > 0
        assert not torch.equal(model.head.weight, before)


@pytest.mark.parametrize("parts", [(4,), (2, 2), (3, 1)])
def test_the_auxiliary_loss_counts_half(parts):
    torch.manual_seed(0)
    images, target = torch.rand(4, 3, 16, 16), torch.randint(0, 2, (4, 16, 16))
    run = forward(Scores(lambda logits: {"out": logits, "aux": logits**2}))
    wanted = cross_entropy(run.heads(images)[0], target) + AUXILIARY * cross_entropy(
        run.heads(images)[1], target
    )
    wanted.backward()
    gradient = run.network.head.weight.grad.clone()
    run.network.zero_grad()
    value = backward(make_accelerator("cpu"), run, cross_entropy, images.split(parts), target.split(parts))
    assert AUXILIARY == 0.5  # torchvision, references/segmentation/train.py, criterion
    assert value == pytest.approx(wanted.item(), abs=1e-6)
    torch.testing.assert_close(run.network.head.weight.grad, gradient)


class Stateful(nn.Conv2d):
    def get_extra_state(self):
        return {"steps": 3}

    def set_extra_state(self, state):
        pass


class Pooled(nn.Module):
    """Image pooling with batch norm, as in DeepLabV3: it needs two images."""

    def __init__(self):
        super().__init__()
        self.head, self.pool = nn.Conv2d(3, 2, 1), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(2))

    def forward(self, x):
        x = self.head(x)
        return x + self.pool(x)


WRONG = {
    "one channel": (nn.Conv2d(3, 1, 1), {}, DataError, "returns 1 channel; expected one per class"),
    "not logits": (
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(2)),
        {},
        DataError,
        r"a tensor of shape \(1, 2, 256\)",
    ),
    "extra state": (nn.Sequential(Stateful(3, 2, 1)), {}, TrainingError, "0._extra_state .* is not a tensor"),
    "lazy": (nn.LazyConv2d(2, 1), {}, TrainingError, "weight of LazyConv2d has no shape yet"),
    "batch of one": (Pooled(), {"batch_size": 3}, TrainingError, r"10 images in batches of 3.*needs two"),
    "loader": (tiny_net(), {"train": DataLoader(Squares(4))}, DataError, "a DataLoader was given"),
    "normalised": (
        tiny_net(),
        {"train": [(torch.randn(3, 8, 8), torch.zeros(8, 8))]},
        DataError,
        "normalise=",
    ),
    "black and white": (tiny_net(), {"train": arrays(foreground=255)}, DataError, "image .: .*give mask > 0"),
    "more classes": (
        tiny_net(),
        {"train": arrays(foreground=3)},
        DataError,
        r"holds 3; expected class ids 0\.\.1",
    ),
    "named classes": (
        nn.Conv2d(3, 4, 1),
        {"train": Subset(load_dataset("lesions", count=2, size=16), [0, 1])},
        DataError,
        r"4 channels, and the data have 2 classes \(skin, lesion\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_before_anything_is_written(name, tmp_path):
    model, options, error, sentence = WRONG[name]
    with pytest.raises(error, match=sentence):
        run(model, folder=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_batch_of_one_is_fine_for_most_networks():
    model = tiny_net(norm=True)
    run(model, Squares(5), folder=False, epochs=1)
    assert model[1].num_batches_tracked == 2  # the check before the training left no trace


def test_images_that_were_normalised_already_stay_as_they_are():
    data = [(torch.randn(3, 16, 16), torch.randint(0, 2, (16, 16))) for _ in range(4)]
    assert run(train=data, val=data, folder=False, epochs=1, normalise=((0, 0, 0), (1, 1, 1))).rows
