"""Step 4, record: one writer, through nbgrader's own API, so that formgrader, export and manual grading find
what they know.

What could not be graded has no automatic score and asks for a person: nbgrader calls that "needs manual
grade".
"""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties, ComputeChecksums, SaveCells
from traitlets.config.loader import PyFileConfigLoader

from segcourse.errors import SegcourseError
from segcourse.exercises.display import text
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Marks, marks_of
from segcourse.grading.notebooks import Lesson
from segcourse.grading.scoring.result import Result


class Book:
    """nbgrader's gradebook of a course, open for one lesson.

    Raises:
        SegcourseError: the lesson's graded cells are not those that the gradebook already holds marks for.
    """

    def __init__(self, course: Course, lesson: Lesson) -> None:
        self.course, self.lesson = course, lesson
        with _alembic_found(), _quiet():
            self.book = Gradebook(course.db_url, course.name)
        try:
            self._know_lesson()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.book.close()

    def _know_lesson(self) -> None:
        """`nbgrader generate_assignment` usually did this; the same preprocessors do it where it was never
        run.
        """
        name = self.lesson.name
        try:
            known = self.book.find_notebook(name, name)
        except MissingEntry:
            self.book.update_or_create_assignment(name)
            about = {"nbgrader": {"notebook": name, "assignment": name, "db_url": self.course.db_url}}
            notebook, _ = ComputeChecksums().preprocess(_copy(self.lesson), {})
            SaveCells().preprocess(notebook, about)
            self.book.db.expire_all()
            return
        points = {cell.name: cell.max_score for cell in (*known.grade_cells, *known.task_cells)}
        if points != _by_cell(self.lesson.points) | self.lesson.own:
            raise SegcourseError(
                f"{self.lesson.path} and the gradebook disagree on the graded cells or points of {name}; "
                f"run `nbgrader generate_assignment {name} --force`, or grade with the lesson as handed out."
            )

    def record(self, result: Result, resubmitted: bool) -> list[str]:
        """Write one student's marks and comments in one transaction; returns what a person should know about
        it.

        `resubmitted` says that these are not the bytes that were graded before. A manual score stays, flagged
        for review, as nbgrader does it; but where a new submission could not be graded, nothing of the old
        one is left standing.
        """
        name, student, notes = self.lesson.name, result.student, []
        timestamp, problem = self._timestamp(student)
        notes += [problem] if problem else []
        with _quiet():
            self.book.update_or_create_student(student)
            self.book.update_or_create_submission(
                name, student, **({"timestamp": timestamp} if timestamp else {})
            )
        submitted = self.book.find_submission_notebook(name, name, student)
        marks = _by_cell(result.points) | {test.grade_id: test.points for test in result.tests}
        for grade in submitted.grades:
            exercise = grade.name.removeprefix("check_")
            grade.auto_score = marks.get(grade.name)
            if result.refusal and resubmitted and grade.manual_score is not None:
                earlier = f"the manual score {grade.manual_score:g} for {exercise}"
                notes.append(f"{earlier} belonged to an earlier submission and was removed")
                grade.manual_score = grade.extra_credit = None
            grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
        said = {verdict.name: text(verdict) for verdict in result.verdicts}
        said |= {test.grade_id: "No response." for test in result.tests if test.unanswered}  # as nbgrader
        for comment in submitted.comments:
            if result.refusal:
                comment.auto_comment = result.status
                comment.manual_comment = None if resubmitted else comment.manual_comment
            else:
                comment.auto_comment = said.get(comment.name)
        submitted.late_submission_penalty = None
        self.book.db.commit()
        if not result.refusal and self.book.find_submission(name, student).total_seconds_late > 0:
            self._penalty(student)
        return notes

    def holds(self, result: Result) -> bool:
        """Whether the automatic scores are those of `result`: a gradebook may have been restored or
        removed."""
        try:
            submitted = self.book.find_submission_notebook(self.lesson.name, self.lesson.name, result.student)
        except MissingEntry:
            return False
        marks = _by_cell(result.points) | {test.grade_id: test.points for test in result.tests}
        return all(grade.auto_score == marks.get(grade.name) for grade in submitted.grades)

    def marks(self, student: str) -> Marks:
        """What the gradebook says now of the submission of `student`."""
        return marks_of(self.book.find_submission(self.lesson.name, student))

    def _timestamp(self, student: str) -> tuple[object | None, str | None]:
        path = self.course.submitted(student, self.lesson.name) / "timestamp.txt"
        if path.is_symlink() or not path.is_file():
            return None, None
        try:
            return utils.parse_utc(path.read_bytes()[:100].decode().strip()), None
        except (ValueError, OverflowError, OSError):
            return None, "timestamp.txt could not be read as a date; the time of submission is unknown"

    def _penalty(self, student: str) -> None:
        """Late penalties are the instructor's own plug-in, named in nbgrader_config.py."""
        config = None
        if (self.course.root / "nbgrader_config.py").exists():
            config = PyFileConfigLoader("nbgrader_config.py", path=str(self.course.root)).load_config()
        name = self.lesson.name
        about = {
            "nbgrader": {
                "notebook": name,
                "assignment": name,
                "student": student,
                "db_url": self.course.db_url,
            }
        }
        with _quiet():
            AssignLatePenalties(config=config).preprocess(_copy(self.lesson), about)
        self.book.db.expire_all()


def _by_cell(exercises: dict[str, float]) -> dict[str, float]:
    """What belongs to exercises, under nbgrader's names of their checks."""
    return {f"check_{name}": value for name, value in exercises.items()}


def _copy(lesson: Lesson):
    import copy

    return copy.deepcopy(lesson.notebook)


@contextlib.contextmanager
def _alembic_found() -> Iterator[None]:
    """nbgrader starts `alembic` by its bare name when it makes a gradebook; it lies beside this Python."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """nbgrader logs each step and SQLAlchemy warns of nbgrader's habits; the batch prints one table."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
