"""Flags for a person to look at, none of which is proof of anything.

Flagged are answers with identical text, answers with the library's own text, and notebooks that use words
which no exercise needs. Untouched stubs and short answers are not flagged: there is often only one good way
to write them.
"""

import functools
import hashlib
import inspect
import io
import json
import pkgutil
import textwrap
import tokenize
from collections.abc import Mapping

from segcourse import exercises
from segcourse.grading.course import Course
from segcourse.grading.reports.records import ClassRecords

MIN_LINES, MIN_WORDS = 5, 40  # two people hardly write an answer of this length alike by chance
# words that no exercise needs, but that a notebook needs if it asks another program for its numbers
UNUSUAL_WORDS = frozenset(
    {
        "subprocess", "Popen", "fork", "multiprocessing", "ctypes", "gc", "jit", "exec", "importlib",
        "import_module", "getsource", "_getframe", "currentframe", "settrace", "setprofile", "__code__",
        "__globals__", "__subclasses__", "run_cell",
    }
)  # fmt: skip
_IGNORED = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)


def statements_and_words(source: str) -> tuple[int, tuple[str, ...]] | None:
    """Return an answer's number of statements and its words; None if it is not Python.

    Layout, comments and docstrings are ignored.

    >>> statements_and_words("def f(x):\\n    'Half.'\\n    # of it\\n    return x / 2")
    (2, ('def', 'f', '(', 'x', ')', ':', 'return', 'x', '/', '2'))
    """
    statements, statement, words = 0, [], []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                if [kind for kind, _ in statement] != [tokenize.STRING]:
                    statements += 1
                    words += [word for _, word in statement]
                statement = []
            elif token.type not in _IGNORED and token.string.strip():
                statement.append((token.type, token.string))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return statements, tuple(words)


def is_from_library(name: str, source: str) -> bool:
    """Return whether an answer contains the library's own text; a single statement does not count.

    >>> import inspect
    >>> from segcourse import dice_score, mean_iou
    >>> is_from_library("dice_score", "%%time\\n" + inspect.getsource(dice_score).replace("    ", "  "))
    True
    >>> is_from_library("mean_iou", inspect.getsource(mean_iou))  # return iou_per_class(matrix).nanmean()
    False
    """
    read = statements_and_words(source)
    text = "\0".join(("", *read[1], "")) if read else ""
    return any(reference in text for reference in _references(name))


@functools.cache
def _references(name: str) -> tuple[str, ...]:
    """Return the words of the exercise's answer and of the library's functions that do the same."""
    exercise = exercises.get(name)
    finished = [path for path in exercise.finished if path.startswith("segcourse.")]
    texts = [inspect.getsource(part) for part in (exercise.answer, *map(pkgutil.resolve_name, finished))]
    found = [statements_and_words(textwrap.dedent(text)) for text in texts]
    return tuple("\0".join(("", *words, "")) for statements, words in found if statements > 2)


def groups(answers: Mapping[str, str]) -> list[list[str]]:
    """Return groups of two or more students whose answers (student -> source) have the same words.

    >>> long = "def f(x):\\n" + "    x = x + 1 - 1 * x\\n" * 5 + "    return x"
    >>> groups({"ada": long, "bob": long + "  # mine", "eve": "def f(x):\\n    return x"})
    [['ada', 'bob']]
    """
    found: dict[bytes, list[str]] = {}
    for student, source in answers.items():
        read = statements_and_words(source)
        if read and read[0] >= MIN_LINES and len(read[1]) >= MIN_WORDS:
            found.setdefault(hashlib.sha256(repr(read).encode()).digest(), []).append(student)
    return [students for students in found.values() if len(students) > 1]


def identical_answers(course: Course, records: ClassRecords) -> dict[str, list[list[str]]]:
    """Return the groups of students with identical answers, by exercise, without the library's own text."""
    found = {}
    for name, texts in _answers(course, records).items():
        own = {student: text for student, text in texts.items() if not is_from_library(name, text)}
        found[name] = groups(own)
    return {name: same for name, same in found.items() if same}


def library_answers(course: Course, records: ClassRecords) -> dict[str, list[str]]:
    """Return the students whose answer contains the library's own text, by exercise."""
    found = {
        name: [student for student, source in texts.items() if is_from_library(name, source)]
        for name, texts in _answers(course, records).items()
    }
    return {name: students for name, students in found.items() if students}


def unusual_words(course: Course, records: ClassRecords) -> dict[str, list[str]]:
    """Return the unusual words outside comments in each student's notebook, if there are any."""
    found = {}
    for entry in records.graded:
        cells = _cells(course, records, entry.student)
        code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        used = set().union(*((statements_and_words(source) or (0, ()))[1] for source in code))
        if words := sorted(used & UNUSUAL_WORDS):
            found[entry.student] = words
    return found


def _answers(course: Course, records: ClassRecords) -> dict[str, dict[str, str]]:
    """Return the sources of all answers that were started, by exercise and student."""
    answers: dict[str, dict[str, str]] = {}
    for entry in records.graded:
        for cell in _cells(course, records, entry.student):
            name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
            if name in entry.verdicts and entry.verdicts[name].started:
                answers.setdefault(name, {})[entry.student] = "".join(cell["source"])
    return answers


def _cells(course: Course, records: ClassRecords, student: str) -> list[dict]:
    """Return the cells of a student's autograded notebook; none if it is missing."""
    path = course.autograded(student, records.lesson) / f"{records.lesson}.ipynb"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
