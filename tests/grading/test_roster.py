"""Who handed in what: names matched to the roster, doubts that are asked, and a student who is removed."""

import csv
import unicodedata
from pathlib import Path

import pytest
from grading_class import LESSON, RIGHT, as_bytes, gradebook, hand_in, notebook
from repository import table
from typer.testing import CliRunner

from segcourse import cli
from segcourse.errors import SegcourseError
from segcourse.grading import grade_lesson
from segcourse.grading.course import Course
from segcourse.grading.enrolment import match_submissions
from segcourse.grading.gradebook.writer import GradebookWriter
from segcourse.grading.reports import class_report
from segcourse.grading.roster import Match, Person, Roster, open_roster
from segcourse.grading.scoring.result import Result

OTHER = "06_skin_lesion"
CLASS = (
    Person("s1", "Ada", "Lovelace", "ada@uni.edu", "101"),
    Person("s2", "Zoë", "Müller"),
    Person("s3", "小明", "王"),
    Person("s4", "Анна", "Иванова", "anna@uni.edu"),
    Person("s5", "Ben", "Braun", platform_id="105"),
    Person("s6", "Ben", "Braun", platform_id="106"),
    Person("s7", "Conan", "O’Brien-Smith"),
    Person("s8", "Mary Jane", "Watson"),
    Person("s9", "अदिति", "शर्मा"),
)
CERTAIN = {  # the folder's name: the student, and why
    "s1": ("s1", "id"),
    "S1": ("s1", "id"),
    "ADA@uni.edu": ("s1", "e-mail address"),
    "101": ("s1", "platform's id"),
    "Ada Lovelace": ("s1", "name"),
    "Lovelace, Ada": ("s1", "name"),
    "lovelaceada_101": ("s1", "name and platform's id"),
    "lovelaceada_LATE_101": ("s1", "name and platform's id"),
    unicodedata.normalize("NFD", "Müller Zoë"): ("s2", "name"),
    "müllerzoë_99": ("s2", "name"),
    "Zoë Müller (Moodle 99)": ("s2", "name"),
    "王小明": ("s3", "name"),
    "小明 王": ("s3", "name"),
    "ИВАНОВА Анна": ("s4", "name"),
    "braunben_106": ("s6", "name and platform's id"),
    "Conan OBrienSmith": ("s7", "name"),
    "obriensmithconan_7": ("s7", "name"),
    "watson mary-jane": ("s8", "name"),
    "शर्मा अदिति": ("s9", "name"),
}
DOUBTFUL = {  # the folder's name: who could be meant
    "Ben Braun": ("s5", "s6"),
    "Ben Braun (Moodle 105)": ("s5", "s6"),  # Moodle's number is not a student's id
    "braunben_107": ("s5",),  # a third student of this name, or another number
    "lovelaceada_105": ("s5", "s1"),  # one student's name, another's number
    "Zoe Muller": ("s2",),
    "Mary Watson": ("s8",),
    "Ada L": (),
    "nobody": (),
    "": (),
}


@pytest.mark.parametrize("folder", CERTAIN)
def test_one_possible_student_is_certain(folder):
    (match,) = Roster(CLASS).identify(LESSON, [folder])
    assert (match.student, match.why) == CERTAIN[folder]


@pytest.mark.parametrize("folder", DOUBTFUL)
def test_a_doubt_is_asked(folder):
    (match,) = Roster(CLASS).identify(LESSON, [folder])
    assert match.student is None
    assert set(match.perhaps) >= set(DOUBTFUL[folder])


def test_two_submissions_of_one_student_are_asked():
    first, second, third = Roster(CLASS).identify(LESSON, ["Ada Lovelace", "lovelaceada_101", "s2"])
    assert first == Match("Ada Lovelace", None, "2 submissions could be from s1", ("s1",))
    assert (second.student, third.student) == (None, "s2")
    own, other = Roster(CLASS).identify(LESSON, ["s1", "Ada Lovelace"])
    assert (own.student, other.student) == ("s1", None)


