"""A tiny lesson with three real exercises, and notebooks of students."""

import json
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from segcourse.grading.course import Course

LESSON = "05_losses_metrics"
POINTS = {"dice_score": 3, "iou_per_class": 2, "mean_iou": 2}
STUBS = {
    "dice_score": 'def dice_score(prediction, target):\n    raise NotImplementedError("Exercise 5.4")',
    "iou_per_class": 'def iou_per_class(matrix):\n    raise NotImplementedError("Exercise 5.2")',
    "mean_iou": 'def mean_iou(matrix):\n    raise NotImplementedError("Exercise 5.3")',
}
RIGHT = {
    "dice_score": """def dice_score(prediction, target):
    p, t = torch.as_tensor(prediction).bool(), torch.as_tensor(target).bool()
    overlap = (p & t).sum((-2, -1)).double()
    return 2 * overlap / (p.sum((-2, -1)) + t.sum((-2, -1)))""",
    "iou_per_class": """def iou_per_class(matrix):
    m = torch.as_tensor(matrix).double()
    return m.diag() / (m.sum(0) + m.sum(1) - m.diag())""",
    "mean_iou": """def mean_iou(matrix):
    return iou_per_class(matrix).nanmean()""",
}
# intersection over union where Dice is asked for: a misconception with a sentence of its own
IOU_FOR_DICE = """def dice_score(prediction, target):
    p, t = torch.as_tensor(prediction).bool(), torch.as_tensor(target).bool()
    return (p & t).sum((-2, -1)).double() / (p | t).sum((-2, -1))"""


def about(grade_id: str, points: int | None = None) -> dict:
    """Return nbgrader's metadata of an exercise cell, or of a check that gives `points`."""
    graded = points is not None
    metadata = {"grade": graded, "solution": not graded, "locked": graded, "task": False, "schema_version": 3}
    return {"nbgrader": metadata | {"grade_id": grade_id} | ({"points": points} if graded else {})}


def notebook(
    answers: dict[str, str] | None = None, extra: dict[str, list[str]] | None = None
) -> nbformat.NotebookNode:
    """Return the lesson with `answers` instead of stubs, and with extra cells.

    `extra[name]` are cells above the exercise `name`, or at the "end".
    """
    extra = extra or {}
    cells = [
        new_markdown_cell("# Scores", id="title"),
        new_code_cell("import torch\n\nfrom segcourse import check", id="imports"),
    ]
    for name, points in POINTS.items():
        cells += _extra_cells(extra, name)
        cells += [
            new_code_cell((answers or {}).get(name, STUBS[name]), id=f"cell-{name}", metadata=about(name)),
            new_code_cell(
                f'check("{name}", {name})', id=f"check-{name}", metadata=about(f"check_{name}", points)
            ),
        ]
    cells.append(
        new_code_cell("import time\n\ntime.sleep(600)", id="demo", metadata={"tags": ["skip-grading"]}),
    )
    cells += _extra_cells(extra, "end")
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def _extra_cells(extra: dict[str, list[str]], place: str) -> list[nbformat.NotebookNode]:
    return [
        new_code_cell(source, id=f"{place}-{number}") for number, source in enumerate(extra.get(place, ()))
    ]


def as_bytes(made: nbformat.NotebookNode | dict) -> bytes:
    return json.dumps(made).encode()


def hand_in(course: Path, student: str, data: bytes, name: str = f"{LESSON}.ipynb") -> Path:
    folder = course / "submitted" / student / LESSON
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def make_lessons(root: Path) -> Path:
    """Create a folder of lessons with the tiny lesson in it."""
    folder = root / "lessons" / LESSON
    folder.mkdir(parents=True)
    nbformat.write(notebook(), folder / f"{LESSON}.ipynb")
    return folder.parent


def gradebook(course: Path) -> Gradebook:
    """Open the gradebook of a course."""
    opened = Course.open(course)
    return Gradebook(opened.db_url, opened.name)
