"""Lessons run, solved and unsolved, and the numbers in their prose agree with their outputs."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from segcourse import exercises
from segcourse.course import lessons

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
import moving

NAMES = [folder.name for folder in lessons.folders()]
pytestmark = pytest.mark.slow

# Numbers that a text gives and no cell computes. Every other number with a decimal point or a per cent sign
# must be in an output of the same lesson, rounded as in the text.
GIVEN = {
    "00_start_here": {},
    "01_pixel_classification": {
        "30 %": "the eye's share of red in the usual grey, given",
        "59 %": "the eye's share of green",
        "11 %": "the eye's share of blue",
        "2 %": "the bound below which a lesion is tiny",
    },
    "02_fcn": {
        "59.4": "mean IoU of FCN-32s in the paper, given",
        "62.4": "mean IoU of FCN-16s in the paper, given",
        "62.7": "mean IoU of FCN-8s in the paper, given",
    },
    "03_unet": {"2 %": "the bound below which a lesion is tiny"},
    "04_dilated_aspp": {},
    "05_losses_metrics": {
        "99 %": "pixel accuracy in section 2, shown as 0.991; the share of easy pixels in section 10, given",
        "1 %": "the share of the lesion in the examples, given",
        "2 %": "the bound below which a lesion is tiny",
        "95 %": "the percentile in HD95",
        "0.65": "the threshold of ISIC 2018",
        "0.66": "an index of the moody network, given",
        "0.0025": "(1 - 0.95)², by hand",
    },
    "06_skin_lesion": {},
    "07_deployment": {},
    "08_light_and_rgbd": {},
    "09_interactive": {"0.85": "the threshold of NoC@85, given"},
    "10_clinic": {},
    "11_transfer": {},
}


# Where the unsolved run of a lesson does less, as the solved run does all of it: old and new code of a cell.
LESS = {
    "06_skin_lesion": ("EPOCHS, PEAK, rates = 8,", "EPOCHS, PEAK, rates = 1,"),
    "09_interactive": ("for i in range(len(test))]", "for i in range(12)]"),
}
SHORT = "from segcourse.course import ladder\nladder.PLAN['epochs'] = 1"


def run(notebook, name, folder, **options):
    """Execute the notebook in a copy of its lesson's folder, with trainings of one epoch."""
    shutil.copytree(lessons.find(name), folder / name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SHORT, id="short"))
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder / name}}, **options)
    client.execute()
    return notebook


def errors(notebook):
    """Return (cell id, kind, message) of each error that a cell ended in."""
    return [
        (cell.id, output.ename, output.evalue)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_solved_lesson(name, tmp_path, subtests, request):
    """One test for all that is asked of a run, because two workers would run the lesson twice."""
    notebook = run(lessons.solve(name), name, tmp_path)
    assert not errors(notebook)
    earns_every_point(name, notebook)
    every_picture_has_alt_text(notebook)
    every_number_in_the_prose_is_in_an_output(name, notebook)
    with subtests.test("every widget moves in a browser"):
        every_widget_moves(notebook, request.getfixturevalue("page"), request.getfixturevalue("broken_rules"))


def earns_every_point(name, notebook):
    for exercise in exercises.names(name):
        [check] = [c for c in notebook.cells if lessons.grade_id(c) == f"check_{exercise}"]
        points = exercises.get(exercise).points
        assert f"{points} of {points}" in shown(check), exercise


def every_picture_has_alt_text(notebook):
    undescribed = [
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for tag in re.findall(r"<img\b[^>]*>", output.get("data", {}).get("text/html", ""))
        if not re.search(r'\balt="', tag)
    ]
    bare = [
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert not undescribed + bare


def every_number_in_the_prose_is_in_an_output(name, notebook):
    """With a tolerance of half a unit in the last digit that the prose gives."""
    given = GIVEN[name]
    output = " ".join(shown(cell) for cell in notebook.cells if cell.cell_type == "code")
    outputs = [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", output.replace(",", ""))]
    prose = "\n".join(plain_prose(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    wanted = set(re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])|(?<![\d.])\d+(?:\.\d+)? ?%", prose))
    unused = set(given) - wanted
    assert not unused, "these numbers are no longer in the text"
    missing = []
    for number in sorted(wanted - set(given)):
        value, digits = float(number.rstrip(" %")), len(number.rstrip(" %").partition(".")[2])
        if not any(abs(one - value) <= 0.5001 * 10**-digits for one in outputs):
            missing.append(number)
    assert not missing


def every_widget_moves(notebook, page, broken_rules):
    """On a page of their own, without JupyterLab; `tests/browser/test_lessons.py` opens lessons there."""
    widgets = [one for cell in notebook.cells for one in moving.widgets(cell.get("outputs", []))]
    sections = "".join(f"<section>{document}</section>" for document, _ in widgets)
    errors = moving.errors(page)
    page.set_content(moving.PAGE.format(content=sections))
    for i, (_, text) in enumerate(widgets):
        moving.move(page.locator("section").nth(i), text)
    assert widgets
    assert errors == broken_rules(page) == []
    page.evaluate("() => { document.body.style = 'background:#111;color:#eee;color-scheme:dark' }")
    assert broken_rules(page, ["color-contrast"]) == []


@pytest.mark.parametrize("name", [name for name in NAMES if exercises.names(name)])
def test_the_unsolved_lesson_runs_up_to_its_stubs(name, tmp_path):
    """Without the cells that grading skips: they train, and the solved lesson has run them."""
    notebook = lessons.notebook(name)
    if name in LESS:
        [cell] = [c for c in notebook.cells if LESS[name][0] in c.source]
        cell.source = cell.source.replace(*LESS[name])
    notebook.cells = [c for c in notebook.cells if "skip-grading" not in c.metadata.get("tags", [])]
    unsolved = run(notebook, name, tmp_path, allow_errors=True)
    assert not [error for error in errors(unsolved) if error[1] != "NotImplementedError"]
    for exercise in exercises.names(name):
        [check] = [c for c in unsolved.cells if lessons.grade_id(c) == f"check_{exercise}"]
        assert re.search("not (started|repaired) yet", shown(check)), exercise


def shown(cell):
    """Return the plain text of all that a cell showed, alt texts included."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        texts += [output.get("text", ""), data.get("text/plain", ""), output.get("evalue", "")]
        document = data.get("text/html", "")
        texts += [*re.findall(r'\balt="([^"]*)"', document), re.sub(r"<[^>]+>", " ", document)]
    return "\n".join(texts)


def plain_prose(source):
    """Return a text without code, formulas, links, headings, list items, and references."""
    source = re.sub(r"(?s)\$\$?.*?\$\$?|`[^`]*`|<code>.*?</code>|\]\([^)]*\)", " ", source)
    references = r"(?m)^#+ .*$|arXiv\s+\d+\.\d+|[Ee]xercises? \d+\.\d+|\bin \d\.\d\b|^- .*$"
    return re.sub(references, " ", source)
