"""Write results into nbgrader's gradebook through its API, so that all of nbgrader's tools keep working.

A submission that could not be graded has no automatic score and needs a manual grade.
"""

import contextlib
import copy
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
from segcourse.exercises.engine.display import text
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Marks, marks_of
from segcourse.grading.notebooks import Lesson
from segcourse.grading.scoring.result import Result


class GradebookWriter:
    """nbgrader's gradebook of a course, open for one lesson.

    Raises:
        SegcourseError: The lesson's graded cells are not those for which the gradebook holds marks.
    """

    def __init__(self, course: Course, lesson: Lesson) -> None:
        self.course, self.lesson = course, lesson
        with _alembic_on_path(), _quiet():
            self.book = Gradebook(course.db_url, course.name)
        try:
            self._register_lesson()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.book.close()

    def _register_lesson(self) -> None:
        """Add the lesson, as `nbgrader generate_assignment` does, or check that its points are unchanged."""
        name = self.lesson.name
        try:
            known = self.book.find_notebook(name, name)
        except MissingEntry:
            self.book.update_or_create_assignment(name)
            notebook, _ = ComputeChecksums().preprocess(copy.deepcopy(self.lesson.notebook), {})
            SaveCells().preprocess(notebook, self._resources())
            self.book.db.expire_all()
            return
        points = {cell.name: cell.max_score for cell in (*known.grade_cells, *known.task_cells)}
        exercises = {f"check_{exercise}": points for exercise, points in self.lesson.points.items()}
        if points != exercises | self.lesson.own:
            raise SegcourseError(
                f"{self.lesson.path} and the gradebook have different graded cells or points for {name}; "
                f"run `nbgrader generate_assignment {name} --force`, or grade with the lesson as released."
            )

    def record(self, result: Result, resubmitted: bool) -> list[str]:
        """Write one student's marks and comments in one transaction.

        As in nbgrader, a manual score stays and is flagged for review. But if a new submission could not be
        graded, the manual score of the old one is removed.

        Args:
            result: The result of grading.
            resubmitted: Whether the submission differs from the one that was graded before.

        Returns:
            A sentence about everything that a person should know.
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
        for grade in submitted.grades:
            exercise = grade.name.removeprefix("check_")
            grade.auto_score = result.marks.get(grade.name)
            if result.refusal and resubmitted and grade.manual_score is not None:
                earlier = f"the manual score {grade.manual_score:g} for {exercise}"
                notes.append(f"{earlier} belonged to an earlier submission and was removed")
                grade.manual_score = grade.extra_credit = None
            grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
        comments = {verdict.name: text(verdict) for verdict in result.verdicts}
        comments |= {test.grade_id: "No response." for test in result.tests if test.unanswered}  # as nbgrader
        for comment in submitted.comments:
            if result.refusal:
                comment.auto_comment = result.status
                comment.manual_comment = None if resubmitted else comment.manual_comment
            else:
                comment.auto_comment = comments.get(comment.name)
        submitted.late_submission_penalty = None
        self.book.db.commit()
        if not result.refusal and self.book.find_submission(name, student).total_seconds_late > 0:
            self._assign_late_penalty(student)
        return notes

    def matches(self, result: Result) -> bool:
        """Return whether the gradebook, which may have been restored or removed, holds these scores."""
        try:
            submitted = self.book.find_submission_notebook(self.lesson.name, self.lesson.name, result.student)
        except MissingEntry:
            return False
        return all(grade.auto_score == result.marks.get(grade.name) for grade in submitted.grades)

    def marks(self, student: str) -> Marks:
        """Return what the gradebook says now about a student's submission."""
        return marks_of(self.book.find_submission(self.lesson.name, student))

    def _timestamp(self, student: str) -> tuple[object | None, str | None]:
        path = self.course.submitted(student, self.lesson.name) / "timestamp.txt"
        try:
            if path.is_symlink() or not path.is_file():
                return None, None
            with path.open("rb") as file:  # a student's file, of any size
                return utils.parse_utc(file.read(100).decode().strip()), None
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        except (ValueError, OverflowError):
            reason = "does not contain a date"
        return None, f"timestamp.txt {reason}; the time of submission is unknown"

    def _assign_late_penalty(self, student: str) -> None:
        """Run the instructor's own plug-in for late penalties, which nbgrader_config.py names."""
        config = None
        if (self.course.root / "nbgrader_config.py").exists():
            config = PyFileConfigLoader("nbgrader_config.py", path=str(self.course.root)).load_config()
        notebook = copy.deepcopy(self.lesson.notebook)
        with _quiet():
            AssignLatePenalties(config=config).preprocess(notebook, self._resources(student=student))
        self.book.db.expire_all()

    def _resources(self, **more: str) -> dict:
        """Return what nbgrader's preprocessors need to know."""
        name = self.lesson.name
        return {"nbgrader": {"notebook": name, "assignment": name, "db_url": self.course.db_url} | more}


@contextlib.contextmanager
def _alembic_on_path() -> Iterator[None]:
    """Put this Python's scripts on PATH, where nbgrader expects `alembic` when it creates a gradebook."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress nbgrader's log and SQLAlchemy's warnings about nbgrader."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
