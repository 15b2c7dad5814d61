"""The class report: figures that can be checked by hand, and pages that run nothing from a submission."""

import csv
import inspect
import json
import os
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from grading_class import RIGHT as RIGHT_ANSWERS
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from segcourse import cli, dice_score, exercises
from segcourse.course import lessons, solutions
from segcourse.errors import SegcourseError
from segcourse.exercises.engine.shown import Shown
from segcourse.exercises.engine.verdicts import GroupResult, Verdict
from segcourse.grading.course import Course
from segcourse.grading.reports import class_report, class_statistics, flags, item_analysis, records
from segcourse.grading.reports.records import read_class
from segcourse.grading.roster import Person, Roster
from segcourse.grading.scoring.result import InstructorCell, Result

LESSON = "05_losses_metrics"
MAX = {"dice_score": 2.0, "mean_iou": 3.0}
SUMMED = exercises.get("dice_score").misconceptions[5].says  # what several students get wrong
STOPS = "Your code stops in line 2, `x = secret[0]`: IndexError: index 0 is out of bounds."
CASE = Shown("empty", "both masks are empty: target = [[0, 0]]", "nan", "1.000")


def verdict(name: str, *right: bool, says=None, cause=None, partly=False, started=True, got="1.000"):
    """Return a verdict on dice_score (single: 1 point, empty: 1) or mean_iou (plain: 1, absent: 2)."""
    worth = {"dice_score": {"single": 1, "empty": 1}, "mean_iou": {"plain": 1, "absent": 2}}[name]
    groups = tuple(GroupResult(g, yes, p) for (g, p), yes in zip(worth.items(), right, strict=True))
    case = None if all(right) or not started else Shown(CASE.group, CASE.given, CASE.expected, got)
    return Verdict(name, groups, says, partly, case, started, cause or says)


def result(student: str, *verdicts: Verdict, **more) -> Result:
    points = {v.name: float(v.points) for v in verdicts}
    seconds = more.pop("seconds", 2.0)
    return Result(student, LESSON, verdicts, points, MAX, seconds=seconds, isolation="bubblewrap", **more)


def record(root, made: Result, **changes) -> None:
    folder = root / "autograded" / made.student / LESSON
    folder.mkdir(parents=True)
    data = made.to_json() | {"graded_at": "2026-01-05T10:00:00+00:00"} | changes
    (folder / "segcourse.json").write_text(json.dumps(data))


# (dice single, dice empty, mean plain, mean absent): points 2, 3 at most, so 0 to 5 in all
RIGHT = {
    "s00": (1, 1, 1, 1), "s01": (1, 1, 1, 1), "s02": (1, 1, 1, 0), "s03": (1, 0, 1, 1), "s04": (1, 0, 1, 0),
    "s05": (1, 0, 1, 0), "s06": (1, 0, 0, 0), "s07": (0, 0, 1, 0), "s08": (1, 1, 0, 0), "s09": (0, 0, 0, 0),
}  # fmt: skip
SCORES = [5, 5, 3, 4, 2, 2, 1, 1, 2, 0]
SAYS = {
    "s03": {"says": SUMMED},
    "s04": {"says": f"{SUMMED} Your code stops in line 3.", "cause": SUMMED},
    "s05": {"says": f"Most of this looks as if {SUMMED}", "cause": SUMMED, "partly": True},
    "s06": {"says": STOPS, "cause": "Your code stops with `IndexError`."},
}


@pytest.fixture
def course(tmp_path):
    """A class: ten graded, one refused, one with a record of another version, one not graded yet."""
    (tmp_path / "course.secret").write_text("the same in every course here\n")
    for student, (single, empty, plain, absent) in RIGHT.items():
        dice = verdict("dice_score", single, empty, **SAYS.get(student, {}))
        mean = verdict("mean_iou", plain, absent, started=student != "s09")
        more = (
            {"repairs": ("dice_score is defined 2 times; the last definition was graded",)}
            if student == "s04"
            else {}
        )
        record(tmp_path, result(student, dice, mean, seconds=float(student[1:]) + 1, **more))
    record(tmp_path, Result("t_empty", LESSON, max_points=MAX, refusal="the file is empty."))
    (tmp_path / "submitted" / "u_late" / LESSON).mkdir(parents=True)
    (tmp_path / "autograded" / "v_old" / LESSON).mkdir(parents=True)
    (tmp_path / "autograded" / "v_old" / LESSON / "segcourse.json").write_text('{"score": 3}')
    return Course.open(tmp_path)


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_summary_counts_everyone(course):
    made = class_report.build(course, LESSON)
    # scores in order: 0 1 1 2 2 2 3 4 5 5; the median is 2, the quartiles 1.25 and 3.75
    assert sorted(class_statistics.scores(made.records)) == sorted(SCORES)
    assert made.summary == (
        "13 handed in: 1 could not be graded, 9 graded, 1 graded with repairs, 2 not recorded. "
        "The median score is 2 of 5; the middle half is between 1.25 and 3.75."
    )


