"""Step 5, tell: one HTML page a student, self-contained and safe to open.

Jinja escapes every value, and the page's own policy forbids scripts, frames and everything from elsewhere,
should anything slip through. What a check says comes from `exercises.display`, which escapes too.
"""

import functools
from importlib.resources import files

import jinja2
from markupsafe import Markup

from segcourse.exercises.display import html
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.verdict import Result


def write(course: Course, result: Result) -> None:
    """Write feedback/<student>/<lesson>/<lesson>.html, where nbgrader keeps and releases feedback."""
    with replacing(course.feedback(result.student, result.lesson)) as temporary:
        temporary.write_text(page(course, result), encoding="utf-8")


def page(course: Course, result: Result) -> str:
    """The page as text."""
    verdicts = [
        (verdict, result.points[verdict.name], result.max_points[verdict.name]) for verdict in result.verdicts
    ]
    return _template().render(
        course=course.name, result=result, maximum=sum(result.max_points.values()), verdicts=verdicts
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "points": lambda number: f"{number:.3g}",
        "verdict": lambda verdict: Markup(html(verdict)),
    }
    return environment.from_string(
        (files("segcourse.grading") / "feedback.html.j2").read_text(encoding="utf-8")
    )
