"""Networks of other libraries in `Forward`: dictionaries, sizes, channels."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from foreign_networks import Picky, Scores, forward
from torch import nn

from segcourse.errors import DataError
from segcourse.models import create_model


@pytest.mark.parametrize("error", [RuntimeError, AssertionError])
def test_sides_are_padded_to_what_the_network_takes(error):
    network, images = Picky(error), torch.rand(1, 3, 33, 70)
    run = forward(network)
    logits = run(images)
    assert run.multiple == 32
    plain = forward(network.head)(images)
    torch.testing.assert_close(logits, plain)  # a 1×1 convolution does not see the padding
    network.calls = 0
    run(images)
    assert network.calls == 1  # the multiple is known now
    assert run(torch.rand(1, 3, 64, 64)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("key", ["out", "logits"])
def test_logits_in_a_dictionary_are_resized_to_the_image(key):
    network = Scores(lambda logits: OrderedDict({key: logits, "aux": logits + 1}))
    images = torch.rand(2, 3, 16, 24)
    run = forward(network, ((0, 0, 0), (1, 1, 1)))
    wanted = F.interpolate(network.head(images), (16, 24), mode="bilinear", align_corners=False)
    torch.testing.assert_close(run(images), wanted)
    main, auxiliary = run.heads(images)
    torch.testing.assert_close(auxiliary, main + 1)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (Scores(lambda logits: (logits, logits)), "returns a tuple; expected logits"),
        (Scores(lambda logits: {"masks": logits}), "a dictionary with the keys masks; expected"),
        (Scores(lambda logits: logits.mean((2, 3))), r"a tensor of shape \(1, 2\); expected"),
        (nn.Conv2d(4, 2, 1), r"can't take images of 1 × 3 × 16 × 24 .*expected input.* to have 4 channels"),
    ],
)
def test_what_does_not_fit_is_explained(network, sentence):
    with pytest.raises(DataError, match=sentence):
        forward(network)(torch.rand(1, 3, 16, 24))


def test_four_channels_need_four_numbers():
    network = create_model("unet", 2, in_channels=4, width=2, depth=1)
    images = torch.rand(1, 4, 9, 7)
    assert forward(network, ((0.5,) * 4, (0.2,) * 4))(images).shape == (1, 2, 9, 7)
    with pytest.raises(DataError, match="the images have 4 channels and the normalisation 3"):
        forward(network)(images)


def test_segmentation_models_pytorch_takes_any_size():
    smp = pytest.importorskip("segmentation_models_pytorch", reason="smp is not installed (extra `peers`)")
    torch.manual_seed(0)
    network = smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=2)  # wants multiples of 16
    images = torch.rand(1, 3, 33, 50)
    run = forward(network, ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(RuntimeError, match="divisible by 16"):
        network(images)
    wanted = network(F.pad(images, (0, 14, 0, 15), mode="replicate"))[..., :33, :50]
    torch.testing.assert_close(run(images), wanted)
