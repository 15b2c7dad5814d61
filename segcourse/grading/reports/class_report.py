"""The class report: what a class got for one lesson and why, as a page with charts and as CSV.

It reads what grading left behind and runs nothing. Its pages hold students' names; with pseudonyms it can be
shown around.
"""

import datetime
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.reports import charts, class_statistics, csv_tables, feedback, flags
from segcourse.grading.reports.class_statistics import Cause, Question
from segcourse.grading.reports.item_analysis import ENOUGH, chance, quartiles
from segcourse.grading.reports.records import ClassRecords, anonymous, pseudonyms, read_class
from segcourse.grading.reports.templates import template


@dataclass(frozen=True)
class Report:
    """A class's records with what they add up to; `same` holds groups of students by exercise, `library`
    whose answer is segcourse's own text, `unusual` what odd words a student's notebook holds."""

    records: ClassRecords
    questions: list[Question]
    causes: list[Cause]
    same: dict[str, list[list[str]]]
    library: dict[str, list[str]]
    unusual: dict[str, list[str]]
    anonymous: bool = False

    @property
    def summary(self) -> str:
        """How many handed in, what became of it, and the scores, in sentences."""
        entries, absent = self.records.entries, len(self.records.absent)
        handed_in = f"{len(entries)} handed in" + (f", {absent} did not" if absent else "")
        kinds = Counter(entry.status.partition(":")[0] for entry in entries)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        sentences = [f"{handed_in}{': ' if entries else ''}{counts}."]
        if scores := class_statistics.scores(self.records):
            low, middle, high = quartiles(scores)
            spread = f", the middle half lies between {low:.3g} and {high:.3g}" if len(scores) > 3 else ""
            sentences.append(f"The median score is {middle:.3g} of {self.most:g}{spread}.")
        if waiting := sum(entry.waiting > 0 for entry in entries):
            sentences.append(f"{waiting} wait for points by hand, and count with what they have so far.")
        return " ".join(sentences)

    @property
    def causes_by_exercise(self) -> dict[str, list[Cause]]:
        """The causes of wrong answers under their exercise, in the lesson's order."""
        found: dict[str, list[Cause]] = {}
        for cause in self.causes:
            found.setdefault(cause.exercise, []).append(cause)
        return found

    @property
    def most(self) -> float:
        """The highest number of points that the lesson gives."""
        return max((entry.max_score for entry in self.records.entries), default=0.0)


def build(course: Course, lesson: str, hide_names: bool = False) -> Report:
    """Read the class's records and work out the report; pseudonyms stand for names where `hide_names`."""
    records = read_class(course, lesson)
    same, library = flags.in_class(course, records), flags.library_in_class(course, records)
    unusual = flags.unusual_in_class(course, records)
    if hide_names:
        names = pseudonyms(course, records)
        records = anonymous(course, records, names)
        same = {
            exercise: [sorted(names[student] for student in group) for group in groups]
            for exercise, groups in same.items()
        }
        unusual = {names[student]: found for student, found in unusual.items()}
        library = {name: sorted(names[student] for student in who) for name, who in library.items()}
    questions, causes = class_statistics.questions(records), class_statistics.causes(records)
    return Report(records, questions, causes, same, library, unusual, hide_names)


def page(report: Report) -> str:
    """The page as text: self-contained, without scripts, every word of a submission escaped."""
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
        charts={name: Markup(chart) for name, chart in images.items()},
        seconds=quartiles(seconds),
        enough=ENOUGH,
        chance=chance(len(records.graded)),
        figures=class_statistics,
        written=f"{datetime.datetime.now():%d %B %Y, %H:%M}",
    )


def write(
    lesson: str, course: Path, out: Path | None = None, *, hide_names: bool = False
) -> tuple[Path, Report]:
    """Write index.html, students.csv, questions.csv and misconceptions.csv; returns the page and the report.

    They go to `out`, or to reports/<lesson> in the course folder (reports/<lesson>-anonymous with
    `hide_names`).

    Raises:
        SegcourseError: no such lesson or course folder, or the folder cannot be written to.
    """
    opened = Course.open(Path(course))
    name = find(opened, lesson)
    report = build(opened, name, hide_names)
    folder = out or opened.root / "reports" / (f"{name}-anonymous" if hide_names else name)
    csv_tables.write(folder, report.records, report.questions, report.causes)
    with replacing(folder / "index.html") as temporary:
        temporary.write_text(page(report), encoding="utf-8")
    return folder / "index.html", report


def rewrite_pages(lesson: str, course: Path) -> int:
    """Write the students' feedback pages anew, with the marks that are in the gradebook now; returns how
    many.

    Raises:
        SegcourseError: no such lesson or course folder.
    """
    opened = Course.open(Path(course))
    entries = read_class(opened, find(opened, lesson)).entries
    recorded = [entry for entry in entries if entry.result]
    for entry in recorded:
        feedback.write(opened, entry.result, entry.marks)
    return len(recorded)


def find(course: Course, lesson: str) -> str:
    """The full name of a lesson, by its name or number: one that this class handed in, or one of the
    course's.

    Raises:
        LessonError: there is none.
    """
    from segcourse.course.lessons import find as find_lesson

    handed_in = {
        path.name for kind in ("submitted", "autograded") for path in course.root.glob(f"{kind}/*/*")
    }
    if lesson in handed_in:
        return lesson
    return find_lesson(lesson).name
