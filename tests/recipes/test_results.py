"""The table of results in the README comes from the file of results, and both from one command."""

from pathlib import Path

from segcourse import models
from segcourse.data import catalogue
from segcourse.recipes import results

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_shipped_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition(results.BEGIN)[2].partition(results.END)[0]
    assert shown.strip() == results.table(results.read()).strip()


def test_every_recipe_and_data_set_of_the_table_is_there():
    assert {row["recipe"] for row in results.read()} <= results.TARGETS.keys()
    for name, target in results.TARGETS.items():
        assert results.recipes.find_recipe(name).model in models.names()
        assert target.scored_on in catalogue.entries()


def test_rows_come_back_as_they_were_written_and_in_order(tmp_path, monkeypatch):
    folder = tmp_path / "datasets" / "recipes"
    folder.mkdir(parents=True)
    (tmp_path / "README.md").write_text(
        f"before\n{results.BEGIN}earlier\n{results.END}after\n", encoding="utf-8"
    )
    monkeypatch.setattr(results, "recipe_folder", lambda: folder)
    row = dict.fromkeys(results.SCORES, 0.5) | {"minutes": 9.5}
    second = row | {"recipe": "camvid", "seed": 0, "flips": False}
    first = [row | {"recipe": "isic2018", "seed": seed, "flips": True} for seed in (10, 9)]
    results.write([second, *first])
    assert [(one["recipe"], one["seed"], one["flips"]) for one in results.read()] == [
        ("isic2018", 9, True), ("isic2018", 10, True), ("camvid", 0, False)
    ]  # fmt: skip
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "earlier" not in text
    assert "| isic2018 | yes | 10 | 2 | 0.500 (0.500 to 0.500) |" in text