def test_shares_and_item_rest_agree_with_numpy(course):
    found = {(q.exercise, q.group): q for q in class_statistics.questions(read_class(course, LESSON))}
    assert list(found)[:3] == [("dice_score", None), ("dice_score", "single"), ("dice_score", "empty")]
    assert found["dice_score", None].passed == 0.4  # s00 s01 s02 s08
    assert found["dice_score", "single"].passed == 0.8
    assert found["mean_iou", None].untouched == 0.1
    assert found["mean_iou", None].max_points == 3
    dice = [single + empty for single, empty, _, _ in RIGHT.values()]
    mean = [plain + 2 * absent for _, _, plain, absent in RIGHT.values()]
    assert found["dice_score", None].mean == sum(dice) / 20
    assert found["dice_score", None].item_rest == pytest.approx(np.corrcoef(dice, mean)[0, 1])
    # a group is compared with the other exercises: its siblings would only echo it
    empty = [empty for _, empty, _, _ in RIGHT.values()]
    assert found["dice_score", "empty"].item_rest == pytest.approx(np.corrcoef(empty, mean)[0, 1])


def test_a_misconception_is_one_cause_whatever_else_is_said(course):
    found = class_statistics.causes(read_class(course, LESSON))
    first = found[0]
    assert (first.exercise, first.says, first.known) == ("dice_score", SUMMED, True)
    assert (first.count, first.part) == (3, 1)
    assert first.students == ["s03", "s04", "s05"]
    assert first.example.smallest == CASE
    [stops] = [cause for cause in found if cause.says == "Your code stops with `IndexError`."]
    assert (stops.students, stops.known) == (["s06"], False)
    # s07 and s09 in dice_score; everybody but three, and s09 who did not start, in mean_iou
    unknown = [cause for cause in found if cause.says == class_statistics.UNKNOWN]
    assert [(cause.exercise, cause.count, cause.known) for cause in unknown] == [
        ("dice_score", 2, False),
        ("mean_iou", 6, False),
    ]


def test_the_page_names_the_sandbox(course):
    assert "sandbox: bubblewrap</p>" in class_report.page(class_report.build(course, LESSON))
    trusted = replace(result("w_trusted", verdict("dice_score", 1, 1)), isolation="none")
    record(course.root, trusted)
    page = class_report.page(class_report.build(course, LESSON))
    assert "Graded without a sandbox</b> (--trust-submissions): <bdi>w_trusted</bdi>." in page


def test_the_page_lists_submissions_that_could_not_be_graded(course):
    page = class_report.page(class_report.build(course, LESSON))
    assert "The file is empty." in page
    assert "it has not been graded yet" in page.replace("It has", "it has")
    assert "was written by another version" in page
    assert "Keep this page private" in page
    assert page.count("<img alt=") == 3  # ten students are too few for the fourth
    assert not re.search(r'<img alt=""', page)


def test_tables_are_tidy(course):
    class_report.write(LESSON, course.root)
    folder = course.root / "reports" / LESSON
    students = {row["student"]: row for row in rows(folder / "students.csv")}
    assert students["s03"]["score"] == "4.0"
    assert (students["s03"]["dice_score"], students["s03"]["mean_iou"]) == ("1.0", "3.0")
    assert students["t_empty"]["score"] == ""
    assert students["t_empty"]["status"] == "could not be graded: the file is empty."
    questions = rows(folder / "questions.csv")
    assert [(q["exercise"], q["group"], q["share_right"]) for q in questions][:2] == [
        ("dice_score", "", "0.4"),
        ("dice_score", "single", "0.8"),
    ]
    causes = rows(folder / "misconceptions.csv")
    assert (causes[0]["students"], causes[0]["in_part"], causes[0]["share"]) == ("3", "1", "0.3")
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.html", "misconceptions.csv", "questions.csv", "students.csv",
    ]  # fmt: skip


