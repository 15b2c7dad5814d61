"""What a person may want to look at, and no proof of anything: answers that are word for word the same or the
library's own, and notebooks that use what no exercise needs.

Short answers are often alike because there is one good way to write them; they are left out, as are untouched
stubs.
"""

import functools
import hashlib
import inspect
import io
import json
import textwrap
import tokenize
from collections.abc import Mapping
from pathlib import Path

from segcourse import exercises
from segcourse.grading.course import Course
from segcourse.grading.reports.records import ClassRecords

MIN_LINES, MIN_WORDS = 5, 40  # of an answer that two people hardly write alike by chance
# What no exercise needs, and what a notebook that asks somebody else for its numbers can hardly do without.
MECHANICS = frozenset(
    {
        "subprocess", "Popen", "fork", "multiprocessing", "ctypes", "gc", "jit", "exec", "importlib",
        "import_module", "getsource", "_getframe", "currentframe", "settrace", "setprofile", "__code__",
        "__globals__", "__subclasses__", "run_cell",
    }
)  # fmt: skip
_PASSED_OVER = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)


def words(source: str) -> tuple[int, tuple[str, ...]] | None:
    """An answer's number of statements and its words; layout, comments and docstrings aside. None if it is no
    Python.

    >>> words("def f(x):\\n    'Half.'\\n    # of it\\n    return x / 2")
    (2, ('def', 'f', '(', 'x', ')', ':', 'return', 'x', '/', '2'))
    """
    statements, statement, found = 0, [], []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                if [kind for kind, _ in statement] != [tokenize.STRING]:
                    statements += 1
                    found += [word for _, word in statement]
                statement = []
            elif token.type not in _PASSED_OVER and token.string.strip():
                statement.append((token.type, token.string))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return statements, tuple(found)


def from_library(name: str, source: str) -> bool:
    """Whether an answer to exercise `name` holds the library's own text, typed or pasted; one statement alone
    does not count.

    >>> import inspect
    >>> from segcourse import dice_score, mean_iou
    >>> from_library("dice_score", "%%time\\n" + inspect.getsource(dice_score).replace("    ", "  "))
    True
    >>> from_library("mean_iou", inspect.getsource(mean_iou))  # return iou_per_class(matrix).nanmean()
    False
    """
    reference, read = _reference(name), words(source)
    if not reference or not read:
        return False
    return f"\0{reference}\0" in "\0" + "\0".join(read[1]) + "\0"


@functools.cache
def _reference(name: str) -> str:
    try:
        statements, found = words(textwrap.dedent(inspect.getsource(exercises.get(name).answer)))
    except (TypeError, OSError):  # an answer without source: a number, a choice
        return ""
    return "\0".join(found) if statements > 2 else ""


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
    """The groups of each exercise, from the autograded notebooks, the library's own text aside; `records`
    hold the students' own names."""
    found = {}
    for name, texts in _answers(course, records).items():
        theirs = {student: text for student, text in texts.items() if not from_library(name, text)}
        found[name] = groups(theirs)
    return {name: same for name, same in found.items() if same}


def library_in_class(course: Course, records: ClassRecords) -> dict[str, list[str]]:
    """Whose answer to each exercise holds the library's own text."""
    found = {
        name: [student for student, source in texts.items() if from_library(name, source)]
        for name, texts in _answers(course, records).items()
    }
    return {name: students for name, students in found.items() if students}


def unusual_in_class(course: Course, records: ClassRecords) -> dict[str, list[str]]:
    """Which words of `MECHANICS` a student's notebook holds outside of comments, for those that hold any."""
    found = {}
    for entry in records.graded:
        path = course.autograded(entry.student, records.lesson) / f"{records.lesson}.ipynb"
        used = set().union(*((words(source) or (0, ()))[1] for source in _sources(path)))
        if mechanics := sorted(used & MECHANICS):
            found[entry.student] = mechanics
    return found


def _answers(course: Course, records: ClassRecords) -> dict[str, dict[str, str]]:
    answers: dict[str, dict[str, str]] = {}
    for entry in records.graded:
        path = course.autograded(entry.student, records.lesson) / f"{records.lesson}.ipynb"
        for name, source in _exercise_cells(path).items():
            if name in entry.verdicts and entry.verdicts[name].started:
                answers.setdefault(name, {})[entry.student] = source
    return answers


def _exercise_cells(path: Path) -> dict[str, str]:
    """The labelled cells of one of the grader's own notebooks."""
    named = ((cell.get("metadata", {}).get("nbgrader", {}).get("grade_id"), cell) for cell in _cells(path))
    return {name: "".join(cell["source"]) for name, cell in named if name}


def _sources(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in _cells(path) if cell["cell_type"] == "code"]


def _cells(path: Path) -> list[dict]:
    """The cells of one of the grader's own notebooks; none where it is gone."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
