"""Solved lessons in JupyterLab: all cells run, and each widget moves and can be read, light and dark.

Skipped unless SEGCOURSE_ALL_LESSONS=1, because all trainings take an hour. The README's
pictures of widgets are made by

    SEGCOURSE_ALL_LESSONS=1 SEGCOURSE_SCREENSHOTS=docs pytest tests/browser/test_lessons.py -k "04 or 05"
"""

import os
import shutil

import moving
import nbformat
import pytest
from test_lab import KERNEL_READY, RUN_ALL

from segcourse import exercises
from segcourse.course import lessons

NAMES = [folder.name for folder in lessons.folders()]
IN_README = ("seven-scores-code-light", "one-street-closely-code-dark")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(3600)]
if not os.environ.get("SEGCOURSE_ALL_LESSONS"):
    pytestmark.append(pytest.mark.skip("no lesson was run in JupyterLab: SEGCOURSE_ALL_LESSONS=1 runs each"))

SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
# scrolls to a cell, which JupyterLab may not have drawn yet, and marks it
SCROLL = """async index => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index, 'center');
    notebook.widgets[index].node.id = 'cell-' + index;
}"""


@pytest.mark.parametrize("name", NAMES)
def test_a_solved_lesson(name, jupyter, page, broken_rules, tmp_path):
    errors, kept = moving.errors(page), os.environ.get("SEGCOURSE_SCREENSHOTS", tmp_path)
    work = shutil.copytree(lessons.find(name), tmp_path / "work" / name)
    path = lessons.write_solved(name, work / f"{name}.ipynb", force=True)
    with jupyter(work.parent) as address:
        page.goto(address(f"lab/tree/{name}/{name}.ipynb"))
        page.wait_for_function(KERNEL_READY)
        page.evaluate(RUN_ALL)
        page.evaluate(SAVE)
        notebook = nbformat.read(path, as_version=4)
        outputs = [cell.get("outputs", []) for cell in notebook.cells]
        assert not [one for several in outputs for one in several if one.output_type == "error"]
        shown = [
            (i, n, text) for i, some in enumerate(outputs) for n, (_, text) in enumerate(moving.widgets(some))
        ]
        for exercise in map(exercises.get, exercises.names(name)):
            assert f"{exercise.name}: {exercise.points} of {exercise.points} points" in path.read_text()
        for theme, rules in (("Light", ()), ("Dark", ["color-contrast"])):
            page.evaluate(THEME, f"JupyterLab {theme}")
            for index, number, text in shown:
                page.evaluate(SCROLL, index)
                output = page.locator(f"#cell-{index} .jp-OutputArea-output", has=page.locator(moving.SHOWN))
                if theme == "Light":
                    moving.move(output.nth(number), text)
                picture = f"{notebook.cells[index].id}-{theme.lower()}"
                folder = kept if picture in IN_README else tmp_path
                output.nth(number).screenshot(path=f"{folder}/{picture}.png")
                assert broken_rules(page, rules, within=f"#cell-{index} .jp-OutputArea-output") == []
    assert errors == []
