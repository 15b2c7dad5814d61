"""What nbgrader's gradebook says now: points given by hand, late penalties, and what still needs a person.

The grader's own records hold none of this. Every page that shows a score reads it here, so that it never
contradicts the gradebook.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from segcourse.grading.course import Course
from segcourse.grading.gradebook.opening import open_gradebook
from segcourse.grading.late import duration

NEEDS_A_PERSON = "needs manual grading"


@dataclass(frozen=True)
class Mark:
    """One graded cell of one submission.

    Attributes:
        name: nbgrader's name of the cell.
        max_points: The most points that the cell can give.
        automatic: The automatic points; None if there are none.
        by_hand: The points that a person gave; None if there are none.
        review: Whether nbgrader wants a person to look at the cell.
    """

    name: str
    max_points: float
    automatic: float | None = None
    by_hand: float | None = None
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
    """One submission in the gradebook.

    Attributes:
        cells: The graded cells.
        penalty: The points subtracted for late submission.
        status: The status in `nbgrader export`.
        comments: What a person wrote in formgrader, by nbgrader's name of the cell: of an exercise or an
            answer the cell that students edit, which need not be the graded one.
        name: The student's name, if the gradebook knows it.
        handed_in: When the submission was handed in (UTC), if that is known.
        seconds_late: How long after the due date.

    >>> marks = Marks((Mark("check_a", 3, 2.0), Mark("essay", 5, None, 4.0)), penalty=1.0, status="graded")
    >>> marks.automatic, marks.by_hand, marks.score, marks.max_points
    (2.0, 4.0, 5.0, 8)
    >>> Marks(marks.cells, 1.0, "needs manual grading", seconds_late=9000).remarks
    ('4 by hand', '2 h 30 min late, minus 1', 'needs manual grading')
    """

    cells: tuple[Mark, ...]
    penalty: float = 0.0
    status: str = "graded"
    comments: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    handed_in: datetime | None = None
    seconds_late: float = 0.0

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

    @property
    def late(self) -> str:
        """How late the submission is and what that costs, in words; "" if it is not late."""
        cost = f", minus {self.penalty:.3g}" if self.penalty else ""
        return f"{duration(self.seconds_late)} late{cost}" if self.seconds_late else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the gradebook knows beyond the automatic points, for tables."""
        by_hand = any(mark.by_hand is not None for mark in self.cells)
        found = (f"{self.by_hand:.3g} by hand" if by_hand else "", self.late)
        return (*filter(None, found), *([self.status] if self.status == NEEDS_A_PERSON else []))

    def of(self, name: str) -> Mark | None:
        """Return the mark of one cell, by nbgrader's name of it."""
        return next((mark for mark in self.cells if mark.name == name), None)


def marks_of(submission) -> Marks:
    """Return the marks of one of nbgrader's SubmittedAssignments."""
    cells, comments = [], {}
    for notebook in submission.notebooks:
        comments |= {c.name: c.manual_comment for c in notebook.comments if c.manual_comment}
        for grade in notebook.grades:
            by_hand = grade.manual_score
            if grade.extra_credit:
                by_hand = (by_hand if by_hand is not None else grade.auto_score or 0.0) + grade.extra_credit
            review = bool(grade.needs_manual_grade)
            cells.append(Mark(grade.name, grade.cell.max_score or 0.0, grade.auto_score, by_hand, review))
    return Marks(
        tuple(cells),
        submission.late_submission_penalty or 0.0,
        status_of(submission),
        comments,
        " ".join(filter(None, (submission.student.first_name, submission.student.last_name))),
        submission.timestamp,
        submission.total_seconds_late,
    )


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
    return NEEDS_A_PERSON if submission.needs_manual_grade else "graded"