def test_decisions_hold_for_other_lessons_unless_two_students_could_be_meant():
    rows = [
        {"lesson": OTHER, "handed_in_as": name, "student": student}
        for name, student in (("Ben Braun", "s5"), ("Zoe M", "s2"), ("Ada Lovelace", "s2"), ("gone", "s0"))
    ]
    roster = Roster(CLASS, tuple(rows))
    names = ["Ben Braun", "Zoe M", "Ada Lovelace", "gone"]
    assert [m.student for m in roster.identify(OTHER, names)] == ["s5", None, None, None]
    assert [m.student for m in roster.identify(OTHER, names[:2])] == ["s5", "s2"]
    assert [m.student for m in roster.identify(LESSON, names[:3])] == [None, "s2", None]
    assert roster.identify(OTHER, ["gone"])[0].why == "matches.csv says s0, who is not on the roster"


def test_without_a_roster_a_folders_name_is_the_students_id():
    assert [m.student for m in Roster(()).identify(LESSON, ["Ada Lovelace", "x"])] == ["Ada Lovelace", "x"]


@pytest.fixture
def course(tmp_path) -> Course:
    """A course whose gradebook has three students with names."""
    with gradebook(tmp_path) as book:
        for person in CLASS[:3]:
            names = {"first_name": person.first_name, "last_name": person.last_name, "email": person.email}
            book.add_student(person.id, **names, lms_user_id=person.platform_id or None)
    return Course.open(tmp_path)


def grade(course: Course, lesson, student: str, points: float = 2.0) -> None:
    """Record points as grading does, without running anything."""
    writer = GradebookWriter(course, lesson)
    writer.record(Result(student, LESSON, points={"mean_iou": points}), resubmitted=False)
    writer.close()
    for kind in ("autograded", "feedback"):
        (course.root / kind / student / LESSON).mkdir(parents=True)
        (course.root / kind / student / LESSON / "page").write_text(student)


