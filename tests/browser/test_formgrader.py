"""An instructor's afternoon in formgrader, with a student's Validate button, in a real browser."""

import contextlib
import re
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "grading"))  # the class is the graders' tests' own

import repository
from grading_class import IOU_FOR_DICE, LESSON, RIGHT, hand_in

from segcourse.grading.lock import Lock

pytestmark = [pytest.mark.browser, pytest.mark.sandbox, pytest.mark.slow]

SCRIPTS = (
    "a text cell <script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'><svg onload='window.ran = 1'>\n\n![a](attachment:none)",
    "[click](javascript:window.ran=1) $<img src=x onerror='window.ran = 1'>$",
)
WRONG = RIGHT | {"dice_score": IOU_FOR_DICE}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An instructor's repository, and an environment in which formgrader finds its settings."""
    folder = tmp_path / "repository"
    repository.make(folder, repository.LATE_PENALTIES)
    for name, value in repository.environment(folder).items():
        monkeypatch.setenv(name, value)
    return folder


class Formgrader:
    """What an instructor clicks."""

    def __init__(self, page, address) -> None:
        self.page, self.address = page, address

    def open(self, path: str):
        self.page.goto(self.address(f"formgrader/{path}"))

    def row(self, name: str):
        exactly = self.page.get_by_text(re.compile(rf"^\s*{name}\s*$"))
        return self.page.get_by_role("row").filter(has=exactly)

    def press(self, button: str, name: str) -> str:
        """Press a row's button, and return the log that formgrader shows."""
        self.row(name).locator(f".{button} a").click()
        shown = self.page.locator(".modal.in")
        told = shown.locator(".modal-body").inner_text()
        shown.get_by_text("OK", exact=True).click()
        shown.wait_for(state="detached")
        return told

    def submission(self, student: str) -> None:
        """Open a student's submission for manual grading."""
        self.open(f"manage_students/{student}/{LESSON}")
        self.page.locator("td.name a").click()
        self.page.wait_for_function("() => window.formgrader?.grades?.loaded && formgrader.comments.loaded")

    def write(self, field: str, words: str) -> None:
        """Fill in a field and leave it, which saves it."""
        with self.page.expect_response(lambda answer: answer.request.method == "PUT"):
            self.page.locator(field).fill(words)
            self.page.locator(field).blur()


def test_a_lesson_goes_out_and_marks_come_back(root, jupyter, page):
    course = root / "grading"
    with jupyter(root) as address:
        teacher = Formgrader(page, address)
        teacher.open("manage_assignments")
        assert "Successfully created the student version" in teacher.press("assign", LESSON)
        teacher.row(LESSON).locator(".edit a").click()
        page.locator(".modal-duedate").fill("2026-05-01T12:00")
        page.locator(".modal-timezone").fill("+0000")
        page.get_by_role("button", name="Save").click()
        teacher.row(LESSON).get_by_text("2026-05-01").wait_for()

        wrong = nbformat.reads(repository.answered(course, WRONG), as_version=4)
        wrong.cells = [cell for cell in wrong.cells if "skip-grading" not in cell.metadata.get("tags", ())]
        nbformat.write(wrong, root / "wrong.ipynb")
        told = validate(page, address, root / "wrong.ipynb")
        assert 'check("dice_score", dice_score)' in told
        assert "You return intersection over union" in told
        assert "iou_per_class" not in told  # what is right is not complained about

        late = hand_in(course, "ada", repository.answered(course))
        late.with_name("timestamp.txt").write_text("2026-05-01 14:00:00 UTC")
        attack = nbformat.reads(repository.answered(course, WRONG), as_version=4)
        attack.cells += [nbformat.v4.new_markdown_cell(text) for text in SCRIPTS]
        attack.cells += [nbformat.v4.new_raw_cell(text) for text in SCRIPTS]
        hand_in(course, "ben", nbformat.writes(attack).encode())
        hand_in(course, "cleo", b"{ unfinished")

        teacher.open(f"manage_submissions/{LESSON}")
        logs = {student: teacher.press("autograde", student) for student in ("ada", "ben", "cleo")}
        assert "cleo: could not be graded: the file is damaged or incomplete" in logs["cleo"]
        shown = {student: teacher.row(student).inner_text().split("\t") for student in logs}
        assert [cells[3:5] for cells in shown.values()] == [
            ["graded", "7 / 7"],  # formgrader subtracts no penalties; export and feedback do
            ["graded", "4 / 7"],
            ["needs manual grading", "0 / 7"],
        ]

        with contextlib.closing(Lock(course)):
            assert "another grader is writing into" in teacher.press("autograde", "ben")
        assert teacher.row("ben").inner_text().split("\t")[3:5] == ["graded", "4 / 7"]

        teacher.submission("ben")
        page.screenshot(path=root / "ben.png", full_page=True)
        assert page.evaluate("window.ran") is None
        assert page.locator("#notebook [href^=javascript], #notebook [src]").count() == 0
        assert "a text cell" in page.locator("#notebook").first.inner_text()
        shown = page.locator("#check_dice_score").get_attribute("placeholder")
        assert shown == "0"
        assert "You return intersection over union" in page.locator("#dice_score-comment").get_attribute(
            "placeholder"
        )
        teacher.write("#check_dice_score", "0.5")
        teacher.write("#dice_score-comment", "Half a point for the sums.")
        page.get_by_role("link", name="Next").click()
        page.wait_for_load_state()
        teacher.submission("cleo")
        page.get_by_text("could not be graded: the file is damaged").first.wait_for()
        page.screenshot(path=root / "cleo.png", full_page=True)

        teacher.open(f"manage_submissions/{LESSON}")
        assert teacher.row("ben").inner_text().split("\t")[3:5] == ["graded", "4.5 / 7"]
        assert "Successfully generated feedback" in teacher.press("generate-feedback", "ben")
        page.goto((course / "feedback" / "ben" / LESSON / f"{LESSON}.html").as_uri())
        page.screenshot(path=root / "feedback.png", full_page=True)
        told = page.locator("body").inner_text()
        assert "4.5" in told
        assert "Half a point for the sums." in told

    rows = repository.exported(root)
    assert {student: row["score"] for student, row in rows.items()} == {
        "ada": "6.0", "ben": "4.5", "cleo": ""
    }  # fmt: skip
    assert rows["ada"]["late_submission_penalty"] == "1.0"
    assert rows["cleo"]["status"].startswith("could not be graded")


def validate(page, address, notebook: Path) -> str:
    """Press the Validate button of a student's notebook in JupyterLab, and return what it says."""
    page.goto(address(f"lab/tree/{notebook.name}"))
    page.get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for()
    page.screenshot(path=notebook.with_suffix(".png"))
    return dialog.inner_text()
