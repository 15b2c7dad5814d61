"""The instructors' side: from a folder of submissions to marks that a teacher can trust.

Five steps: admit (`admit`), run in a sandbox (`sandbox`, `probe`), judge (`verdict`), record in nbgrader's
gradebook (`gradebook`, `autograded`), tell (`feedback`). A submission never grades itself: it is only
observed, and judged in another process.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcourse.grading.verdict import Result

__all__ = ["ClassResult", "grade_lesson"]


@dataclass(frozen=True)
class ClassResult:
    """What a whole class got for one lesson."""

    lesson: str
    results: tuple["Result", ...]

    def to_json(self) -> dict[str, Any]:
        return {"lesson": self.lesson, "students": [result.to_json() for result in self.results]}

    def table(self) -> str:
        """One line a student, then how many there are of each kind."""
        width = max((len(result.student) for result in self.results), default=7)
        lines = [f"{'student':<{width}}  {'points':>13}  status"]
        for result in self.results:
            most = sum(result.max_points.values())
            points = "no score" if result.score is None else f"{result.score:.3g} of {most:.3g}"
            lines.append(f"{result.student:<{width}}  {points:>13}  {result.status}")
        kinds = [result.status.split(":")[0] for result in self.results]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
        return "\n".join(
            [
                *lines,
                f"{len(kinds)} submissions of {self.lesson}: {counts}"
                if kinds
                else f"No one handed in {self.lesson}.",
            ]
        )


def grade_lesson(
    lesson: str,
    course: Path,
    *,
    lessons: Path | None = None,
    trust: bool = False,
    students: list[str] | None = None,
    limits: dict[str, float | None] | None = None,
    on_student: Callable[["Result", int, int], None] | None = None,
) -> ClassResult:
    """Grade what the class handed in for `lesson` under `course`, one after another; nothing a submission is
    stops the batch.

    `lessons` is the folder of lessons (default: the course's own), `students` limits the batch, `limits` go
    before those in course.toml, `on_student(result, done, of)` is told each result. `trust` runs submissions
    without a sandbox.

    Raises:
        SegcourseError: no such lesson or course folder, an unreadable course.toml, or no sandbox here.
    """
    from segcourse.grading import autograded, bubblewrap, feedback
    from segcourse.grading.course import Course
    from segcourse.grading.gradebook import Book
    from segcourse.grading.notebooks import read_lesson
    from segcourse.grading.verdict import Result, grade_submission

    handed_out = read_lesson(_path(lesson, lessons))
    place = Course.open(Path(course), **(limits or {}))
    if not trust:
        bubblewrap.command_line()
    wanted = [name for name in place.students(handed_out.name) if students is None or name in students]
    results = []
    with Book(place, handed_out) as book:
        for student in wanted:
            try:
                result = grade_submission(place, handed_out, student, trust)
            except (
                Exception
            ) as error:  # a fault of ours is one student's "could not be graded", not the class's
                refusal = f"the grader itself failed ({type(error).__name__}: {error}); please report it."
                result = Result(student, handed_out.name, max_points=handed_out.points, refusal=refusal)
            before = autograded.graded_before(place, student, handed_out.name)
            notes = book.record(result, resubmitted=before is not None and before != result.digest)
            result = replace(result, repairs=(*result.repairs, *notes))
            autograded.write(place, handed_out, result)
            feedback.write(place, result)
            results.append(result)
            if on_student:
                on_student(result, len(results), len(wanted))
    return ClassResult(handed_out.name, tuple(results))


def _path(lesson: str, lessons: Path | None) -> Path:
    from segcourse.lessons import find

    folder = find(lesson) if lessons is None else Path(lessons) / lesson
    return folder / f"{folder.name}.ipynb"