def rows_of(course: Course) -> list[dict[str, str]]:
    with (course.root / "matches.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def run(course: Course, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [*arguments, "--course", str(course.root)])
    assert done.exit_code == code, done.output
    return done.output


def test_a_submission_moves_to_its_student_with_marks_and_pages(course, lesson):
    hand_in(course.root, "Ada Lovelace", b"ada's")
    hand_in(course.root, "s2", b"zoe's")
    grade(course, lesson, "Ada Lovelace")
    with gradebook(course.root) as book:
        book.find_grade("check_dice_score", LESSON, LESSON, "Ada Lovelace").manual_score = 1.5
        book.db.commit()
    assert table(course.root)["s1"]["status"] == "not handed in, unless as Ada Lovelace"
    assert table(course.root)["s1"]["score"] == ""
    printed = run(course, "roster", LESSON)
    assert "Ada Lovelace is s1 on the roster (name)." in printed
    assert sorted(course.students(LESSON)) == ["s1", "s2"]
    assert (course.submitted("s1", LESSON) / f"{LESSON}.ipynb").read_bytes() == b"ada's"
    assert not (course.root / "submitted" / "Ada Lovelace").exists()
    assert (course.root / "feedback" / "s1" / LESSON / "page").exists()
    with gradebook(course.root) as book:
        assert {student.id for student in book.students} == {"s1", "s2", "s3"}
        assert book.find_grade("check_dice_score", LESSON, LESSON, "s1").manual_score == 1.5
    marks = table(course.root)
    assert (marks["s1"]["score"], marks["s3"]["score"]) == ("3.5", "0")
    assert (marks["s2"]["status"], marks["s3"]["status"]) == (
        "handed in, but not graded yet",
        "not handed in",
    )
    assert rows_of(course)[0] | {"reason": "", "perhaps": ""} == {
        "lesson": LESSON, "handed_in_as": "Ada Lovelace", "student": "s1", "reason": "", "perhaps": "",
    }  # fmt: skip


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_person_decides_in_a_spreadsheet_and_can_correct_it(course, lesson, separator):
    hand_in(course.root, "Zoe", b"zoe's")
    hand_in(course.root, "=1+1;Zoe", b"another's")
    grade(course, lesson, "Zoe")
    printed = run(course, "roster", LESSON)
    assert "no one on the roster has this name; perhaps s2 (Müller, Zoë)" in printed
    assert "No one on the roster owns the submission of =1+1;Zoe, Zoe" in printed
    marks = table(course.root)
    assert {marks[student]["score"] for student in ("s1", "s2", "s3")} == {""}
    assert marks["Zoe"]["status"].endswith(", but the student is not on the roster")
    assert class_report.build(course, LESSON).summary.count("as Zoe.") == 1

    rows = rows_of(course)
    assert [row["handed_in_as"] for row in rows] == ["'=1+1;Zoe", "Zoe"]
    rows[0]["student"], rows[1]["student"] = "s3", " s2 "
    with (course.root / "matches.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    run(course, "roster", LESSON)
    assert list(course.students(LESSON)) == ["s2", "s3"]
    assert (table(course.root)["s1"]["score"], table(course.root)["s2"]["score"]) == ("0", "2.0")
    assert "absent" not in class_report.build(course, LESSON).summary

    assert "Müller" in run(course, "roster", LESSON, "--match", "s2=s1")  # corrected
    assert list(course.students(LESSON)) == ["s1", "s3"]
    assert (table(course.root)["s1"]["score"], table(course.root)["s2"]["score"]) == ("2.0", "0")
    assert {row["handed_in_as"]: row["student"] for row in rows_of(course)} == {
        "'=1+1;Zoe": "s3",
        "Zoe": "s1",
    }


def test_a_student_without_a_name_is_confirmed_once(course):
    hand_in(course.root, "guest", b"")
    assert "owns the submission of guest" in run(course, "roster", LESSON)
    assert "owns" not in run(course, "roster", LESSON, "--match", "guest=guest")
    assert list(course.students(LESSON)) == ["guest"]
    assert open_roster(course).unowned(["guest", "other"]) == ["other"]


def test_a_wrong_decision_is_refused(course):
    hand_in(course.root, "Zoe", b"")
    hand_in(course.root, "s1", b"ada's")
    assert "s9 is not on the roster" in str(run_error(course, {"Zoe": "s9"}))
    assert "there is no submission of 05_losses_metrics from Ann" in str(run_error(course, {"Ann": "s1"}))
    assert "not FOLDER=ID" in run(course, "roster", LESSON, "--match", "Zoe", code=2)
    found = match_submissions(course, LESSON, {"Zoe": "s1"})  # s1 has handed in
    assert [match.folder for match in found.undecided] == ["Zoe"]
    assert (course.submitted("s1", LESSON) / f"{LESSON}.ipynb").read_bytes() == b"ada's"
    (course.root / "matches.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        SegcourseError, match=r"line 2 of .*matches.csv needs the columns lesson, handed_in_as"
    ):
        open_roster(course)
    (course.root / "matches.csv").write_bytes("lesson,handed_in_as,student\n,Zoë,s1\n".encode("cp1252"))
    with pytest.raises(SegcourseError, match="save it as CSV in UTF-8"):
        open_roster(course)


def run_error(course: Course, chosen: dict[str, str]) -> SegcourseError:
    with pytest.raises(SegcourseError) as caught:
        match_submissions(course, LESSON, chosen)
    return caught.value


def test_marks_of_an_earlier_submission_are_treated_as_handed_in_again(course, lesson):
    hand_in(course.root, "Ada Lovelace", b"")
    grade(course, lesson, "Ada Lovelace", points=2.0)
    grade(course, lesson, "s1", points=1.0)
    with gradebook(course.root) as book:
        book.find_grade("check_dice_score", LESSON, LESSON, "s1").manual_score = 3
        book.db.commit()
    match_submissions(course, LESSON)
    assert table(course.root).keys() == {"s1", "s2", "s3"}
    assert table(course.root)["s1"]["score"] == "4.0"  # the points by hand are kept until it is graded again


def test_a_link_is_not_moved(course):
    hand_in(course.root, "s2", b"")
    (course.root / "submitted" / "Ada Lovelace").symlink_to(course.root / "submitted" / "s2")
    found = match_submissions(course, LESSON)
    assert "is a link and was not given to s1" in found.notes[0]
    assert (course.root / "submitted" / "Ada Lovelace").is_symlink()


def test_questions_of_a_collection_keep_absent_students_from_a_zero(course, lesson):
    grade(course, lesson, "s2")
    assert table(course.root)["s1"]["score"] == "0"
    questions = course.questions(LESSON)
    questions.parent.mkdir(parents=True)
    questions.write_text("Who handed in x.ipynb?\n")
    row = table(course.root)["s1"]
    assert (row["score"], row["status"]) == (
        "", f"not handed in, unless in downloaded/{LESSON}/questions.txt",
    )  # fmt: skip


def test_a_removed_student_is_gone(course, lesson):
    for student in ("s1", "s2"):
        hand_in(course.root, student, b"")
        grade(course, lesson, student)
    hand_in(course.root, "Zoe", b"")
    match_submissions(course, LESSON)
    assert CliRunner().invoke(cli.app, ["remove-student", "s1", "--course", str(course.root)]).exit_code == 1
    assert "s1" in table(course.root)  # a person has to say yes
    printed = run(course, "remove-student", "s1", "--yes")
    assert "the student s1 and the marks of 1 submission(s)" in printed
    assert "s1" not in table(course.root)
    made = class_report.build(course, LESSON)
    assert "s1" not in [entry.student for entry in made.records.entries] + list(made.records.absent)
    assert not [
        path for kind in ("submitted", "autograded", "feedback") for path in course.root.glob(f"{kind}/s1")
    ]
    assert (course.root / "removed" / "s1" / "submitted" / LESSON).is_dir()
    with pytest.raises(SegcourseError, match="there is no student s1"):
        cli.commands.remove_student("s1", course.root, yes=True)
    with pytest.raises(SegcourseError, match="is not a student's id"):
        cli.commands.remove_student("../s2", course.root, yes=True)


def test_a_student_removed_by_nbgrader_is_gone_from_the_report(course, lesson):
    grade(course, lesson, "s1")
    (course.root / "autograded" / "s1" / LESSON / "segcourse.json").write_text("{}")
    assert [entry.student for entry in class_report.build(course, LESSON).records.entries] == ["s1"]
    with gradebook(course.root) as book:
        book.remove_student("s1")
    assert class_report.build(course, LESSON).records.entries == ()


@pytest.mark.sandbox
def test_grading_matches_the_class_to_the_roster(course, lessons):
    hand_in(course.root, "lovelaceada_101", as_bytes(notebook(RIGHT)))
    hand_in(course.root, "Stranger", b"{ unfinished")
    hand_in(course.root, "王小明", as_bytes(notebook(RIGHT)))
    Path(course.root, "submitted", "work.ipynb").write_bytes(b"")
    with pytest.raises(
        SegcourseError, match=r"no submission of 05_losses_metrics from nobody\..* Stranger, s1, s3"
    ):
        grade_lesson(LESSON, course.root, lessons=lessons, students=["nobody"])
    made = grade_lesson(LESSON, course.root, lessons=lessons)
    assert {result.student: result.score for result in made.results} == {"s1": 7, "s3": 7, "Stranger": None}
    text = made.table()
    assert "Note: no one on the roster owns the submission of Stranger" in text
    assert "submitted/work.ipynb was not graded, because it is in no student's folder of a lesson" in text
    marks = table(course.root)
    assert {name: row["score"] for name, row in marks.items()} == {
        "s1": "7.0",
        "s3": "7.0",
        "s2": "",
        "Stranger": "",
    }
    assert (course.root / "feedback" / "s3" / LESSON / f"{LESSON}.html").exists()
