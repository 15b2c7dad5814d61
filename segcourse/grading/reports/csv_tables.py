"""The class report as CSV: one tidy file per table, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segcourse.files import replacing
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.reports.class_statistics import Cause, Question
from segcourse.grading.reports.records import ClassRecords, Entry

QUESTIONS = (
    "exercise", "group", "max_points", "students", "share_right", "mean_share", "share_not_started",
    "item_rest_correlation", "reading",
)  # fmt: skip
CAUSES = ("exercise", "misconception", "known", "students", "in_part", "share")


def write(folder: Path, records: ClassRecords, questions: list[Question], causes: list[Cause]) -> None:
    """Write students.csv, questions.csv and misconceptions.csv to `folder`."""
    exercises = [question.exercise for question in questions if question.group is None]
    columns = (
        "student", "name", "status", "score", "raw", "penalty", "hours_late", "automatic", "by_hand",
        "waiting", "max_score", *exercises, "seconds", "stopped_cells", "repairs",
    )  # fmt: skip
    rows = [_student(entry, exercises) for entry in records.entries]
    absent = f"not handed in, unless {records.doubts}" if records.doubts else "not handed in"
    rows += [{"student": student, "status": absent} for student in records.absent]
    write_table(folder / "students.csv", columns, rows)
    write_table(folder / "questions.csv", QUESTIONS, map(_question, questions))
    graded = len(records.graded)
    write_table(folder / "misconceptions.csv", CAUSES, (_cause(cause, graded) for cause in causes))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows to a file, without formulas that a spreadsheet would run."""
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval=None)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: escape_formula(_round(value)) for name, value in row.items()})


def _round(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _student(entry: Entry, exercises: list[str]) -> dict[str, Any]:
    row = {"student": entry.student, "status": entry.status, "score": entry.score}
    row["max_score"] = entry.max_score or None
    if entry.marks is not None and entry.score is not None:
        marks = entry.marks
        row |= {"raw": marks.automatic + marks.by_hand, "penalty": marks.penalty}
        row |= {"by_hand": marks.by_hand, "waiting": entry.waiting}
    if entry.marks:
        row |= {"name": entry.marks.name or None, "hours_late": entry.marks.seconds_late / 3600}
    if result := entry.result:
        row |= {"automatic": result.score, "seconds": result.seconds}
        row |= {name: result.marks.get(f"check_{name}") for name in exercises}
        row |= {"stopped_cells": len(result.stopped_cells), "repairs": "; ".join(result.repairs)}
    return row


def _question(question: Question) -> dict[str, Any]:
    values = (
        question.exercise, question.group, question.max_points, question.students, question.passed,
        question.mean, question.untouched, question.item_rest, question.interpretation,
    )  # fmt: skip
    return dict(zip(QUESTIONS, values, strict=True))


def _cause(cause: Cause, graded: int) -> dict[str, Any]:
    counts = (cause.count, cause.part, cause.count / graded)
    known = "yes" if cause.known else "no"
    return dict(zip(CAUSES, (cause.exercise, cause.says, known, *counts), strict=True))
