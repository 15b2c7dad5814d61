"""The results of the recipes on real images: trained with several seeds, in one table.

    python -m segcourse.recipes.results [--recipe NAME] [--seeds 3]

trains each recipe (or those named) with each seed that datasets/recipes/results.csv does not hold yet, adds
its scores to that file, and writes the table of the README. It needs the data sets. To measure a result
again, delete its rows. Leave the machine idle meanwhile: minutes of a recipe are minutes of two free cores.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from segcourse import recipes
from segcourse.data import load_dataset
from segcourse.files import write_between, write_csv
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter
from segcourse.recipes.plan import recipe_folder


class Target(NamedTuple):
    """What a recipe learns from, and the data set whose validation images score it."""

    data: str
    scored_on: str


TARGETS = {
    "isic2018": Target("isic2018", "isic2018"),
    "isic2018_long": Target("isic2018", "isic2018"),
    "offline": Target("lesions", "isic2018"),
    "camvid": Target("camvid", "camvid"),
}
SCORES = {
    "dice_per_image": "Dice",
    "jaccard_per_image": "Jaccard",
    "threshold_jaccard": "threshold Jaccard",
    "mean_iou": "mean IoU",
}
COLUMNS = ("recipe", "seed", "flips", "minutes", *SCORES)
BEGIN, END = "<!-- results: python -m segcourse.recipes.results -->\n", "<!-- end of results -->\n"


def measure(name: str, seed: int) -> list[dict[str, Any]]:
    """Train a recipe; return the rows of its scores without and with flips, each image at its own size."""
    target, plan = TARGETS[name], recipes.find_recipe(name)
    sets = recipes.datasets(target.data, plan=plan, seed=seed)
    real = load_dataset(target.scored_on, "val")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        source = {"data": target.data}  # whose card says whether the pictures are upright
        recipes.train(plan, sets, Path(folder) / "run", name, source=source, seed=seed)
        minutes = (time.monotonic() - started) / 60
        segmenter = Segmenter.load(Path(folder) / "run" / "model.safetensors")
        for flips in (False, True):
            scores: dict[str, Any] = evaluate(segmenter, real, flips=flips).compute()
            facts = {"recipe": name, "seed": seed, "flips": flips, "minutes": round(minutes, 1)}
            rows.append(facts | {score: round(scores[score], 4) for score in SCORES})
    return rows


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Return the results as a Markdown table: the mean of the seeds, with the lowest and the highest value.

    >>> row = dict.fromkeys(SCORES, 0.9) | {"recipe": "isic2018", "flips": False, "minutes": 10.2}
    >>> print(table([row | {"seed": 0}, row | {"seed": 1, "dice_per_image": 0.91}]).splitlines()[-1][:96])
    | [isic2018](datasets/recipes/isic2018.toml) | isic2018 | no | 10 | 2 | 0.905 (0.900 to 0.910) |
    """
    lines = [["recipe", "scored on", "flips", "minutes", "seeds", *SCORES.values()]]
    groups: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["recipe"], row["flips"]), []).append(row)
    for (name, flips), group in groups.items():
        minutes = statistics.mean(float(row["minutes"]) for row in group)
        link = f"[{name}](datasets/recipes/{name}.toml)"
        facts = [link, TARGETS[name].scored_on, "yes" if flips else "no", f"{minutes:.0f}", str(len(group))]
        lines.append(facts + [_spread([float(row[score]) for row in group]) for score in SCORES])
    return markdown_table(lines)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


def _spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def read() -> list[dict[str, Any]]:
    """Return the rows of results.csv, in the order of `TARGETS`; none if there is no such file."""
    path = _path()
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    rows = [row | {"seed": int(row["seed"]), "flips": row["flips"] == "True"} for row in rows]
    return sorted(rows, key=lambda row: (list(TARGETS).index(row["recipe"]), row["flips"], row["seed"]))


def write(rows: list[dict[str, Any]]) -> None:
    """Write results.csv, and the table of the README between its two marks."""
    write_csv(_path(), [COLUMNS, *([row[column] for column in COLUMNS] for row in rows)])
    write_between(recipe_folder().parents[1] / "README.md", BEGIN, END, f"\n{table(read())}\n")


def _path() -> Path:
    return recipe_folder() / "results.csv"


def main() -> None:
    """Measure what is missing; each result is written as soon as it is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", action="append", choices=TARGETS, help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    arguments = parser.parse_args()
    for name in arguments.recipe or TARGETS:
        for seed in range(arguments.seeds):
            if not any(row["recipe"] == name and row["seed"] == seed for row in read()):
                write([*read(), *measure(name, seed)])
    write(read())


if __name__ == "__main__":
    main()
