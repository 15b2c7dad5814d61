"""The tiny lesson with an instructor's own cells, and a class with many different answers."""

import copy

import nbformat
from grading_class import RIGHT, as_bytes, notebook
from nbformat.v4 import new_code_cell, new_markdown_cell

SECRET = "two bright corners"
TESTS = {
    "check_plain": "assert mean_iou(torch.eye(2)) == 1",
    # [[3, 1], [0, 4]]: IoU 3/4 and 4/5, the mean of which is 0.775
    "hidden": f"""matrix = torch.tensor([[3, 1], [0, 4]])
assert mean_iou(torch.eye(3)) == 1, "perfect is 1"
### BEGIN HIDDEN TESTS
print("{SECRET}", matrix)
assert round(float(mean_iou(matrix)), 3) == 0.775, "one confusion, {SECRET[:3]}\\nnot 0.775"
### END HIDDEN TESTS""",
    # the IoU of class 0 is 1 for the first matrix and 1 / 2 for the second
    "partial": """score = 0
score += 1 * bool(iou_per_class(torch.eye(2))[0] == 1)
score += 3 * bool(iou_per_class(torch.tensor([[1, 1], [0, 2]]))[0] == 0.5)
score""",
}
OWN = {"check_plain": 2, "hidden": 3, "partial": 4, "essay": 5, "project": 6}
ESSAY = "Why is Dice above IoU?\n\n### BEGIN SOLUTION\nBecause D = 2J / (1 + J).\n### END SOLUTION"
PROJECT = "Label an image of your own.\n\n### BEGIN MARK SCHEME\nTwo points a class.\n### END MARK SCHEME"


def label(grade_id: str, **about) -> dict:
    """Return nbgrader's metadata of an instructor's cell."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    points = {"points": OWN[grade_id]} if grade_id in OWN else {}
    return {"nbgrader": usual | points | {"grade_id": grade_id} | about}


def lesson_with_own_cells() -> nbformat.NotebookNode:
    """Return the lesson as the instructor keeps it, with its secrets."""
    made = notebook()
    answer = label("mine", solution=True)
    given = label("given", locked=True)
    added = [new_code_cell(TESTS[name], metadata=label(name, grade=True, locked=True)) for name in TESTS]
    added += [
        new_markdown_cell(ESSAY, metadata=label("essay", grade=True, solution=True)),
        new_markdown_cell(PROJECT, metadata=label("project", task=True, locked=True)),
        new_code_cell("mine = 'a model answer without a region'", metadata=answer),
        new_code_cell("given = 'read-only'", metadata=given),
    ]
    for index, cell in enumerate(added):
        cell.id = f"own-{index}"
    made.cells[-1:-1] = added  # above the demonstration
    return made


def find(made: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    return next(c for c in made.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def answered(released: nbformat.NotebookNode, answers: dict[str, str]) -> nbformat.NotebookNode:
    """Return the released lesson with `answers` instead of cells, by grade_id."""
    made = copy.deepcopy(released)
    for grade_id, source in answers.items():
        find(made, grade_id).source = source
    return made


def without(made: nbformat.NotebookNode, *grade_ids: str) -> nbformat.NotebookNode:
    made.cells = [c for c in made.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in grade_ids]
    return made


TRAP = """class Anything:
    def __eq__(self, other): return True
    def __float__(self): return 0.0
def mean_iou(matrix): return Anything()"""
NOISY = """import sys, warnings
def mean_iou(matrix):
    print("thinking", file=sys.stderr)
    warnings.warn("hm")
    return iou_per_class(matrix).nanmean()"""
# for each student: the answers that differ from the right ones, and the points of plain, hidden and partial
ANSWERS = {
    "right": ({"essay": "D = 2J / (1 + J)."}, (2, 3, 4)),
    "first_class": ({"mean_iou": "def mean_iou(matrix): return iou_per_class(matrix)[0]"}, (2, 0, 4)),
    "ones": ({"iou_per_class": "def iou_per_class(matrix): return torch.ones(len(matrix))"}, (2, 0, 1)),
    "edited": (
        {
            "check_plain": "pass",
            "hidden": "pass",
            "partial": "999",
            "given": "given = 2",
            "mean_iou": "mean_iou = 1",
        },
        (0, 0, 4),
    ),
    "trap": ({"mean_iou": TRAP}, (2, 0, 4)),  # plain asks the student's own object whether it equals 1
    "noisy": ({"mean_iou": NOISY}, (2, 3, 4)),
    "hanging": ({"mean_iou": "def mean_iou(matrix):\n    while True: pass"}, (0, 0, 4)),
    "crashed": ({"mean_iou": "import os\ndef mean_iou(matrix): os._exit(1)"}, (0, 0, 4)),
}


def submissions(released: nbformat.NotebookNode) -> dict[str, bytes]:
    made = {name: answered(released, RIGHT | answers) for name, (answers, _) in ANSWERS.items()}
    made["deleted"] = without(answered(released, RIGHT), *OWN)
    made["doubled"] = answered(released, RIGHT)
    made["doubled"].cells += [copy.deepcopy(find(released, name)) for name in ("check_plain", "essay")]
    made["above"] = answered(released, RIGHT)
    made["above"].cells.sort(key=lambda cell: cell.id != find(released, "check_plain").id)
    made["untouched"] = released
    return {name: as_bytes(each) for name, each in made.items()} | {"refused": b"{ unfinished"}
