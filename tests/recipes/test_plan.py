"""Recipes: shipped ones, files, and changes on the command line."""

import pytest

from segcourse.errors import DataError, TrainingError
from segcourse.recipes import Recipe, changed, find_recipe, recipe
from segcourse.recipes.plan import read_recipe, recipe_folder


def test_changes_replace_only_the_given_settings():
    assert recipe("isic2018", epochs=3, size=None).epochs == 3
    assert recipe("isic2018", epochs=3, size=None).size == recipe("isic2018").size
    assert recipe("some/folder") == Recipe()


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"epochs": 3}, {"epochs": 3, "minutes": None}),
        ({"minutes": 3}, {"epochs": None, "minutes": 3}),
        ({"epochs": 3, "minutes": 4}, {"epochs": 3, "minutes": 4}),
        ({"size": (9, 9)}, {"size": (9, 9), "crop": None}),
        ({"size": (9, 9), "crop": 5}, {"size": (9, 9), "crop": 5}),
        ({"augment": "mine.py"}, {"augment": "mine.py", "crop": None}),
        ({"model": "unet"}, {"model": "unet", "model_options": {"width": 32}}),
        ({"model": "a.b.C"}, {"model": "a.b.C", "model_options": {}}),
        ({"model": "deeplabv3"}, {"model_options": recipe("camvid").model_options}),
    ],
)
def test_changes_that_bring_others_along(changes, wanted):
    plan = recipe("camvid", **changes)
    assert {name: getattr(plan, name) for name in wanted} == wanted


def test_shipped_recipes_keep_their_settings():
    assert recipe("camvid").crop == (256, 320)
    assert (recipe("camvid").epochs, recipe("camvid").minutes) == (18, None)
    assert recipe("isic2018").model_options == {"encoder": "lite0", "pretrained": True}
    assert recipe("lesions").data_options == {"count": 2400}
    for path in recipe_folder().glob("*.toml"):
        assert find_recipe(path.stem) == read_recipe(path)


def test_a_recipe_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("size = [96, 128]\nepochs = 3\nclass_weights = [1, 2.5]\nfit_options = { threads = 2 }\n")
    plan = find_recipe(str(path))
    assert (plan.size, plan.epochs, plan.minutes) == ((96, 128), 3, None)
    assert (plan.class_weights, plan.fit_options) == ((1, 2.5), {"threads": 2})


def test_fit_options_are_added_to_those_of_the_recipe():
    known = Recipe(fit_options={"threads": 2, "ema": 0.9})
    assert changed(known, fit_options={"ema": 0.99}).fit_options == {"threads": 2, "ema": 0.99}
    assert changed(known, epochs=1).fit_options == known.fit_options


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch = 3", r"unknown name 'epoch'; a recipe has model, model_options, start"),
        ('epochs = "three"', r"holds epochs = 'three'; expected int \| None"),
        ("batch_size = true", "holds batch_size = True; expected int"),
        ("epochs = ", "cannot be read"),
        ('augment = "mine.py"', "a recipe may name upright, any, none"),
        ('model = "os.mkdir"', r"a recipe may name attention_unet, .*yourself: --model os\.mkdir"),
        ("model = 5", "holds model = 5; expected str"),
        ("fit_options = { emma = 0.9 }", r"holds emma = 0\.9 in fit_options; expected some of ema \(float\)"),
        ("fit_options = { ema = true }", "holds ema = True in fit_options"),
    ],
)
def test_a_recipe_that_cannot_be_read(tmp_path, text, sentence):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_recipe(tmp_path / "mine.toml")


def test_what_is_no_recipe():
    with pytest.raises(
        DataError,
        match=r"no recipe 'camvit'; give a TOML file, or one of camvid, isic2018, .*lesions, .*pretrained",
    ):
        find_recipe("camvit")
    with pytest.raises(TrainingError, match="time budget is 0 minutes"):
        changed(Recipe(), minutes=0)
    with pytest.raises(DataError, match="leave the crop out"):
        changed(Recipe(), augment="mine.py", crop=32)
