"""The class report: the results of a class in one lesson, as a page with charts and as CSV.

The report reads what grading recorded and runs nothing. Its pages contain students' names; with pseudonyms,
it can be shown to others.
"""

import datetime
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.regrade import Request, open_requests
from segcourse.grading.reports import charts, class_statistics, csv_tables, feedback, flags
from segcourse.grading.reports.class_statistics import Cause, Question
from segcourse.grading.reports.item_analysis import ENOUGH, WELL, chance_level, quartiles
from segcourse.grading.reports.lesson_text import lesson_text, number
from segcourse.grading.reports.records import ClassRecords, anonymize, pseudonyms, read_class
from segcourse.grading.reports.templates import template

MOST_CAUSES = 8  # in the list over all exercises


@dataclass(frozen=True)
class Report:
    """A class's records and their statistics.

    Attributes:
        records: The records.
        questions: The exercises and their groups.
        causes: The causes of wrong answers.
        same: Groups of students with nearly the same answer, by exercise.
        library: Students whose answer is nearly the library's own, by exercise.
        unusual: What students' notebooks do that no exercise needs, by kind.
        requests: Open regrade requests. An anonymous report has none: their words may tell who wrote them.
        anonymous: Whether names are replaced by pseudonyms.
    """

    records: ClassRecords
    questions: list[Question]
    causes: list[Cause]
    same: dict[str, list[list[str]]]
    library: dict[str, list[str]]
    unusual: dict[str, dict[str, list[str]]]
    requests: list[Request]
    anonymous: bool = False

    @property
    def summary(self) -> str:
        """The number of submissions, their statuses and the scores, in sentences."""
        entries, absent = self.records.entries, len(self.records.absent)
        handed_in = f"{len(entries)} handed in" + (f", {absent} did not" if absent else "")
        kinds = Counter(entry.status.partition(":")[0] for entry in entries)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        sentences = [f"{handed_in}{': ' if entries else ''}{counts}."]
        if doubts := self.records.doubts:
            sentences.append(f"Some of the absent may have handed in {doubts}.")
        if scores := class_statistics.scores(self.records):
            low, middle, high = quartiles(scores)
            spread = f"; the middle half is between {low:.3g} and {high:.3g}" if len(scores) > 3 else ""
            sentences.append(f"The median score is {middle:.3g} of {self.most:g}{spread}.")
        if waiting := sum(entry.waiting > 0 for entry in entries):
            sentences.append(f"{waiting} still need points by hand; their scores so far are included.")
        return " ".join(sentences)

    @property
    def commonest(self) -> list[Cause]:
        """The commonest causes of wrong answers over all exercises."""
        named = [cause for cause in self.causes if cause.says != class_statistics.UNKNOWN]
        return sorted(named, key=lambda cause: -cause.count)[:MOST_CAUSES]

    @property
    def exercises(self) -> list[str]:
        """The names of the exercises, in the lesson's order."""
        return list(dict.fromkeys(name for entry in self.records.graded for name in entry.verdicts))

    @property
    def labels(self) -> dict[str, str]:
        """What the page calls each student who handed in."""
        return {entry.student: entry.label for entry in self.records.entries}

    @property
    def causes_by_exercise(self) -> dict[str, list[Cause]]:
        """The causes of wrong answers by exercise, in the lesson's order."""
        found: dict[str, list[Cause]] = {}
        for cause in self.causes:
            found.setdefault(cause.exercise, []).append(cause)
        return found

    @property
    def most(self) -> float:
        """The most points that the lesson gives."""
        return max((entry.max_score for entry in self.records.entries), default=0.0)