class Scripts(HTMLParser):
    """Collects all tags of a page, and all attributes that could run or fetch something."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.risky = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.risky += [(k, v) for k, v in attrs if k.startswith("on") or k in ("src", "href", "action")]


HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>\u202e"


def test_nothing_from_a_submission_runs(tmp_path):
    long = "<img src=x onerror=alert(2)>" + "a" * 200
    bad = verdict("dice_score", 0, 0, says=f"ValueError: {HOSTILE}", cause=HOSTILE, got=HOSTILE)
    more = {
        "repairs": (HOSTILE,),
        "stopped_cells": (HOSTILE * 200,),
        "tests": (InstructorCell(HOSTILE, 1.0, 2.0, HOSTILE),),
    }
    record(tmp_path, result("=1+1", bad, verdict("mean_iou", 1, 0, says=HOSTILE), **more))
    record(tmp_path, result(long, bad, verdict("mean_iou", 1, 0)))
    record(tmp_path, Result("@refused", LESSON, max_points=MAX, refusal=HOSTILE))
    page, _ = class_report.write(LESSON, tmp_path)
    text = page.read_text(encoding="utf-8")
    seen = Scripts(text)
    assert not seen.tags & {"script", "iframe", "object", "svg", "form", "link", "base"}
    assert {name for name, _ in seen.risky} == {"src", "href"}
    assert all(v.startswith(("data:image/png;base64,", "#")) or v.endswith(".csv") for _, v in seen.risky)
    assert "default-src 'none'" in text
    assert "a" * 100 not in text  # names are clipped
    for table in ("students.csv", "misconceptions.csv", "questions.csv"):
        for row in rows(page.parent / table):
            assert not any(re.match(r"\s*[=+@-][^\d]", value) for value in row.values()), row
    names = {row["student"] for row in rows(page.parent / "students.csv")}
    assert names == {"'=1+1", "'@refused", long}


def test_an_empty_class_and_a_class_of_one(tmp_path):
    course = Course.open(tmp_path)
    empty = class_report.build(course, LESSON)
    assert empty.summary == "0 handed in."
    assert "<img" not in class_report.page(empty)
    record(tmp_path, result("ada", verdict("dice_score", 1, 1), verdict("mean_iou", 1, 1)))
    one = class_report.build(course, LESSON)
    assert one.summary == "1 handed in: 1 graded. The median score is 5 of 5."
    page = class_report.page(one)
    assert "Too few" in page
    assert "All answers that were started are right" in page
    assert {q.interpretation for q in one.questions} == {"too few students"}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own habits
def test_the_gradebook_has_the_last_word(tmp_path, monkeypatch):
    # nbgrader starts `alembic` by its bare name when it makes a gradebook
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    record(tmp_path, result("ada", verdict("dice_score", 1, 0), verdict("mean_iou", 1, 1)))
    record(tmp_path, result("bob", verdict("dice_score", 1, 1), verdict("mean_iou", 1, 1)))
    course = Course.open(tmp_path)
    with Gradebook(course.db_url, course.name) as book:
        book.update_or_create_assignment(LESSON)
        book.add_notebook(LESSON, LESSON)
        for cell, points in {"check_dice_score": 2, "check_mean_iou": 3, "essay": 5}.items():
            kind = "markdown" if cell == "essay" else "code"
            book.add_grade_cell(cell, LESSON, LESSON, max_score=points, cell_type=kind)
        for student, essay in {"ada": 4.0, "bob": None}.items():
            book.add_student(student)
            submission = book.add_submission(LESSON, student)
            for grade in submission.notebooks[0].grades:
                grade.auto_score = {"check_dice_score": 1.0, "check_mean_iou": 3.0}.get(grade.name)
                grade.manual_score = essay if grade.name == "essay" else None
                grade.needs_manual_grade = grade.name == "essay" and essay is None
            submission.notebooks[0].late_submission_penalty = 1.0 if student == "ada" else None
        book.add_student("cleo", first_name="Cleo")
        book.db.commit()
    made = class_report.build(course, LESSON)
    ada, bob = made.records.entries
    assert (ada.score, ada.max_score, ada.waiting) == (7.0, 10.0, 0)  # 1 + 3 + 4 - 1
    assert (bob.score, bob.waiting) == (4.0, 5.0)
    assert made.records.absent == ("cleo",)
    assert made.summary.startswith("2 handed in, 1 did not: 2 graded. The median score is 5.5 of 10.")
    assert "1 still need points by hand" in made.summary
    class_report.write(LESSON, tmp_path)
    first, second, third = rows(tmp_path / "reports" / LESSON / "students.csv")
    assert (first["raw"], first["penalty"], first["score"]) == ("8.0", "1.0", "7.0")
    assert second["waiting"] == "5.0"
    assert (third["student"], third["status"], third["score"]) == ("cleo", "not handed in", "")


def test_pseudonyms_stay_and_hide_who_is_meant(course):
    handed_in = course.root / "submitted" / "t_empty" / LESSON
    handed_in.mkdir(parents=True)
    (handed_in / "Theo Tester.ipynb").write_text("")
    refused = Result(
        "t_empty", LESSON, max_points=MAX, refusal="Theo Tester.ipynb is not t_empty's; hand in the notebook."
    )
    path = course.root / "autograded" / "t_empty" / LESSON / "segcourse.json"
    path.write_text(json.dumps(refused.to_json()))
    page, made = class_report.write(LESSON, course.root, hide_names=True)
    text = page.read_text(encoding="utf-8") + (page.parent / "students.csv").read_text(encoding="utf-8")
    assert "Your code stops with <code>IndexError</code>." in text
    for student in (*RIGHT, "t_empty", "u_late", "v_old", "Theo", "secret"):
        assert not re.search(rf"\b{student}\b", text)
    assert "… is not …" in text
    assert page.parent.name == f"{LESSON}-anonymous"
    again = class_report.build(course, LESSON, hide_names=True)
    assert [e.student for e in again.records.entries] == [e.student for e in made.records.entries]
    assert len({e.student for e in made.records.entries}) == 13


def test_a_students_name_does_not_cut_a_sentence_of_the_courses_own(tmp_path):
    """A student can be called like a word in it; a gap there would even tell whose name it is."""
    (tmp_path / "course.secret").write_text("the same in every course here\n")
    word = max(re.findall(r"[a-z]+", SUMMED), key=len)
    wrong = verdict("dice_score", 1, 0, says=f"{SUMMED} {word} wrote this.", cause=SUMMED)
    record(tmp_path, result(word, wrong, verdict("mean_iou", 1, 1)))
    [cause] = class_report.build(Course.open(tmp_path), LESSON, hide_names=True).causes
    assert (cause.says, cause.known) == (SUMMED, True)


def test_nearly_identical_answers_are_flagged_and_short_ones_are_not(course):
    source = (
        "def dice_score(prediction, target):\n    overlap = (prediction & target).sum((-2, -1))\n"
        "    total = prediction.sum((-2, -1)) + target.sum((-2, -1))\n    twice = 2 * overlap.double()\n"
        "    return twice / total"
    )
    texts = {
        "s00": source,
        "s01": f"# mine\n{source}\n",
        "s02": source.replace("twice", "both").replace("double", "float"),
    }
    texts["s05"] = (
        "def dice_score(prediction, target):\n    scores = []\n    for p, t in zip(prediction, target):\n"
        "        both = sum(x and y for x, y in zip(p.flatten().tolist(), t.flatten().tolist()))\n"
        "        scores.append(2 * both / (p.sum() + t.sum()))\n    return torch.tensor(scores)"
    )
    texts["s06"] = "def dice_score(:"
    texts |= {"s03": "def dice_score(p, t):\n    return 1", "s04": "def dice_score(p, t):\n    return 1"}
    for student, text in texts.items():
        cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "dice_score"}}, "source": text}
        path = course.root / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        path.write_text(json.dumps({"cells": [cell]}))
    found = flags.similar_answers(course, read_class(course, LESSON))
    assert found == {"dice_score": [["s00", "s01", "s02"]]}
    assert "many innocent reasons" in class_report.page(class_report.build(course, LESSON))


@pytest.mark.parametrize("name", exercises.names())
def test_the_librarys_own_text_is_recognised(name):
    source = inspect.getsource(exercises.get(name).answer)
    one_statement = flags.statements_and_words(source)[0] == 2  # the signature, and one line below it
    changed = "%%time\n# mine\n" + source.replace("    ", "\t").replace('"""', "'''") + "\n!ls\n"
    renamed = re.sub(r"(?<![.\w])(p|t|matrix|prediction|target|logits|x)\b", r"my_\1", source)
    for text in (source, solutions.source_of(name), changed, renamed, source + "\n    print('mine')\n"):
        assert flags.is_from_library(name, text) is not one_statement
    assert not flags.is_from_library(name, "def f(:")


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_right_answer_in_another_style_is_not_taken_for_the_librarys(name):
    assert not flags.is_from_library(name, RIGHT_ANSWERS[name])


