"""`segcourse fit` from end to end on a small folder, and its recipes."""

import numpy as np
import pytest
import torch
from PIL import Image

from segcourse import cli
from segcourse.errors import DataError
from segcourse.inference.segmenter import Segmenter
from segcourse.recipes import Recipe, datasets, recipe

QUICK = ["--epochs", "2", "--width", "4", "--size", "16", "--batch", "4", "--device", "cpu"]
PLAN = Recipe(size=16)


@pytest.fixture
def folder(tmp_path):
    """Ten bright squares with masks saved as 0/255."""
    fill(tmp_path / "data", 10)
    return tmp_path / "data"


def fill(folder, count):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        mask = np.zeros((24, 20), np.uint8)
        top, left = rng.integers(0, 10, 2)
        mask[top : top + 10, left : left + 9] = 255
        noise = rng.integers(0, 90, (24, 20, 3), dtype=np.uint8)
        Image.fromarray(noise + mask[..., None] // 2).save(folder / "images" / f"{i}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return ended.value.code or 0, *capsys.readouterr()


def test_a_run_leaves_a_model_and_pictures(folder, tmp_path, capsys):
    run = tmp_path / "run"
    code, out, errors = command(capsys, "fit", "--data", folder, "--out", run, *QUICK)
    assert code == 0, errors
    assert "on 2 validation images: dice_per_image 0." in out
    assert out.endswith(f"all files are in {run}\n")
    assert {"model.safetensors", "best.safetensors", "last.pt", "results.png", "curves.png"} <= {
        path.name for path in run.iterdir()
    }
    with Image.open(run / "results.png") as picture:
        assert "worst: " in picture.info["Description"]
    segmenter = Segmenter.load(run / "model.safetensors")
    assert (segmenter.class_names, segmenter.size) == (("background", "foreground"), (16, 16))

    code, out, errors = command(capsys, "fit", "--data", folder, "--resume", run, *QUICK)
    assert code == 0, errors
    assert "epoch 3" not in out  # it was complete

    images = ["--images", folder / "images", "--masks", folder / "masks"]
    code, _, errors = command(capsys, "fit", *images, "--resume", run, *QUICK, "--lr", "0.5")
    assert code == 2
    assert "learning_rate" in errors


def test_a_folder_is_split_the_same_way_each_time(folder):
    def names(seed):
        train, val = datasets(str(folder), None, None, PLAN, seed)
        return [train[i].name for i in range(len(train))], [val[i].name for i in range(len(val))]

    train, val = names(0)
    assert sorted(train + val) == [str(i) for i in range(10)]
    assert len(val) == 2
    assert names(0) == (train, val)
    assert names(1) != (train, val)
    whole, plain = (part.dataset for part in datasets(str(folder), None, None, PLAN))
    assert whole.transform is not None
    assert plain.transform is None  # validation images are not augmented


def test_train_and_val_folders_are_used_unchanged(tmp_path):
    fill(tmp_path / "train", 6)
    fill(tmp_path / "val", 3)
    train, val = datasets(str(tmp_path), None, None, PLAN)
    assert (len(train), len(val)) == (6, 3)
    assert val.class_names == train.class_names


@pytest.mark.parametrize(
    "wrong", ["nothing", "both", "no such set", "empty", "few", "text as png", "sizes", "no GPU"]
)
def test_bad_input_is_explained_before_training(wrong, folder, tmp_path, capsys):
    arguments, sentence = ["--data", folder], "masks"
    if wrong == "nothing":
        arguments, sentence = [], "give either --data"
    elif wrong == "both":
        arguments, sentence = ["--data", folder, "--images", folder], "give either --data"
    elif wrong == "no such set":
        arguments, sentence = ["--data", "lesion"], "no data set 'lesion'"
    elif wrong == "empty":
        (tmp_path / "empty").mkdir()
        arguments, sentence = ["--data", tmp_path / "empty"], "no images"
    elif wrong == "few":
        fill(tmp_path / "few", 3)
        arguments, sentence = ["--data", tmp_path / "few"], "at least 5"
    elif wrong == "text as png":
        (folder / "images" / "3.png").write_text("no picture")
        sentence = "3.png"
    elif wrong == "sizes":
        Image.new("L", (5, 5)).save(folder / "masks" / "3.png")
        sentence = "3"
    else:
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU; the case is about one without.")
        arguments, sentence = [*arguments, "--device", "cuda"], "no GPUs"
    options = [option for option in QUICK if not (wrong == "no GPU" and option in ("--device", "cpu"))]
    code, _, errors = command(capsys, "fit", *arguments, "--out", tmp_path / "run", *options)
    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


def test_changes_replace_only_the_given_settings():
    assert recipe("isic2018", epochs=3, size=None).epochs == 3
    assert recipe("isic2018", epochs=3, size=None).size == recipe("isic2018").size
    assert recipe("some/folder") == Recipe()


def test_training_needs_exactly_one_source():
    with pytest.raises(DataError, match="give either"):
        datasets(None, None, None, PLAN)
