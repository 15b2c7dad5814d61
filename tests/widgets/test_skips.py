"""The skip viewer: predictions with more and more skips, and what each of them changes."""

import types

import numpy as np
import pytest
import torch

from segcourse import exercises
from segcourse.errors import DataError
from segcourse.inference.segmenter import Segmenter
from segcourse.models.unet import UNet
from segcourse.plotting.arrays import error_map
from segcourse.widgets import skip_viewer
from segcourse.widgets.skips import predict_with, steps_up

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
TRUE = (np.indices((16, 20)).sum(axis=0) % 5 == 0).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    """Return a U-Net whose skips matter: random weights, and batch norm as after training."""
    torch.manual_seed(0)
    model = UNet(3, 2, width=4, depth=2)
    for _ in range(20):
        model(torch.rand(8, 3, 16, 20))
    return model.eval()


def test_with_all_skips_the_prediction_is_the_models_own(model):
    np.testing.assert_array_equal(predict_with(model, IMAGE, []), Segmenter(model).predict(IMAGE))
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        own = model(pixels)[0].argmax(dim=0).numpy()
    plain = predict_with(model, IMAGE, [], normalise=((0, 0, 0), (1, 1, 1)))
    np.testing.assert_array_equal(plain, own)


def test_a_skip_that_is_left_out_is_replaced_by_its_mean(model):
    """With constant skips, shuffling the pixels of a skip changes nothing."""
    seen = []
    hook = model.ups[1].conv.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    predict_with(model, IMAGE, [model.ups[1]])
    hook.remove()
    skip = seen[0][0, :4]  # the skip comes first
    assert (skip == skip[:, :1, :1]).all()
    assert skip.unique().numel() > 1


def test_each_frame_adds_the_next_finer_skip(model, frame, rgb):
    page = skip_viewer(model, IMAGE, TRUE).html()
    before = None
    for count in range(3):
        one, prediction = frame(page, count), predict_with(model, IMAGE, model.ups[count:])
        *_, errors, changed = map(rgb, one.pictures)
        np.testing.assert_array_equal(errors, error_map(TRUE, prediction))
        assert one.label == f"{count} of 2"
        if before is not None:
            np.testing.assert_array_equal((changed == [240, 228, 66]).all(axis=-1), before != prediction)
            assert f"changes {np.mean(before != prediction):.1%} of the pixels. Dice" in one.caption
        before = prediction
    assert frame(page, 1).caption.startswith("the skip at 1/2 of the size")
    assert frame(page, 2).caption.startswith("the skip at full size")


def test_the_model_is_left_as_it_was(model):
    model.train()
    skip_viewer(model, IMAGE)
    assert model.training
    model.eval()
    assert not any(up._forward_pre_hooks for up in model.ups)


def test_a_students_own_network_is_taken():
    own = exercises.get("UNet").answer(3, 2, 4)
    own.decoder, own.ups = own.ups, torch.nn.ModuleList()  # the names are the student's
    own.forward = types.MethodType(forward, own)
    assert steps_up(own, IMAGE) == list(own.decoder)


def forward(own, x):
    skips = [own.first(x)]
    for down in own.downs:
        skips.append(down(torch.nn.functional.max_pool2d(skips[-1], 2)))
    x = skips.pop()
    for up in own.decoder:
        x = up(x, skips.pop())
    return own.head(x)


def test_an_attention_gate_gets_no_skip_either():
    model = UNet(3, 2, width=4, depth=2, attention=True)
    assert steps_up(model, IMAGE) == list(model.gates)


def test_a_model_without_skips_is_refused():
    with pytest.raises(DataError, match=r"Conv2d has no modules called with \(x, skip\)"):
        skip_viewer(torch.nn.Conv2d(3, 2, 1), IMAGE)