def test_the_report_lists_students_who_handed_in_the_librarys_text(course):
    source = inspect.getsource(exercises.get("dice_score").answer)
    for student, text in {"s00": source, "s01": "def dice_score(p, t):\n    return 1"}.items():
        cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "dice_score"}}, "source": text}
        path = course.root / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        path.write_text(json.dumps({"cells": [cell]}))
    made = class_report.build(course, LESSON)
    assert made.library == {"dice_score": ["s00"]}
    assert "segcourse's own implementation" in class_report.page(made).replace("&#39;", "'")
    assert class_report.build(course, LESSON, hide_names=True).library["dice_score"] != ["s00"]


def test_a_notebook_that_asks_another_process_is_listed(course):
    asks = "import subprocess\nsubprocess.run(['python', '-c', 'import segcourse'])\nopen('/home/ada/x')"
    for student, text in {"s00": asks, "s01": "# subprocess, in a comment\nmodel.eval()"}.items():
        path = course.root / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        path.write_text(json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": text}]}))
    made = class_report.build(course, LESSON)
    kinds = {flags.PROCESSES: ["subprocess"], flags.FILES: ["'/home/ada/x'"]}
    assert made.unusual == {"s00": kinds}
    assert "the notebook starts processes (<code>subprocess</code>)" in class_report.page(made)
    assert "/home/ada" not in class_report.page(class_report.build(course, LESSON, hide_names=True))


@pytest.mark.parametrize("name", ["00_start_here", "03_unet", "05_losses_metrics"])
def test_no_lesson_uses_unusual_words(name):
    notebook = json.loads((lessons.find(name) / f"{name}.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not [found for found in map(flags.unusual_code, cells) if found]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import os\nos.fork()", flags.PROCESSES),
        ("from os import system as s\ns('ls')", flags.PROCESSES),
        ("!ls /", flags.PROCESSES),
        ("%%bash\nls", flags.PROCESSES),
        ("def f(:\n    subprocess.run('ls')", flags.PROCESSES),
        ("import socket", flags.SOCKETS),
        ("from urllib.request import urlopen", flags.SOCKETS),
        ("open('/etc/passwd')", flags.FILES),
        ("Path(r'../other/notes.txt').read_text()", flags.FILES),
        ("open('~/x')", flags.FILES),
        ("open('C:\\\\Users')", flags.FILES),
        ("type(f).__code__", flags.PYTHON),
    ],
)
def test_what_no_exercise_needs_is_found(source, kind):
    assert list(flags.unusual_code(source)) == [kind]


