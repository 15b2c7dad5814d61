"""The folder of a run: settings that bring a run back, and no silent overwriting."""

import json

import pytest

from segcourse.data.lesions import Lesions
from segcourse.errors import DataError, SaveError
from segcourse.palette import Palette
from segcourse.recipes import Recipe, changed, claim, read_settings
from segcourse.recipes.settings import write_settings

PLAN = Recipe(
    size=(16, 20), augment="any", epochs=2, minutes=None, class_weights=(1, 2), fit_options={"threads": 1}
)


def write(folder, plan=PLAN, **source):
    write_settings(folder, plan, (Lesions(2, 16), Lesions(2, 16)), source, {"seed": 3}, "lesions")


def test_settings_come_back(tmp_path):
    palette = Palette.lesion()
    write(
        tmp_path, data="lesions", images=tmp_path / "x" / "..", void_values=[7], palette=palette, masks=None
    )
    plan, source, running = read_settings(tmp_path)
    assert plan == PLAN
    wanted = {"data": "lesions", "images": str(tmp_path), "void_values": [7], "palette": palette}
    assert source == wanted
    assert running == {"seed": 3}
    assert json.loads((tmp_path / "settings.json").read_text())["recipe_name"] == "lesions"
    assert not (tmp_path / "split.csv").exists()  # generated images are no files


def test_code_is_not_run_again_unless_it_is_named_again(tmp_path):
    write(tmp_path, Recipe(augment="mine.py", model="os.mkdir", model_options={"mode": 7}), data="lesions")
    for given, missing in (
        ({}, "--augment mine.py --model os.mkdir"),
        ({"augment": "mine.py"}, "--model os.mkdir"),
        ({"model": "os.mkdir"}, "--augment mine.py"),
    ):
        with pytest.raises(DataError, match=rf"uses code .*: --resume \S+ {missing}$"):
            read_settings(tmp_path, **given)
    plan = read_settings(tmp_path, "mine.py", "os.mkdir")[0]
    assert plan.augment is None  # the command line sets it
    assert changed(plan, model="os.mkdir").model_options == {"mode": 7}
    assert changed(read_settings(tmp_path, "mine.py", "unet")[0], model="unet").model_options == {"width": 32}


def test_an_earlier_run_is_found(tmp_path):
    assert claim(tmp_path / "new") == []
    (tmp_path / "notes.txt").write_text("mine")
    assert claim(tmp_path) == []
    (tmp_path / "history.csv").write_text("epoch")
    with pytest.raises(SaveError, match=r"holds an earlier run \(history\.csv\)"):
        claim(tmp_path)
    assert claim(tmp_path, force=True) == [tmp_path / "history.csv"]
