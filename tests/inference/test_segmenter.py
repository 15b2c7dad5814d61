"""`Segmenter`: images of any format and size, saved files, and tiles."""

import errno
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from segcourse.data.images import read_image
from segcourse.data.samples import image_tensor
from segcourse.errors import DataError, DeviceError, ModelFileError, SaveError
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.tiling import starts, tiled
from segcourse.models import create_model
from segcourse.models.forward import IMAGENET
from segcourse.models.weights import read_weights, save_weights
from segcourse.palette import Palette

pytestmark = pytest.mark.usefixtures("one_thread")


class Bright(nn.Module):
    """Logit of class 1: how much brighter than a half the red channel is, once normalisation is undone."""

    def forward(self, x):
        red = x[:, :1] * IMAGENET[1][0] + IMAGENET[0][0] - 0.5
        return torch.cat([-red, red], dim=1)


def tiny_unet(classes=2, **options):
    torch.manual_seed(0)
    return create_model("unet", classes, **({"width": 4, "depth": 2} | options))


@pytest.fixture
def segmenter():
    return Segmenter(tiny_unet(), palette=Palette.lesion(), size=32, device="cpu")


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (61, 45, 3), dtype=np.uint8)


def test_normalisation_is_inside():
    image = np.array([[[200, 0, 0], [100, 255, 255]]], dtype=np.uint8)
    assert Segmenter(Bright(), device="cpu").predict(image).tolist() == [[1, 0]]


def test_every_format_of_an_image_is_the_same_image(segmenter, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "picture.png")
    chw = torch.from_numpy(picture).permute(2, 0, 1)
    wanted = segmenter.predict(picture)
    assert wanted.shape == (61, 45)
    assert wanted.dtype == np.uint8
    forms = [
        chw,
        chw / 255,
        chw.permute(1, 2, 0),
        picture / 255,
        tmp_path / "picture.png",
        str(tmp_path / "picture.png"),
    ]
    for form in [*forms, Image.fromarray(picture), picture[::-1][::-1]]:
        np.testing.assert_array_equal(segmenter.predict(form), wanted)
    with_alpha = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(segmenter.predict(with_alpha), wanted)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (101, 131), (97, 131), (3, 3), (4, 3)])
@pytest.mark.parametrize("size", [None, 16, (16, 24)])
def test_any_size_comes_back_at_its_own_size(shape, size):
    image = np.zeros((*shape, 3), np.uint8)
    segmenter = Segmenter(tiny_unet(), size=size, device="cpu")
    assert segmenter.predict(image).shape == shape
    assert segmenter.logits(image).shape == (2, *shape)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((4, 4, 3)) + 200.0, "from 200 to 200; expected floats in"),
        (np.full((4, 4, 3), np.nan), "floats in"),
        (np.zeros((4, 4, 3), np.int64), "int64; expected uint8"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
    ],
)
def test_what_is_not_an_image_is_explained(segmenter, image, sentence):
    with pytest.raises(DataError, match=sentence):
        segmenter.predict(image)


def test_logits_are_resized_and_not_labels():
    """A diagonal edge at 8×8, resized to 64×64: resized labels make steps of 8 pixels, logits do not."""
    ramp = np.add.outer(np.arange(64), np.arange(64)) * 2
    image = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    segmenter = Segmenter(Bright(), size=8, device="cpu")
    smooth = segmenter.predict(image)
    small = Segmenter(Bright(), device="cpu").predict(
        F.interpolate(image_tensor(image)[None], (8, 8), mode="bilinear", antialias=True)[0]
    )
    stepped = np.kron(small, np.ones((8, 8), np.uint8))
    truth = ramp > 127
    inside = np.s_[4:-4, 4:-4]  # resizing holds the value still beyond the outermost pixel centres
    assert (smooth != truth)[inside].mean() < 0.02
    assert (stepped != truth)[inside].mean() > 0.05


def test_flips_average_probabilities(segmenter, picture):
    image = image_tensor(picture)
    mirrored = segmenter.probabilities(image.flip(-1)).flip(-1)
    got = segmenter.probabilities(image, flips=True)
    torch.testing.assert_close(got, (segmenter.probabilities(image) + mirrored) / 2)
    torch.testing.assert_close(got.sum(0), torch.ones(61, 45))
    turned = segmenter.probabilities(image, flips="all")
    torch.testing.assert_close(turned, segmenter.probabilities(image.flip(-2), flips="all").flip(-2))
    assert not torch.allclose(got, segmenter.probabilities(image.flip(-2), flips=True).flip(-2))
    with pytest.raises(DataError, match="flips is 'both'"):
        segmenter.predict(picture, flips="both")