@pytest.mark.parametrize(
    "source",
    [
        "# subprocess\nmodel.eval()",
        "print('a socket, /etc/passwd')",
        "!pip install segcourse",
        "open('result.png')",
        "system = spawn = 1",
        "x = a / root",
        "plt.plot(x, '/')",
    ],
)
def test_ordinary_code_is_not_listed(source):
    assert flags.unusual_code(source) == {}


def test_the_report_begins_with_the_commonest_misconceptions_and_has_a_grid(course):
    page = class_report.page(class_report.build(course, LESSON))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:4] == [
        "Commonest misconceptions", "Submissions that could not be graded", "Students", "Scores",
    ]  # fmt: skip
    table = page[page.index("<h2>Students") : page.index("<h2>Scores")]
    cells = {}
    for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]:
        shown = re.sub(r"<span class=\"unseen\">.*?</span>|<[^>]+>", "", row)
        name, *rest = [line.strip() for line in shown.splitlines() if line.strip()]
        cells[name] = rest[:2]
    assert (cells["s00"], cells["s02"], cells["s09"]) == (["✓", "✓"], ["✓", "1"], ["0", "–"])
    commonest = page[: page.index("<h2>Submissions")]
    assert "5.4 <code>dice_score</code>" in commonest
    assert SUMMED[:30] in commonest
    assert class_statistics.UNKNOWN not in commonest.lower()


