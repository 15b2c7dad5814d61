"""Scores for Moodle's "Import grades from CSV" (https://docs.moodle.org/en/Grade_import).

Moodle asks which column identifies students (ID number or email address) and to which grade item and feedback
the last two columns belong.
"""

from collections.abc import Iterator
from pathlib import Path

from segcourse.files import write_csv
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.exports.scores import Scores


def write(path: Path, scores: Scores) -> None:
    """Write the scores, one row per student.

    Raises:
        SaveError: The file cannot be written.
    """
    write_csv(path, _rows(scores))


def _rows(scores: Scores) -> Iterator[tuple]:
    # Moodle's own names of the columns, as in its export
    yield (
        "ID number",
        "First name",
        "Last name",
        "Email address",
        scores.lesson,
        f"{scores.lesson} (Feedback)",
    )
    for row in scores.scores:
        known = (row.student, row.first_name, row.last_name, row.email, f"{row.score:.6g}", row.feedback)
        yield tuple(map(escape_formula, known))
