"""Answers that are word for word the same: for a person to look at, and no proof of anything.

Short answers are often alike because there is one good way to write them; they are left out, as are untouched
stubs.
"""

import hashlib
import io
import json
import tokenize
from collections.abc import Mapping
from pathlib import Path

from segcourse.grading.course import Course
from segcourse.grading.records import ClassRecords

MIN_LINES, MIN_WORDS = 5, 40  # of an answer that two people hardly write alike by chance
_PASSED_OVER = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)


def words(source: str) -> tuple[int, tuple[str, ...]] | None:
    """An answer's number of lines of code and its words, comments and layout aside; None if it is not Python.

    >>> words("def f(x):\\n    # half\\n    return x / 2")
    (2, ('def', 'f', '(', 'x', ')', ':', 'return', 'x', '/', '2'))
    """
    lines, found = 0, []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            lines += token.type == tokenize.NEWLINE
            if token.type not in _PASSED_OVER and token.string.strip():
                found.append(token.string)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return lines, tuple(found)


def groups(answers: Mapping[str, str]) -> list[list[str]]:
    """Whose answers (student -> source) say the same, in groups of two and more.

    >>> long = "def f(x):\\n" + "    x = x + 1 - 1 * x\\n" * 5 + "    return x"
    >>> groups({"ada": long, "bob": long + "  # mine", "eve": "def f(x):\\n    return x"})
    [['ada', 'bob']]
    """
    found: dict[bytes, list[str]] = {}
    for student, source in answers.items():
        read = words(source)
        if read and read[0] >= MIN_LINES and len(read[1]) >= MIN_WORDS:
            found.setdefault(hashlib.sha256(repr(read).encode()).digest(), []).append(student)
    return [students for students in found.values() if len(students) > 1]


def in_class(course: Course, records: ClassRecords) -> dict[str, list[list[str]]]:
    """The groups of each exercise, from the autograded notebooks; `records` hold the students' own names."""
    answers: dict[str, dict[str, str]] = {}
    for entry in records.graded:
        path = course.autograded(entry.student, records.lesson) / f"{records.lesson}.ipynb"
        for name, source in _exercise_cells(path).items():
            if name in entry.verdicts and entry.verdicts[name].started:
                answers.setdefault(name, {})[entry.student] = source
    found = {name: groups(texts) for name, texts in answers.items()}
    return {name: same for name, same in found.items() if same}


def _exercise_cells(path: Path) -> dict[str, str]:
    """The labelled cells of one of the grader's own notebooks; nothing where it is gone."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    named = ((cell.get("metadata", {}).get("nbgrader", {}).get("grade_id"), cell) for cell in cells)
    return {name: "".join(cell["source"]) for name, cell in named if name}
