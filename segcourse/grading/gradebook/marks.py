"""What nbgrader's gradebook says now: points given by hand, late penalties, and what still needs a person.

The grader's own records hold none of this. Every page that shows a score reads it here, so that it never
contradicts the gradebook.
"""

from dataclasses import dataclass

from segcourse.grading.course import Course
from segcourse.grading.gradebook.opening import open_gradebook


@dataclass(frozen=True)
class Mark:
    """One graded cell of one submission.

    Attributes:
        name: nbgrader's name of the cell.
        max_points: The most points that the cell can give.
        automatic: The automatic points; None if there are none.
        by_hand: The points that a person gave; None if there are none.
        comment: The comment that a person wrote.
        review: Whether nbgrader wants a person to look at the cell.
    """

    name: str
    max_points: float
    automatic: float | None = None
    by_hand: float | None = None
    comment: str = ""
    review: bool = False

    @property
    def points(self) -> float:
        """The points that count: those given by hand replace automatic ones."""
        return (self.automatic or 0.0) if self.by_hand is None else self.by_hand

    @property
    def waiting(self) -> bool:
        """Whether the cell has no points yet and needs a person."""
        return self.review and self.automatic is None and self.by_hand is None


@dataclass(frozen=True)
class Marks:
    """One submission in the gradebook; `status` is that of `nbgrader export`.

    >>> marks = Marks((Mark("check_a", 3, 2.0), Mark("essay", 5, None, 4.0)), penalty=1.0, status="graded")
    >>> marks.automatic, marks.by_hand, marks.score, marks.max_points
    (2.0, 4.0, 5.0, 8)
    """

    cells: tuple[Mark, ...]
    penalty: float = 0.0
    status: str = "graded"

    @property
    def automatic(self) -> float:
        return sum(mark.points for mark in self.cells if mark.by_hand is None)

    @property
    def by_hand(self) -> float:
        return sum(mark.points for mark in self.cells if mark.by_hand is not None)

    @property
    def max_points(self) -> float:
        return sum(mark.max_points for mark in self.cells)

    @property
    def score(self) -> float | None:
        """The points minus the late penalty, at least 0; None if the submission could not be graded."""
        if self.status.startswith("could not be graded"):
            return None
        return max(0.0, self.automatic + self.by_hand - self.penalty)

    @property
    def waiting(self) -> tuple[Mark, ...]:
        return tuple(mark for mark in self.cells if mark.waiting)

    def of(self, name: str) -> Mark | None:
        """Return the mark of one cell, by nbgrader's name of it."""
        return next((mark for mark in self.cells if mark.name == name), None)


def marks_of(submission) -> Marks:
    """Return the marks of one of nbgrader's SubmittedAssignments."""
    cells = []
    for notebook in submission.notebooks:
        comments = {comment.name: comment.manual_comment or "" for comment in notebook.comments}
        for grade in notebook.grades:
            by_hand = grade.manual_score
            if grade.extra_credit:
                by_hand = (by_hand if by_hand is not None else grade.auto_score or 0.0) + grade.extra_credit
            about = (comments.get(grade.name, ""), bool(grade.needs_manual_grade))
            cells.append(Mark(grade.name, grade.cell.max_score or 0.0, grade.auto_score, by_hand, *about))
    return Marks(tuple(cells), submission.late_submission_penalty or 0.0, status_of(submission))


@dataclass(frozen=True)
class ClassMarks:
    """All students in a course's gradebook.

    Attributes:
        marks: Each student's marks in one lesson; None if the student did not hand in.
        names: Each student's first name, last name and email, as far as they are known.
    """

    marks: dict[str, Marks | None]
    names: dict[str, tuple[str, ...]]


def read_marks(course: Course, lesson: str) -> ClassMarks:
    """Read the gradebook's marks in `lesson`; there are none if the course has no gradebook yet.

    Raises:
        GradebookError: The gradebook cannot be read.
    """
    if not course.gradebook.exists():
        return ClassMarks({}, {})
    with open_gradebook(course) as book:
        students = book.students
        names = {s.id: tuple(filter(None, (s.first_name, s.last_name, s.email))) for s in students}
        known = lesson in [assignment.name for assignment in book.assignments]
        submissions = book.assignment_submissions(lesson) if known else ()
        handed_in = {submission.student_id: marks_of(submission) for submission in submissions}
    return ClassMarks({student: handed_in.get(student) for student in names}, names)


def status_of(submission) -> str:
    """Return "graded", "needs manual grading" or "could not be graded: …" for nbgrader's `submission`."""
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    comments = [
        comment.auto_comment or "" for notebook in submission.notebooks for comment in notebook.comments
    ]
    refused = next((text for text in comments if text.startswith("could not be graded")), None)
    if refused and any(grade.auto_score is None and grade.manual_score is None for grade in grades):
        return refused
    return "needs manual grading" if submission.needs_manual_grade else "graded"
