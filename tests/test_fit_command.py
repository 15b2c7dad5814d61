"""`segcourse fit` from end to end on small folders."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segcourse import cli, fit_command, recipes
from segcourse.inference.segmenter import Segmenter

QUICK = ["--epochs", "2", "--width", "4", "--size", "16", "--batch", "4", "--device", "cpu"]


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
    written = {"model.safetensors", "best.safetensors", "last.pt", "results.png", "curves.png"}
    written |= {"settings.json", "split.csv", "history.csv"}
    assert written <= {path.name for path in run.iterdir()}
    with Image.open(run / "results.png") as picture:
        assert "worst: " in picture.info["Description"]
    segmenter = Segmenter.load(run / "model.safetensors")
    assert (segmenter.class_names, segmenter.size) == (("background", "foreground"), (16, 16))
    assert f"threshold {segmenter.threshold:g}, chosen on these images\n" in out

    code, out, errors = command(capsys, "fit", "--data", folder, "--resume", run, *QUICK)
    assert code == 0, errors
    assert "epoch 3" not in out  # it was complete

    images = ["--images", folder / "images", "--masks", folder / "masks"]
    code, _, errors = command(capsys, "fit", *images, "--resume", run, *QUICK, "--lr", "0.5")
    assert code == 2
    assert "learning_rate" in errors


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


def test_without_a_terminal_there_is_a_header_a_line_per_epoch_and_no_bar(folder, tmp_path, capsys):
    code, out, errors = command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK)
    assert (code, errors) == (0, "")
    assert "\r" not in out
    header = dict(line.split(maxsplit=1) for line in out.partition("\nepoch 1")[0].splitlines())
    assert header["data"] == "10 pairs: 8 for training, 2 for validation"
    assert header["split"] == "at random"
    assert header["classes"].startswith("background 8")
    assert header["images"] == "24 × 20 pixels (height × width)"
    assert header["pictures"] == "resized to 16 × 16"
    assert header["augmentation"].endswith("if they have no up and down, pass --augment any")
    assert header["model"] == "half_unet, 0.12 million parameters"
    assert (header["device"], header["time"]) == ("cpu", "2 epochs")
    assert [line[:8] for line in out.splitlines() if line.startswith("epoch")] == ["epoch 1:", "epoch 2:"]


def test_pictures_of_many_sizes_are_cropped_and_validated_at_their_own_size(tmp_path, capsys):
    fill(tmp_path / "data", 10)
    for k in range(10):  # some are smaller than the crop
        for kind in ("images", "masks"):
            path = tmp_path / "data" / kind / f"{k}.png"
            Image.open(path).resize((12 + 6 * k, 40), Image.Resampling.NEAREST).save(path)
    quick = [option for option in QUICK if option not in ("--size", "16")]
    arguments = ["fit", "--data", tmp_path / "data", "--out", tmp_path / "run", *quick, "--crop", "32", "24"]
    code, out, errors = command(capsys, *arguments)
    assert code == 0, errors
    assert "images        40 × 12 to 40 × 66 pixels" in out
    assert "at their own size, in random crops of 32 × 24" in out
    assert Segmenter.load(tmp_path / "run" / "model.safetensors").size is None


def test_time_is_used_up_and_zero_minutes_are_refused(folder, tmp_path, capsys):
    timed = ["fit", "--data", folder, "--out", tmp_path / "run", "--width", "2", "--size", "16"]
    code, _, errors = command(capsys, *timed, "--minutes", "0")
    assert (code, errors) == (
        2,
        "the time budget is 0 minutes; give more than 0 minutes, or a number of epochs.\n",
    )
    code, out, errors = command(capsys, *timed, "--minutes", "0.02", "--device", "cpu")
    assert code == 0, errors
    assert "0.02 minutes, as many epochs as fit" in out
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").open()))
    assert float(rows[-1]["seconds"]) >= 0.9 * 60 * 0.02
    assert float(rows[-1]["lr"]) < 1e-4  # annealed


def test_stray_ids_stop_the_training_until_they_have_a_meaning(folder, tmp_path, capsys):
    for path in (folder / "masks").iterdir():
        ids = (np.array(Image.open(path)) > 0).astype(np.uint8)
        if path.stem == "3":
            ids[:3, :3] = 2
        Image.fromarray(ids).save(path)
    run = ["fit", "--data", folder, "--out", tmp_path / "run", *QUICK]
    code, _, errors = command(capsys, *run)
    assert code == 2
    assert "3.png {2: 9 pixels}" in errors
    assert (
        "ignore these pixels with --void 2; if they are a class, pass --class-names with all names" in errors
    )
    assert not (tmp_path / "run").exists()
    code, out, errors = command(capsys, *run, "--void", "2")
    assert code == 0, errors
    assert "ignored       2\n" in out


def test_a_run_is_not_overwritten_without_force(folder, tmp_path, capsys):
    run = ["fit", "--data", folder, "--out", tmp_path / "run", *QUICK]
    command(capsys, *run)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    code, _, errors = command(capsys, *run, "--seed", "1")
    assert code == 2
    assert "holds an earlier run" in errors
    assert "--resume" in errors
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before
    code, _, errors = command(capsys, *run, "--seed", "1", "--force")
    assert code == 0, errors
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != before
    assert len(list((tmp_path / "run").glob("events*"))) == 1


def test_resume_needs_only_the_folder(folder, tmp_path, capsys, monkeypatch):
    """A run that Ctrl-C stopped ends as one that was not stopped, whatever files came since."""
    options = ["--split", "blocks", "--lr", "0.01", "--seed", "3", "--loss", "ce+tversky", "--augment", "any"]
    straight = command(capsys, "fit", "--data", folder, "--out", tmp_path / "straight", *QUICK, *options)
    shown = recipes.print_epoch

    def ctrl_c(row):
        shown(row)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(recipes, "print_epoch", ctrl_c)
        code, out, _ = command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK, *options)
    assert code == 130
    assert f"To continue, run `segcourse fit --resume {tmp_path / 'run'}`." in out
    Image.new("RGB", (20, 24)).save(folder / "images" / "later.png")
    Image.new("L", (20, 24)).save(folder / "masks" / "later.png")
    code, out, errors = command(capsys, "fit", "--resume", tmp_path / "run")
    assert code == 0, errors
    assert scores(out) == scores(straight[1])
    assert history(tmp_path / "run") == history(tmp_path / "straight")


def scores(out):
    return [line for line in out.splitlines() if line.startswith(("model.safetensors", "threshold"))]


def history(run):
    rows = list(csv.DictReader((run / "history.csv").open()))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [(None, "there is no run to resume in"), ("{}", "cannot be read"), ("[1", "cannot be read")],
)
def test_a_folder_that_cannot_be_resumed(settings, sentence, tmp_path, capsys):
    if settings is not None:
        (tmp_path / "settings.json").write_text(settings)
    code, _, errors = command(capsys, "fit", "--resume", tmp_path)
    assert code == 2
    assert sentence in errors


def test_the_split_of_a_run_is_a_csv_file_for_other_runs(folder, tmp_path, capsys):
    command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK)
    split = tmp_path / "run" / "split.csv"
    code, out, errors = command(capsys, "fit", "--csv", split, "--out", tmp_path / "again", *QUICK)
    assert code == 0, errors
    assert "10 pairs: 8 for training, 2 for validation" in out
    assert (tmp_path / "again" / "split.csv").read_text() == split.read_text()
    model = tmp_path / "run" / "model.safetensors"
    code, out, errors = command(capsys, "evaluate", "--model", model, "--csv", split, "--json")
    assert code == 0, errors
    figures = json.loads(out)
    assert figures["images"] == 2
    assert figures["threshold"] == Segmenter.load(model).threshold


def test_colour_masks_with_a_void_colour(folder, tmp_path, capsys):
    lines = {"void": (9, 9, 9), "ground": (0, 0, 128), "square": (200, 100, 0)}
    for path in (folder / "masks").iterdir():
        ids = 1 + (np.array(Image.open(path)) > 0)
        ids[0] = 0
        Image.fromarray(np.array([*lines.values()], np.uint8)[ids]).save(path)
    (tmp_path / "colours.txt").write_text("".join(f"{n},{r},{g},{b}\n" for n, (r, g, b) in lines.items()))
    meaning = ["--palette", tmp_path / "colours.txt", "--void", "void"]
    code, out, errors = command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK, *meaning)
    assert code == 0, errors
    assert "ignored       0\n" in out
    segmenter = Segmenter.load(tmp_path / "run" / "model.safetensors")
    assert segmenter.palette.names == ("ground", "square")
    assert segmenter.palette.colours == ((0, 0, 128), (200, 100, 0))
    code, _, errors = command(capsys, "fit", "--resume", tmp_path / "run")
    assert code == 0, errors
    arguments = ["--model", tmp_path / "run" / "model.safetensors", "--images", folder, *meaning]
    code, out, errors = command(capsys, "evaluate", *arguments)
    assert code == 0, errors
    assert re.search(r"(?m)^square +\d", out), out


def test_a_terminal_is_asked_whether_the_pictures_are_upright(folder, monkeypatch):
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(fit_command.typer, "confirm", lambda text, default: asked.append(default))
    plan, notes = fit_command._suited(recipes.Recipe(), {"data": str(folder)})
    assert asked == [True]
    assert plan.augment == "any"  # the answer was no
    assert notes["augmentation"] == "mirror images, upside down and turned"
    for data, wanted in (("isic2018", "any"), ("camvid", "upright")):  # their cards know
        assert fit_command._suited(recipes.recipe(data), {"data": data})[0].augment == wanted
    assert len(asked) == 1


def test_another_librarys_network_on_the_command_line(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "models")
    network, run = "foreign_networks.Plain", tmp_path / "run"
    start = QUICK.index("--width")
    quick = QUICK[:start] + QUICK[start + 2 :]
    fit = ["fit", "--data", folder, "--out", run, "--model", network]
    code, _, errors = command(capsys, *fit, *QUICK)
    assert code == 2
    assert errors.startswith(f"--width is for networks of the course, and {network} is another library's")
    code, out, errors = command(capsys, *fit, *quick)
    assert code == 0, errors
    wanted = scores(out)
    code, _, errors = command(capsys, "fit", "--resume", run)
    assert (code, errors.splitlines()[-1][-len(network) - 8 :]) == (2, f"--model {network}")
    code, out, errors = command(capsys, "fit", "--resume", run, "--model", network)
    assert (code, scores(out)) == (0, wanted), errors

    model = ["--model", run / "model.safetensors"]
    evaluate = ["evaluate", *model, "--csv", run / "split.csv", "--json"]
    predict = ["predict", folder / "images", *model, "--out", tmp_path / "masks"]
    for one in (evaluate, predict):
        code, _, errors = command(capsys, *one)
        assert (code, f"pass it yourself: --build {network}." in errors) == (2, True)
        code, out, errors = command(capsys, *one, "--build", network)
        assert code == 0, errors
    assert len(list((tmp_path / "masks").glob("*_mask.png"))) == 10

    start = [
        "fit",
        "--data",
        folder,
        "--out",
        tmp_path / "more",
        "--start",
        run / "model.safetensors",
        *quick,
    ]
    code, _, errors = command(capsys, *start)
    assert (code, f"pass it yourself: --model {network}." in errors) == (2, True)
    code, out, errors = command(capsys, *start, "--model", network)
    assert code == 0, errors


def test_a_run_starts_where_another_one_ended(folder, tmp_path, capsys, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    fit = ["fit", "--data", folder, "--epochs", "1", "--size", "16", "--batch", "4", "--device", "cpu"]
    code, _, errors = command(capsys, *fit, "--out", first, "--width", "4")
    assert code == 0, errors
    monkeypatch.chdir(first)
    start = ["--start", "model.safetensors"]
    code, out, errors = command(capsys, *fit, "--out", second, *start, "--width", "8")
    assert (code, "a width beside it have no effect" in errors, second.exists()) == (2, True, False)
    code, out, errors = command(capsys, *fit, "--out", second, *start, "--lr", "1e-12")
    assert code == 0, errors
    assert f"weights       those of {first / 'model.safetensors'}\n" in out
    known, got = (Segmenter.load(one / "model.safetensors").model for one in (first, second))
    for (name, one), other in zip(known.named_parameters(), got.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    (first / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    code, out, errors = command(capsys, "fit", "--resume", second)
    assert code == 0, errors
    assert f"weights       those of {second / 'last.pt'}\n" in out


def test_an_earlier_run_stays_until_the_new_one_has_a_checkpoint(folder, tmp_path, capsys):
    run = tmp_path / "run"
    code, _, errors = command(capsys, "fit", "--data", folder, "--out", run, *QUICK)
    assert code == 0, errors
    earlier = {path.name: path.read_bytes() for path in run.iterdir()}
    refused = ["fit", "--data", folder, "--out", run, "--force", *QUICK, "--ema", "2"]
    code, _, errors = command(capsys, *refused)
    assert (code, errors[:10]) == (2, "ema is 2.0")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == earlier
    code, _, errors = command(capsys, *refused[:-2], "--seed", "5")
    assert code == 0, errors
    assert {path.name for path in run.iterdir() if "events" not in path.name} == {
        name for name in earlier if "events" not in name
    }
    assert (run / "model.safetensors").read_bytes() != earlier["model.safetensors"]


@pytest.mark.parametrize("option", [("--start", "lesions"), ("--out", "x"), ("--class-names", "a,b")])
def test_what_a_resumed_run_would_ignore_is_refused(option, folder, tmp_path, capsys):
    code, _, errors = command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK)
    assert code == 0, errors
    code, _, errors = command(capsys, "fit", "--resume", tmp_path / "run", *option)
    assert (code, f"so {option[0]} would have no effect" in errors) == (2, True)


def test_evaluate_reads_the_masks_of_a_run_as_the_run_did(folder, tmp_path, capsys):
    run, some = tmp_path / "run", sorted((folder / "masks").iterdir())[:5]
    for path in some:  # the others hold 0 and 255, where 255 is to be ignored
        mask = np.asarray(Image.open(path)) // 255
        mask[:2] = 255
        Image.fromarray(mask).save(path)
    fit = ["fit", "--data", folder, "--out", run, "--void", "255", *QUICK]
    shared = ["--val-images", folder / "images", "--val-masks", folder / "masks"]
    code, _, errors = command(capsys, *fit, *shared)
    assert (code, errors[:50]) == (2, "10 image(s) are for training and for validation, s")
    code, _, errors = command(capsys, *fit)
    assert code == 0, errors
    head, *rows = (run / "split.csv").read_text().splitlines()
    rows = [
        row.rpartition(",")[0] + (",train" if any(one.name in row for one in some) else ",val")
        for row in rows
    ]
    (run / "split.csv").write_text("\n".join([head, *rows]) + "\n")
    code, out, errors = command(
        capsys, "evaluate", "--model", run / "model.safetensors", "--csv", run / "split.csv", "--json"
    )
    assert code == 0, errors
    assert json.loads(out)["pixels_per_class"]["foreground"] == 0  # their 255 is ignored, not class 1


def test_options_of_the_training_loop_are_kept_for_a_resume(folder, tmp_path, capsys):
    run, options = tmp_path / "run", ["--ema", "0.9", "--checkpointing", "--no-compile"]
    code, _, errors = command(capsys, "fit", "--data", folder, "--out", run, *QUICK, "--ema", "1")
    assert (code, errors[:10], run.exists()) == (2, "ema is 1.0", False)
    code, _, errors = command(capsys, "fit", "--data", folder, "--out", run, *QUICK, *options)
    assert code == 0, errors
    kept = json.loads((run / "settings.json").read_text())["recipe"]["fit_options"]
    assert kept == {"ema": 0.9, "checkpointing": True, "compile": False}
    code, _, errors = command(capsys, "fit", "--resume", run)
    assert code == 0, errors
    code, _, errors = command(capsys, "fit", "--resume", run, "--ema", "0.5")
    assert code == 2
    assert "was saved with ema=0.9, but now ema=0.5" in errors


def test_masks_of_mixed_storage_are_one_set(folder, tmp_path, capsys):
    for number, path in enumerate(sorted((folder / "masks").iterdir())):
        mask = Image.open(path)
        stored = [mask.convert("1"), mask.point(lambda value: value // 255), mask, mask.convert("RGB")]
        stored[number % 4].save(path)
    kinds = {(image.mode, image.getextrema()) for image in map(Image.open, (folder / "masks").iterdir())}
    assert len(kinds) == 4
    code, out, errors = command(capsys, "fit", "--data", folder, "--out", tmp_path / "run", *QUICK)
    assert code == 0, errors
    assert "classes       background 81.2 %, foreground 18.8 %\n" in out


@pytest.mark.parametrize(("augment", "upright"), [("any", False), ("none", True)])
def test_a_model_knows_whether_its_pictures_are_upright(augment, upright, folder, tmp_path, capsys):
    run = tmp_path / "run"
    code, _, errors = command(capsys, "fit", "--data", folder, "--out", run, *QUICK, "--augment", augment)
    assert code == 0, errors
    assert Segmenter.load(run / "model.safetensors").upright is upright