def test_flips_of_pictures_that_are_not_upright(segmenter, picture, tmp_path):
    wanted = segmenter.probabilities(picture, flips="all")
    segmenter.upright = False
    torch.testing.assert_close(segmenter.probabilities(picture, flips=True), wanted, rtol=0, atol=0)
    segmenter.save(tmp_path / "m.safetensors")
    loaded = Segmenter.load(tmp_path / "m.safetensors", "cpu")
    assert loaded.upright is False
    torch.testing.assert_close(loaded.probabilities(picture, flips=True), wanted)


def test_older_files_have_no_threshold_and_are_upright(segmenter, tmp_path):
    segmenter.save(tmp_path / "m.safetensors")
    tensors, metadata = read_weights(tmp_path / "m.safetensors")
    settings = json.loads(metadata["segcourse"])
    del settings["threshold"], settings["upright"]
    save_weights(tmp_path / "m.safetensors", tensors, {"segcourse": json.dumps(settings)})
    loaded = Segmenter.load(tmp_path / "m.safetensors", "cpu")
    assert (loaded.threshold, loaded.upright) == (0.5, True)


def test_tiled_equals_whole_where_tiles_overlap_enough(picture):
    """Three 3×3 convolutions see 3 pixels far; of an overlap of 12, 3 are discarded at both ends."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    segmenter = Segmenter(nn.Sequential(*layers, nn.Conv2d(8, 2, 3, padding=1)), device="cpu")
    whole = segmenter.logits(picture)
    torch.testing.assert_close(segmenter.logits(picture, tile=24, overlap=12), whole, atol=1e-5, rtol=1e-4)
    too_little = segmenter.logits(picture, tile=24, overlap=0)
    assert (too_little - whole).abs().max() > 0.01  # without overlap the seams show
    with pytest.raises(DataError, match="half a tile"):
        segmenter.predict(picture, tile=24, overlap=13)


@pytest.mark.parametrize("length", [1, 7, 24, 25, 61, 200])
@pytest.mark.parametrize(("tile", "overlap"), [(24, 12), (24, 5), (24, 0), (1, 0)])
def test_tiles_cover_everything_and_weigh_one(length, tile, overlap):
    covered = {i for start in starts(length, tile, overlap) for i in range(start, min(start + tile, length))}
    assert covered == set(range(length))
    ones = tiled(lambda image: image[:, :1], torch.ones(3, length, 3), tile, overlap)
    torch.testing.assert_close(ones, torch.ones(1, length, 3))


def test_a_saved_file_is_complete(tmp_path, picture):
    palette = Palette(("sky", "tree", "car"), ((0, 0, 0), (10, 200, 10), (200, 0, 0)))
    segmenter = Segmenter(
        tiny_unet(3), palette=palette, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), size=(24, 32), device="cpu"
    )
    segmenter.save(tmp_path / "model.safetensors")
    loaded = Segmenter.load(tmp_path / "model.safetensors", device="cpu")
    assert loaded.class_names == ("sky", "tree", "car")
    assert (loaded.palette, loaded.mean, loaded.std) == (palette, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert loaded.size == (24, 32)
    np.testing.assert_array_equal(loaded.predict(picture), segmenter.predict(picture))


def rewritten(path, change):
    tensors, metadata = read_weights(path)
    change(tensors, metadata)
    save_weights(path, tensors, metadata)


def describe(metadata, **changes):
    metadata["segcourse"] = json.dumps(json.loads(metadata["segcourse"]) | changes)


WRONG_FILES = {
    "another program's": (lambda t, m: m.clear(), "without the settings"),
    "newer": (lambda t, m: describe(m, format=99), r"newer version of segcourse \(file format 99"),
    "unknown architecture": (lambda t, m: describe(m, model={"name": "vit", "num_classes": 2}), "vit"),
    "unknown option": (lambda t, m: describe(m, model={"name": "unet", "num_classes": 2, "wide": 1}), "wide"),
    "not JSON": (lambda t, m: m.update(segcourse="{"), "can't build"),
    "missing tensor": (lambda t, m: t.pop(sorted(t)[0]), "different model.*1 tensor.* missing"),
    "unexpected tensor": (
        lambda t, m: t.update(extra=torch.zeros(1)),
        r"different model.*1 tensor.* unexpected, first extra",
    ),
    "another shape": (
        lambda t, m: describe(m, model=json.loads(m["segcourse"])["model"] | {"width": 8}),
        "different model.*with another shape",
    ),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_files_that_do_not_fit_are_explained(name, segmenter, tmp_path):
    change, sentence = WRONG_FILES[name]
    segmenter.save(tmp_path / "model.safetensors")
    rewritten(tmp_path / "model.safetensors", change)
    with pytest.raises(ModelFileError, match=sentence):
        Segmenter.load(tmp_path / "model.safetensors")


def test_files_that_are_not_safetensors_are_explained_and_run_no_code(segmenter, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelFileError, match="there is no model file"):
        Segmenter.load(path)
    segmenter.save(path)
    whole = path.read_bytes()
    for content in (pickle.dumps(Evil()), b"", b"text", whole[:-5]):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged or not a safetensors file"):
            Segmenter.load(path)
    torch.save(Evil(), path)
    with pytest.raises(ModelFileError, match="damaged or not a safetensors file"):
        Segmenter.load(path)
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_leaves_the_old_file(segmenter, tmp_path, monkeypatch):
    def half_then_full(path, content):
        with open(path, "wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "model.safetensors"
    segmenter.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", half_then_full)
    with pytest.raises(SaveError, match="No space left on device"):
        segmenter.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_other_mistakes_are_explained(segmenter, tmp_path):
    with pytest.raises(DataError, match="3 class names but a palette of 2"):
        Segmenter(tiny_unet(), ["a", "b", "c"], Palette.lesion(), device="cpu")
    segmenter.save(tmp_path / "model.safetensors")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="no GPUs"):
            Segmenter.load(tmp_path / "model.safetensors", device="cuda")


@pytest.fixture
def files(tmp_path):
    paths = []
    for i, shape in enumerate([(20, 30), (33, 17), (8, 8)]):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (*shape, 3), dtype=np.uint8)).save(
            paths[-1]
        )
    (tmp_path / "text.png").write_text("no picture")
    return [*paths[:2], tmp_path / "text.png", paths[2]]


def test_batches_of_files_equal_single_images(segmenter, files, capsys):
    for options in ({}, {"flips": True}, {"tile": 16}):
        for path, mask in segmenter.predict_files(files, 3, on_error="skip", progress=False, **options):
            np.testing.assert_array_equal(mask, segmenter.predict(path, **options))
    with pytest.raises(DataError, match=r"text\.png"):
        list(segmenter.predict_files(files, progress=False))
    done = [path for path, _ in segmenter.predict_files(files, 2, on_error="skip", progress=False)]
    assert done == [files[0], files[1], files[3]]
    assert "text.png" in capsys.readouterr().err


def test_evaluate_scores_each_image_at_its_own_size():
    """By hand: 2 of 3 found and none false (Dice 4/5); 1×2 with one found and one false (2/3)."""
    on, off = [255, 0, 0], [0, 0, 0]
    pictures = [np.array([[on, on], [off, off]], np.uint8), np.array([[on, on]], np.uint8)]
    masks = [torch.tensor([[1, 1], [1, 0]]), torch.tensor([[1, 0]])]
    data = [(image_tensor(p), m, f"image {i}") for i, (p, m) in enumerate(zip(pictures, masks, strict=True))]
    scores = evaluate(Segmenter(Bright(), device="cpu"), data, progress=False)
    assert [row["name"] for row in scores.per_image] == ["image 0", "image 1"]
    assert [float(row["dice"]) for row in scores.per_image] == pytest.approx([4 / 5, 2 / 3])
    assert scores.compute()["dice_per_image"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    with pytest.raises(DataError, match="the image image 0 is 2×2, but its mask is 1×2"):
        evaluate(Segmenter(Bright(), device="cpu"), [(data[0][0], masks[1], "image 0")], progress=False)
    with pytest.raises(DataError, match="empty"):
        evaluate(Segmenter(Bright(), device="cpu"), [], progress=False)


def test_the_network_sees_what_it_saw_in_training(tmp_path):
    """Training data are resized by Pillow, pictures in use by PyTorch: within 1.5 grey levels."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (12, 9, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "smooth.png")
    by_pillow = image_tensor(read_image(tmp_path / "smooth.png", size=32))
    segmenter = Segmenter(tiny_unet(), size=32, device="cpu")
    assert (segmenter._resize(image_tensor(smooth)) - by_pillow).abs().max() < 1.5 / 255
