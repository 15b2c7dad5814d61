"""The instructors' side: from a folder of submissions to marks that a teacher can trust.

Five steps: admit (`admit`), run in a sandbox (`sandbox`, `probe`), judge (`verdict`), record in nbgrader's
gradebook (`gradebook`, `autograded`), tell (`feedback`). A submission never grades itself: it is only
observed, and judged in another process.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcourse.grading.verdict import Result

__all__ = ["ClassResult", "Session", "grade_lesson"]


@dataclass(frozen=True)
class ClassResult:
    """What a whole class got for one lesson."""

    lesson: str
    results: tuple["Result", ...]

    def to_json(self) -> dict[str, Any]:
        return {"lesson": self.lesson, "students": [result.to_json() for result in self.results]}

    def json(self) -> str:
        return json.dumps(self.to_json(), indent=1)

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


class Session:
    """One lesson of one course, open for grading; one writer at a time.

    `lessons` is the folder of lessons (default: the course's own), `limits` go before those in course.toml.
    `trust` runs submissions without a sandbox.

    Raises:
        SegcourseError: no such lesson or course folder, an unreadable course.toml, or no sandbox here.
    """

    def __init__(
        self,
        lesson: str,
        course: Path,
        *,
        lessons: Path | None = None,
        limits: dict[str, float | None] | None = None,
        trust: bool = False,
    ) -> None:
        from segcourse.grading.bubblewrap import command_line
        from segcourse.grading.course import Course
        from segcourse.grading.gradebook import Book
        from segcourse.grading.notebooks import read_lesson

        if lessons is None:
            from segcourse.lessons import find

            folder = find(lesson)
        else:
            folder = Path(lessons) / lesson
        self.lesson = read_lesson(folder / f"{folder.name}.ipynb")
        self.course, self.trust = Course.open(Path(course), **(limits or {})), trust
        if not trust:
            command_line()
        self.book = Book(self.course, self.lesson)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self.book.close()

    def grade(self, student: str) -> "Result":
        """All five steps for one student; a submission that cannot be graded is a result like any other."""
        from segcourse.grading import autograded, feedback
        from segcourse.grading.verdict import Result, grade_submission

        try:
            result = grade_submission(self.course, self.lesson, student, self.trust)
        except Exception as error:  # a fault of ours is one student's "could not be graded", not the class's
            refusal = f"the grader itself failed ({type(error).__name__}: {error}); please report it."
            result = Result(student, self.lesson.name, max_points=self.lesson.points, refusal=refusal)
        before = autograded.graded_before(self.course, student, self.lesson.name)
        notes = self.book.record(result, resubmitted=before is not None and before != result.digest)
        result = replace(result, repairs=(*result.repairs, *notes))
        autograded.write(self.course, self.lesson, result)
        feedback.write(self.course, result)
        return result

    def notebook(self, result: "Result") -> Any:
        """The notebook that formgrader shows for `result`."""
        from segcourse.grading import autograded

        return autograded.notebook(self.lesson, result)


def grade_lesson(
    lesson: str, course: Path, *, students: list[str] | None = None, progress: bool = False, **options: Any
) -> ClassResult:
    """Grade what the class handed in for `lesson` under `course`; no submission stops the batch.

    `students` limits the batch, `progress` draws a bar with the time left; `options` go to `Session`, which
    also says what is raised.
    """
    from tqdm import tqdm

    with Session(lesson, course, **options) as session:
        name = session.lesson.name
        wanted = [s for s in session.course.students(name) if students is None or s in students]
        bar = tqdm(wanted, desc=name, unit="submission", disable=not progress)
        return ClassResult(name, tuple(session.grade(student) for student in bar))
