"""A student's first minutes in a real browser: run cells, guess, read a reply, and reopen the notebook."""

import os

import nbformat
import pytest

from segcourse import exercises
from segcourse.course import lessons, working_copy

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSON = [
    nbformat.v4.new_markdown_cell("# A lesson", id="title"),
    nbformat.v4.new_code_cell(
        "from segcourse import check\nfrom segcourse.widgets import predict", id="imports"
    ),
    nbformat.v4.new_code_cell(
        'with predict("Which score is higher?", ["Dice", "IoU"]) as reveal:\n'
        '    print("measured: 0.67 and 0.5")\n    reveal("Dice")',
        id="predict",
    ),
    nbformat.v4.new_code_cell(
        "def dice_score(prediction, target):\n    raise NotImplementedError", id="dice_score"
    ),
    nbformat.v4.new_code_cell('check("dice_score", dice_score)', id="check-dice"),
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
WRONG = {
    "DoubleConv": """class DoubleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3), nn.BatchNorm2d(out_channels), nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3), nn.BatchNorm2d(out_channels), nn.ReLU(),
        )""",
    "dice_score": """def dice_score(prediction, target):
    both = (prediction & target).sum(dim=(-2, -1))
    either = (prediction | target).sum(dim=(-2, -1))
    return both / either""",
}
KERNEL_READY = """() => {
    const app = window.jupyterapp, context = app?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.connectionStatus === 'connected'
        && app.commands.hasCommand('notebook:run-all-cells');
}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
# runs the cell of this grade_id or id, with new source if one is given
RUN_CELL = """async ([wanted, source]) => {
    const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
    const named = cell => cell.model.getMetadata('nbgrader')?.grade_id ?? cell.model.id;
    notebook.activeCellIndex = notebook.widgets.findIndex(cell => named(cell) === wanted);
    if (source) notebook.activeCell.model.sharedModel.setSource(source);
    await app.commands.execute('notebook:run-cell');
    await notebook.scrollToItem(notebook.activeCellIndex, 'end');
}"""
RUN_LAST = """async () => {
    const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
    await app.commands.execute('docmanager:save');
    notebook.activeCellIndex = notebook.widgets.length - 1;
    await app.commands.execute('notebook:run-cell');
}"""


@pytest.fixture
def lab(jupyter, tmp_path):
    """JupyterLab on the folder work/; the address of a notebook there."""
    (tmp_path / "work").mkdir()
    with jupyter(tmp_path / "work") as address:
        yield lambda path: address(f"lab/tree/{path}")


def test_a_wrong_answer_is_explained_and_a_widget_answers(lab, page, tmp_path, monkeypatch):
    course = tmp_path / "lessons" / "05_lesson"
    course.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=LESSON, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, course / "05_lesson.ipynb")
    monkeypatch.setattr(lessons, "root", lambda: course.parent)
    working_copy.start(tmp_path / "work")
    page.goto(lab("05_lesson/05_lesson.ipynb"))
    page.wait_for_function(KERNEL_READY)
    page.evaluate(RUN_ALL)
    page.get_by_text("not started yet").wait_for()

    guess(page)
    stub = page.locator(".jp-CodeCell").filter(has_text="raise NotImplementedError").locator(".cm-content")
    stub.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("from segcourse import iou_score as dice_score")
    page.evaluate(RUN_ALL)
    page.get_by_text("You return intersection over union").first.wait_for()

    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.goto(lab("05_lesson/05_lesson.ipynb"))  # the next day
    page.wait_for_function(KERNEL_READY)
    page.get_by_text("You return intersection over union").first.wait_for()
    guess(page)


def guess(page):
    """Open the right choice of the question, and see the verdict and what the cell computed."""
    question = page.locator("[data-question]")
    assert not question.get_by_text("measured: 0.67 and 0.5").is_visible()
    question.get_by_text("Dice", exact=True).first.click()
    question.get_by_text("Yes: Dice.").wait_for()
    question.get_by_text("measured: 0.67 and 0.5").wait_for()


def test_a_drawn_widget_answers_to_keys_and_again_the_next_day(lab, page, tmp_path):
    cells = [
        nbformat.v4.new_code_cell("from segcourse.widgets import receptive_field_explorer"),
        nbformat.v4.new_code_cell("receptive_field_explorer((2, 2, 2))"),
        nbformat.v4.new_markdown_cell("# A heading below"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, tmp_path / "work" / "widget.ipynb")
    for day in (1, 2):
        page.goto(lab("widget.ipynb"))
        page.wait_for_function(KERNEL_READY)
        if day == 1:
            page.evaluate(RUN_ALL)
        page.locator("[data-ready] canvas").click()  # paints the centre
        active = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")
        for key in ("ArrowRight", "Space", "ArrowDown", "Space"):  # outside a widget, these leave the cell
            page.keyboard.press(key)
        assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == active
        layers = page.locator('[data-part="back"]')
        for key, value in (
            ("ArrowLeft", "2"),
            ("ArrowRight", "3"),
        ):  # or from heading to heading
            layers.press(key)
            assert layers.input_value() == value
        page.get_by_role("button", name="Show me").click()
        page.get_by_text("49 of them are seen. Your painting: 1 right, 2 wrong, 48 missing.").wait_for()
        page.screenshot(path=tmp_path / f"day{day}.png")
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def test_a_real_lesson_explains_a_wrong_answer(lab, page, tmp_path):
    working_copy.start(tmp_path / "work")
    for exercise, answer in WRONG.items():
        lesson, points = exercises.get(exercise).lesson, exercises.get(exercise).points
        page.goto(lab(f"{lesson}/{lesson}.ipynb"))
        page.wait_for_function(KERNEL_READY)
        page.evaluate(RUN_CELL, ["what-you-will-be-able-code", None])  # the imports
        page.evaluate(RUN_CELL, [exercise, answer])
        page.evaluate(RUN_CELL, [f"check_{exercise}", None])
        page.get_by_text("What happened:").first.wait_for()
        assert page.get_by_text(f"{exercise}: {points} of {points} points").count() == 0
        # the README shows the last picture: SEGCOURSE_SCREENSHOT=docs/lab.png pytest tests/browser -k real
        page.screenshot(path=os.environ.get("SEGCOURSE_SCREENSHOT", tmp_path / "lab.png"))
    page.evaluate(RUN_LAST)  # hand in: the server tells the cell which file it is in
    page.get_by_text(f"0 of {points} points in the public check").wait_for()
    page.get_by_text(f"work/{lesson}/{lesson}.ipynb").first.wait_for()
    page.screenshot(path=tmp_path / "hand_in.png")
