"""The final scores of a lesson, with what platforms know students by."""

from dataclasses import dataclass

from nbgrader.api import MissingEntry

from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Marks, marks_of
from segcourse.grading.gradebook.opening import GradebookError, open_gradebook


@dataclass(frozen=True)
class Score:
    """One student's final score; what is not known about the student is empty.

    Attributes:
        student: The student's id: the name of the folder in submitted/.
        platform_id: The student's number on the platform, nbgrader's `lms_user_id`.
        score: The points that count, after a late penalty.
        feedback: The points of each exercise, in one line. It contains nothing that a student wrote.
    """

    student: str
    first_name: str
    last_name: str
    email: str
    platform_id: str
    score: float
    feedback: str


@dataclass(frozen=True)
class Scores:
    """The final scores of a lesson.

    Attributes:
        lesson: The lesson's name.
        max_points: The most points that the lesson gives.
        scores: The scores, by student.
        left_out: Why all other students have no final score, by student.
    """

    lesson: str
    max_points: float
    scores: tuple[Score, ...]
    left_out: dict[str, str]


def read(course: Course, lesson: str) -> Scores:
    """Read the scores of all students in the gradebook.

    A score that a person must still decide on is not final. A student who did not hand in gets no 0 here:
    that is for the platform's own rule, or for a person.

    Raises:
        GradebookError: The lesson has not been graded, or the gradebook cannot be read.
    """
    if not course.gradebook.exists():
        raise GradebookError(f"{course.gradebook} does not exist; run `segcourse grade {lesson}` first.")
    scores, left_out = [], {}
    with open_gradebook(course) as book:
        try:
            most = book.find_assignment(lesson).max_score
        except MissingEntry:
            raise GradebookError(
                f"{lesson} has not been graded yet; run `segcourse grade {lesson}`."
            ) from None
        handed_in = {each.student_id: marks_of(each) for each in book.assignment_submissions(lesson)}
        for student in book.students:
            marks = handed_in.get(student.id)
            if marks and marks.status == "graded" and marks.score is not None:
                known = (student.first_name, student.last_name, student.email, student.lms_user_id)
                known = (value or "" for value in known)
                scores.append(Score(student.id, *known, marks.score, _feedback(marks)))
            elif marks:
                left_out[student.id] = marks.status
            else:
                waits = course.submitted(student.id, lesson).exists()
                left_out[student.id] = "handed in, but not graded yet" if waits else "not handed in"
    return Scores(lesson, most, tuple(scores), left_out)


def _feedback(marks: Marks) -> str:
    cells = [
        f"{mark.name.removeprefix('check_')}: {mark.points:.3g} of {mark.max_points:g}"
        for mark in marks.cells
    ]
    return "; ".join([*cells, f"late penalty: {marks.penalty:.3g}"] if marks.penalty else cells)