def build(course: Course, lesson: str, hide_names: bool = False) -> Report:
    """Read the class's records and compute the report, with pseudonyms if `hide_names`."""
    records = read_class(course, lesson)
    same, library = flags.similar_answers(course, records), flags.library_answers(course, records)
    unusual = flags.unusual_notebooks(course, records)
    if hide_names:
        names = pseudonyms(course, records)
        records = anonymize(course, records, names)
        same = {
            exercise: [sorted(names[student] for student in group) for group in groups]
            for exercise, groups in same.items()
        }
        unusual = {names[student]: {kind: [] for kind in found} for student, found in unusual.items()}
        library = {name: sorted(names[student] for student in who) for name, who in library.items()}
    questions, causes = class_statistics.questions(records), class_statistics.causes(records)
    requests = [] if hide_names else open_requests(course, lesson)
    return Report(records, questions, causes, same, library, unusual, requests, hide_names)


def page(report: Report, links: Mapping[str, str] | None = None) -> str:
    """Return the page as text: self-contained, without scripts, and with all submitted text escaped.

    Args:
        report: The report.
        links: The addresses of students' pages.
    """
    records, images = report.records, {}
    if scores := class_statistics.scores(records):
        images["scores"] = charts.scores_chart(scores, report.most)
    if report.questions:
        images["exercises"] = charts.exercises_chart(report.questions)
        images["separation"] = charts.separation_chart(report.questions)
    if seconds := [entry.result.seconds for entry in records.graded]:
        images["seconds"] = charts.seconds_chart(seconds)
    return template("report.html.j2").render(
        report=report,
        records=records,
        lesson=lesson_text(records.lesson),
        links=links or {},
        numbers={name: number(name) for name in report.exercises},
        charts={name: Markup(image) for name, image in images.items()},
        seconds=quartiles(seconds),
        enough=ENOUGH,
        well=WELL,
        chance=chance_level(len(records.graded)),
        statistics=class_statistics,
        written=f"{datetime.datetime.now():%d %B %Y, %H:%M}",
    )


def write(
    lesson: str, course: Path, out: Path | None = None, *, hide_names: bool = False
) -> tuple[Path, Report]:
    """Write index.html, students.csv, questions.csv and misconceptions.csv.

    Args:
        lesson: The lesson's name or number.
        course: nbgrader's course folder.
        out: The folder for the report. Default: reports/<lesson> in the course folder, or
            reports/<lesson>-anonymous.
        hide_names: Replace names with pseudonyms.

    Returns:
        The page's path, and the report.

    Raises:
        SegcourseError: There is no such lesson or course folder, or the folder cannot be written to.
    """
    opened = Course.open(Path(course))
    name = find_lesson(opened, lesson)
    report = build(opened, name, hide_names)
    folder = out or opened.root / "reports" / (f"{name}-anonymous" if hide_names else name)
    csv_tables.write(folder, report.records, report.questions, report.causes)
    with replacing(folder / "index.html") as temporary:
        links = {} if hide_names else _links(opened, report.records, folder)
        temporary.write_text(page(report, links), encoding="utf-8")
    return folder / "index.html", report


def _links(course: Course, records: ClassRecords, folder: Path) -> dict[str, str]:
    """Return the addresses of students' pages, relative to the report's folder."""
    pages = {entry.student: course.feedback(entry.student, records.lesson) for entry in records.entries}
    return {
        student: quote(Path(os.path.relpath(path, folder.resolve())).as_posix())
        for student, path in pages.items()
        if path.is_file()
    }


def rewrite_pages(lesson: str, course: Path) -> int:
    """Rewrite the students' feedback pages with the gradebook's current marks; return how many.

    Raises:
        SegcourseError: There is no such lesson or course folder.
    """
    opened = Course.open(Path(course))
    entries = read_class(opened, find_lesson(opened, lesson)).entries
    recorded = [entry for entry in entries if entry.result]
    for entry in recorded:
        feedback.write(opened, entry.result, entry.marks)
    return len(recorded)


def find_lesson(course: Course, lesson: str) -> str:
    """Return the full name of a lesson by its name or number, if the class handed it in or the course has it.

    Raises:
        LessonError: There is no such lesson.
    """
    from segcourse.course.lessons import find

    handed_in = {
        path.name for kind in ("submitted", "autograded") for path in course.root.glob(f"{kind}/*/*")
    }
    return lesson if lesson in handed_in else find(lesson, course.lessons).name
