"""Step 5, tell: one HTML page a student, self-contained and safe to open.

Jinja escapes every value, and the page's own policy forbids scripts, frames and everything from elsewhere,
should anything slip through. What a check says comes from `exercises.display`, which escapes too.
"""

import functools
from dataclasses import dataclass

from segcourse import exercises
from segcourse.exercises import engine
from segcourse.exercises.verdicts import Verdict
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.gradebook.marks import Mark, Marks
from segcourse.grading.reports.templates import template
from segcourse.grading.scoring.result import OwnTest, Result

MAX_EXAMPLES = 2  # of what a group of cases asks


def write(course: Course, result: Result, marks: Marks | None = None) -> None:
    """Write feedback/<student>/<lesson>/<lesson>.html, where nbgrader keeps and releases feedback."""
    with replacing(course.feedback(result.student, result.lesson)) as temporary:
        temporary.write_text(page(course, result, marks), encoding="utf-8")


def page(course: Course, result: Result, marks: Marks | None = None) -> str:
    """The page as text; `marks` are the gradebook's, so that the page says no other score than it does."""
    rows = [Row.of(verdict, result, marks) for verdict in result.verdicts]
    score, most = result.score, result.max_score
    if marks is not None and (result.refusal is None or marks.by_hand):
        score, most = marks.score, marks.max_points
    own = [(test, _now(test, marks)) for test in result.tests]
    return template("feedback.html.j2").render(
        course=course.name,
        result=result,
        marks=marks,
        score=score,
        most=most,
        rows=rows,
        own=own,
        examples=examples,
    )


def _now(test: OwnTest, marks: Marks | None) -> float | None:
    """The points of one of the instructor's own cells, a person's before the grader's."""
    mark = marks.of(test.grade_id) if marks else None
    return mark.by_hand if mark and mark.by_hand is not None else test.points


@dataclass(frozen=True)
class Row:
    """One exercise on the page: its verdict, its points in the lesson, and what a person made of them."""

    verdict: Verdict
    automatic: float
    max_points: float
    mark: Mark | None

    @classmethod
    def of(cls, verdict: Verdict, result: Result, marks: Marks | None) -> "Row":
        mark = marks.of(f"check_{verdict.name}") if marks else None
        return cls(verdict, result.points[verdict.name], result.max_points[verdict.name], mark)

    @property
    def by_hand(self) -> bool:
        return self.mark is not None and self.mark.by_hand is not None

    @property
    def points(self) -> float:
        """What counts, as the gradebook has it."""
        return self.mark.points if self.by_hand else self.automatic

    def group_points(self, group) -> float:
        """A group's points are scaled to what the lesson gives for the exercise."""
        return group.max_points * self.max_points / (self.verdict.max_points or 1)


@functools.cache
def examples(exercise: str) -> dict[str, tuple[str, ...]]:
    """What each group of an exercise's cases is about, in the words of its practice cases.

    >>> examples("dice_score")["empty masks"][0]
    'both masks are empty'
    """
    notes: dict[str, list[str]] = {}
    for case in engine.draw(exercises.get(exercise)):
        known = notes.setdefault(case.group, [])
        if case.note and case.note not in known:
            known.append(case.note)
    return {group: tuple(said[:MAX_EXAMPLES]) for group, said in notes.items()}
