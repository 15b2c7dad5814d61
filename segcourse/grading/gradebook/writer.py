"""Write results into nbgrader's gradebook through its API, so that all of nbgrader's tools keep working.

A submission that could not be graded has no automatic score and needs a manual grade.
"""

import contextlib
import copy
import functools
import logging
import warnings
from collections.abc import Callable, Iterator

from nbgrader import utils
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import ComputeChecksums, SaveCells

from segcourse.errors import SegcourseError
from segcourse.exercises.engine.display import text
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Marks, marks_of
from segcourse.grading.gradebook.opening import explained, open_gradebook, refuse_lost
from segcourse.grading.gradebook.penalties import assign_penalty
from segcourse.grading.notebooks import Lesson
from segcourse.grading.scoring.result import Result


def _explained(method: Callable) -> Callable:
    """Let a method of GradebookWriter say in a sentence what is wrong with the gradebook."""

    @functools.wraps(method)
    def wrapper(self, *arguments, **options):
        with explained(self.course.gradebook):
            return method(self, *arguments, **options)

    return wrapper


class GradebookWriter:
    """nbgrader's gradebook of a course, open for one lesson.

    Raises:
        GradebookError: The gradebook is lost, or cannot be read or written. All methods raise it.
        SegcourseError: The lesson's graded cells are not those for which the gradebook holds marks.
    """

    def __init__(self, course: Course, lesson: Lesson) -> None:
        self.course, self.lesson = course, lesson
        with contextlib.ExitStack() as stack:
            with _quiet():
                refuse_lost(course)
                self.book = stack.enter_context(open_gradebook(course))
            self._register_lesson()
            self._open = stack.pop_all()

    def close(self) -> None:
        self._open.close()

    def _register_lesson(self) -> None:
        """Add the lesson, as `nbgrader generate_assignment` does, or check that its points are unchanged."""
        name = self.lesson.name
        try:
            known = self.book.find_notebook(name, name)
        except MissingEntry:
            self.book.update_or_create_assignment(name)
            notebook, _ = ComputeChecksums().preprocess(copy.deepcopy(self.lesson.notebook), {})
            about = {"notebook": name, "assignment": name, "db_url": self.course.db_url}
            SaveCells().preprocess(notebook, {"nbgrader": about})
            self.book.db.expire_all()
            return
        points = {cell.name: cell.max_score for cell in (*known.grade_cells, *known.task_cells)}
        exercises = {f"check_{exercise}": points for exercise, points in self.lesson.points.items()}
        if points != exercises | self.lesson.own:
            raise SegcourseError(
                f"{self.lesson.path} and the gradebook have different graded cells or points for {name}; "
                f"run `nbgrader generate_assignment {name} --force`, or grade with the lesson as released."
            )

    @_explained
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
        with self._one_transaction(), _quiet():
            self.book.update_or_create_student(student)
            self.book.update_or_create_submission(
                name, student, **({"timestamp": timestamp} if timestamp else {})
            )
            notes += self._set_scores(result, resubmitted)
        self.update_penalty(result)
        return notes

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """Commit once, at the end; nbgrader's API commits at each step, and a failure would leave half."""
        session = self.book.db
        session.commit = session.flush
        try:
            yield
            del session.commit
            session.commit()
        finally:
            vars(session).pop("commit", None)
            session.rollback()

    def _set_scores(self, result: Result, resubmitted: bool) -> list[str]:
        """Set the marks and comments of a submission; return what a person should know."""
        name, student, notes = self.lesson.name, result.student, []
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
        return notes

    @_explained
    def update_penalty(self, result: Result) -> bool:
        """Set the late penalty by the current due date and rule; return whether it changed."""
        name, student = self.lesson.name, result.student
        submitted = self.book.find_submission_notebook(name, name, student)
        before = submitted.late_submission_penalty
        if not result.refusal and self.book.find_submission(name, student).total_seconds_late > 0:
            with _quiet():
                assign_penalty(self.course, self.lesson, student)
            self.book.db.expire_all()  # nbgrader wrote it through another connection
        elif before:
            submitted.late_submission_penalty = None
            self.book.db.commit()
        return submitted.late_submission_penalty != before

    @_explained
    def matches(self, result: Result) -> bool:
        """Return whether the gradebook, which may have been restored or removed, holds these scores."""
        try:
            submitted = self.book.find_submission_notebook(self.lesson.name, self.lesson.name, result.student)
        except MissingEntry:
            return False
        return all(grade.auto_score == result.marks.get(grade.name) for grade in submitted.grades)

    @_explained
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