def test_names_lead_to_the_students_pages_unless_the_report_is_anonymous(course):
    class_report.rewrite_pages(LESSON, course.root)
    page, _ = class_report.write(LESSON, course.root)
    links = re.findall(r'<a href="([^"#]*?\.html)"><bdi>(\w+)', page.read_text(encoding="utf-8"))
    assert {name for _, name in links} >= set(RIGHT)
    for address, name in links:
        assert (page.parent / address).resolve() == course.feedback(name, LESSON)
    page, _ = class_report.write(LESSON, course.root, hide_names=True)
    assert ".html" not in page.read_text(encoding="utf-8")


def test_students_who_are_not_on_the_roster_are_named(course, monkeypatch):
    assert "roster" not in class_report.page(class_report.build(course, LESSON))
    roster = Roster((Person("s00", "Ada", "Lovelace"), Person("s01", "Grace", "Hopper")))
    monkeypatch.setattr(records, "open_roster", lambda course: roster)
    made = class_report.build(course, LESSON)
    assert "s00" not in made.records.unknown
    assert "s02" in made.records.unknown
    assert "<h2>Not on the roster</h2>" in class_report.page(made)


def test_questions_separate_only_with_enough_students(tmp_path):
    """Below 45 students, chance alone moves the correlation beyond the limit of "separates well"."""
    assert item_analysis.chance_level(item_analysis.ENOUGH) <= item_analysis.WELL
    assert item_analysis.chance_level(item_analysis.ENOUGH - 1) > item_analysis.WELL
    for number in range(item_analysis.ENOUGH):
        strong = number % 2
        made = result(f"s{number}", verdict("dice_score", 1, strong), verdict("mean_iou", strong, strong))
        record(tmp_path, made)
    page = class_report.page(class_report.build(Course.open(tmp_path), LESSON))
    assert "separates well" in page
    assert page.count("<img alt=") == 4


def test_repairs_count_by_their_kind(tmp_path):
    called = "the notebook was called {} and was graded as 05_losses_metrics.ipynb"
    for student, name in {"ada": "a b.ipynb", "bob": "hw-5 (1).ipynb"}.items():
        made = result(student, verdict("dice_score", 1, 1), verdict("mean_iou", 1, 1))
        record(tmp_path, made, repairs=[called.format(name), "the cell of mean_iou is missing"])
    assert class_statistics.repairs(read_class(Course.open(tmp_path), LESSON)) == [
        ("the cell of an exercise is missing", 2),
        ("the notebook had another name", 2),
    ]


def test_an_instructors_own_tests_and_borrowed_answers_are_marked(tmp_path):
    own = (
        InstructorCell("my_test", 2.0, 2.0, "passed"),
        InstructorCell("essay", None, 5.0, "a person", "answer"),
    )
    borrowed = exercises.assess("dice_score", lambda *masks: dice_score(*masks))
    record(tmp_path, result("ada", borrowed, verdict("mean_iou", 1, 1), tests=own))
    made = class_report.build(Course.open(tmp_path), LESSON)
    assert class_statistics.causes(made.records)[0].says == class_statistics.BORROWED
    assert class_statistics.instructor_tests(made.records) == {"my_test": [own[0]]}
    assert class_statistics.borrowed_answers(made.records) == {"dice_score": ["ada"]}
    page = class_report.page(made)
    assert "weaker evidence" in page
    assert "asked to write their own" in page


def test_the_command_prints_the_reports_path(course):
    done = CliRunner().invoke(cli.app, ["report", LESSON, "--course", str(course.root), "--pages"])
    assert done.exit_code == 0, done.output
    assert (course.root / "reports" / LESSON / "index.html").is_file()
    assert "13 handed in" in done.output
    assert "11 feedback page(s)" in done.output
    with pytest.raises(SegcourseError, match="There is no lesson"):
        class_report.write("77", course.root)
