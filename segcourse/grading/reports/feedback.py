"""The feedback page of one student: one HTML file, self-contained and safe to open.

Jinja escapes every value. In addition, the page's own policy forbids scripts, frames and everything from
elsewhere. The explanations come from `exercises.engine.display`, which escapes too.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from segcourse import exercises
from segcourse.exercises.engine.exercise import ONCE_MORE, draw
from segcourse.exercises.engine.verdicts import Verdict
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.gradebook.autograded import read_answers
from segcourse.grading.gradebook.marks import Mark, Marks
from segcourse.grading.reports.lesson_text import lesson_text, number
from segcourse.grading.reports.templates import template
from segcourse.grading.scoring.result import InstructorCell, Result

MAX_EXAMPLES = 2  # per group of cases


def write(course: Course, result: Result, marks: Marks | None = None) -> None:
    """Write feedback/<student>/<lesson>/<lesson>.html, where nbgrader keeps and releases feedback."""
    with replacing(course.feedback(result.student, result.lesson)) as temporary:
        temporary.write_text(page(course, result, marks), encoding="utf-8")


def page(course: Course, result: Result, marks: Marks | None = None) -> str:
    """Return the page as text; `marks` are the gradebook's, whose score the page shows."""
    answers = read_answers(course, result.student, result.lesson)
    rows = [Row.of(verdict, result, marks, answers) for verdict in result.verdicts]
    score, most = result.score, result.max_score
    if marks is not None and (result.refusal is None or marks.by_hand):
        score, most = marks.score, marks.max_points
    own = [(test, _current_points(test, marks)) for test in result.tests]
    return template("feedback.html.j2").render(
        course=course.name,
        lesson=lesson_text(result.lesson),
        result=result,
        marks=marks,
        name=marks.name if marks else "",
        comments=marks.comments if marks else {},
        shown={row.verdict.name for row in rows},
        score=score,
        most=most,
        rows=rows,
        own=own,
        examples=examples,
    )


def _current_points(test: InstructorCell, marks: Marks | None) -> float | None:
    """Return the points of one of the instructor's cells: those given by hand, else the automatic ones."""
    mark = marks.of(test.grade_id) if marks else None
    return mark.by_hand if mark and mark.by_hand is not None else test.points


@dataclass(frozen=True)
class Row:
    """One exercise on the page: verdict, points in the lesson, mark in the gradebook, the student's code."""

    verdict: Verdict
    automatic: float
    max_points: float
    mark: Mark | None
    code: str = ""

    @classmethod
    def of(cls, verdict: Verdict, result: Result, marks: Marks | None, answers: Mapping[str, str]) -> "Row":
        name = verdict.name
        mark = marks.of(f"check_{name}") if marks else None
        return cls(verdict, result.points[name], result.max_points[name], mark, answers.get(name, ""))

    @property
    def number(self) -> str:
        """The exercise's number, such as "5.2"."""
        return number(self.verdict.name)

    @property
    def by_hand(self) -> bool:
        return self.mark is not None and self.mark.by_hand is not None

    @property
    def waiting(self) -> bool:
        """Whether the answer was not observed and has no points by hand yet."""
        return not self.verdict.observed and not self.by_hand

    @property
    def points(self) -> float:
        """The points that count."""
        return self.mark.points if self.by_hand else self.automatic

    def group_points(self, group) -> float:
        """Return the points of a group, scaled to what the lesson gives for the exercise."""
        return group.max_points * self.max_points / (self.verdict.max_points or 1)


@functools.cache
def examples(exercise: str) -> dict[str, tuple[str, ...]]:
    """Return examples of what each group of cases tests, taken from the practice cases.

    >>> examples("dice_score")["empty masks"][0]
    'both masks are empty'
    """
    found: dict[str, dict[str, None]] = {}  # dicts keep the order of the cases
    for case in draw(exercises.get(exercise)):
        traits = [trait for trait in case.traits if trait != ONCE_MORE]
        found.setdefault(case.group, {}).update(dict.fromkeys(traits))
    return {group: tuple(traits)[:MAX_EXAMPLES] for group, traits in found.items()}
