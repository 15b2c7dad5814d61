"""Scores for the import of Canvas's gradebook, in the columns that Canvas exports.

Canvas finds a student by ID, then by SIS User ID, then by SIS Login ID, then by name. It finds the
assignment by the number in brackets, or else by its name.
"""

from collections.abc import Iterator
from pathlib import Path

from segcourse.files import write_csv
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.exports.scores import Scores


def write(path: Path, scores: Scores, column: str) -> None:
    """Write the scores, one row per student.

    Args:
        path: The file to write.
        scores: The scores.
        column: The assignment as Canvas names it, such as "Lesson 5 (1234)".

    Raises:
        SaveError: The file cannot be written.
    """
    write_csv(path, _rows(scores, column))


def _rows(scores: Scores, column: str) -> Iterator[tuple]:
    yield "Student", "ID", "SIS User ID", "SIS Login ID", "Section", column
    yield "    Points Possible", "", "", "", "", f"{scores.max_points:g}"
    for row in scores.scores:
        name = ", ".join(filter(None, (row.last_name, row.first_name))) or row.student
        number = row.platform_id if row.platform_id.isdecimal() else ""  # Canvas's own ids are numbers
        known = (name, number, row.student, row.email or row.student, "", f"{row.score:.6g}")
        yield tuple(map(escape_formula, known))
