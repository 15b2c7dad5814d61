"""Flags for a person to look at, none of which is proof of anything.

Flagged are answers that are nearly the same, answers that are nearly the library's own, and notebooks that do
what no exercise needs: start processes, open sockets, open files outside the lesson, look into Python itself.
Untouched stubs and short answers are not flagged: there is often only one good way to write them.
"""

import functools
import inspect
import io
import keyword
import pkgutil
import re
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterable, Mapping

from segcourse import exercises
from segcourse.exercises.engine.observations import clip
from segcourse.grading.course import Course
from segcourse.grading.gradebook.autograded import read_answers, read_cells
from segcourse.grading.reports.records import ClassRecords

MIN_LINES, MIN_WORDS = 5, 40  # two people hardly write an answer of this length alike by chance
# Right answers in other styles share at most 0.75 of their sequences with the library, and 0.5 with each
# other; a copy with other names and comments shares all, one with a line or two changed 0.8 or more.
SIMILAR = 0.8
SEQUENCE = 4  # words
# what a notebook needs if it asks another program for its numbers
PROCESSES, SOCKETS = "starts processes", "opens sockets"
FILES, PYTHON = "opens files outside the lesson", "looks into Python itself"
_WORDS = {
    PROCESSES: "subprocess Popen multiprocessing ProcessPoolExecutor pexpect pty",
    SOCKETS: "socket socketserver urllib urllib3 requests http httpx aiohttp ftplib smtplib xmlrpc",
    PYTHON: "ctypes cffi gc jit exec importlib import_module getsource _getframe currentframe settrace "
    "setprofile __code__ __globals__ __subclasses__ get_ipython run_cell",
}
UNUSUAL = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_OS = re.compile(r"system|popen|fork\w*|exec[lv]\w*|(?:posix_)?spawn\w*")  # of the module os
_SHELL = re.compile(r"^[ \t]*((?:!|%%?(?:bash|sh|script|system|sx|run)\b)[^\n]*)", re.MULTILINE)
_INSTALLS = re.compile(r"^[ \t]*[!%]pip\b.*$", re.MULTILINE)  # common in Colab, and harmless
_FOLDERS = "proc|sys|dev|etc|root|home|Users|usr|var|opt|mnt|srv|tmp|lib|bin"
_OUTSIDE = re.compile(rf"""[rbfu]{{0,2}}['"]{{0,3}}(?:/(?:{_FOLDERS})\b|~\w*/|\.\./|[a-z]:[\\/])""", re.I)
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


def sequences(words: Iterable[str]) -> Counter[str]:
    """Return how often each sequence of four words occurs; all names but those of attributes are alike.

    >>> sequences(["total", "=", "mask", ".", "sum"])
    Counter({'N = N .': 1, '= N . sum': 1})
    """
    text, before = [], ""
    for word in words:
        is_name = word.isidentifier() and not keyword.iskeyword(word) and before != "."
        text.append("N" if is_name else word)
        before = word
    return Counter(" ".join(text[i : i + SEQUENCE]) for i in range(len(text) - SEQUENCE + 1))


def is_from_library(name: str, source: str) -> bool:
    """Return whether an answer contains nearly all of the library's own; a single statement does not count.

    >>> import inspect
    >>> from segcourse import dice_score, mean_iou
    >>> copied = inspect.getsource(dice_score).replace("prediction", "guess")
    >>> is_from_library("dice_score", f"%%time\\n{copied}")
    True
    >>> is_from_library("mean_iou", inspect.getsource(mean_iou))  # return iou_per_class(matrix).nanmean()
    False
    """
    read = statements_and_words(source)
    found = sequences(read[1]) if read else Counter()
    return any((reference & found).total() >= SIMILAR * reference.total() for reference in _references(name))


@functools.cache
def _references(name: str) -> tuple[Counter[str], ...]:
    """Return the sequences of the exercise's answer and of the library's functions that do the same."""
    exercise = exercises.get(name)
    finished = [path for path in exercise.finished if path.startswith("segcourse.")]
    texts = [inspect.getsource(part) for part in (exercise.answer, *map(pkgutil.resolve_name, finished))]
    found = [statements_and_words(textwrap.dedent(text)) for text in texts]
    return tuple(sequences(words) for statements, words in found if statements > 2)


def groups(answers: Mapping[str, str]) -> list[list[str]]:
    """Return groups of two or more students whose answers (student -> source) are nearly the same.

    >>> long = "def f(x):\\n" + "    x = x + 1 - 1 * x\\n" * 5 + "    return x"
    >>> groups({"ada": long, "bob": long.replace("x", "y"), "eve": "def f(x):\\n    return x"})
    [['ada', 'bob']]
    """
    found = {}
    for student, source in answers.items():
        read = statements_and_words(source)
        if read and read[0] >= MIN_LINES and len(read[1]) >= MIN_WORDS:
            found[student] = sequences(read[1])
    return _similar(found) if len(found) > 1 else []


def _similar(found: Mapping[str, Counter[str]]) -> list[list[str]]:
    from scipy.sparse.csgraph import connected_components
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.neighbors import radius_neighbors_graph

    counts = DictVectorizer().fit_transform(found.values())
    alike = radius_neighbors_graph(counts, 1 - SIMILAR, metric="cosine")
    together: dict[int, list[str]] = {}
    for student, label in zip(found, connected_components(alike, directed=False)[1], strict=True):
        together.setdefault(label, []).append(student)
    return [students for students in together.values() if len(students) > 1]


def similar_answers(course: Course, records: ClassRecords) -> dict[str, list[list[str]]]:
    """Return the groups of students with nearly the same answer, by exercise, without the library's own."""
    found = {}
    for name, texts in _answers(course, records).items():
        own = {student: text for student, text in texts.items() if not is_from_library(name, text)}
        found[name] = groups(own)
    return {name: same for name, same in found.items() if same}


def library_answers(course: Course, records: ClassRecords) -> dict[str, list[str]]:
    """Return the students whose answer is nearly the library's own, by exercise."""
    found = {
        name: [student for student, source in texts.items() if is_from_library(name, source)]
        for name, texts in _answers(course, records).items()
    }
    return {name: students for name, students in found.items() if students}


def unusual_code(source: str) -> dict[str, list[str]]:
    """Return what a cell does that no exercise needs, each kind with the words that show it.

    >>> unusual_code("import os\\nos.system('ls')  # subprocess")
    {'starts processes': ['os.system']}
    >>> unusual_code("open('/etc/passwd')")
    {'opens files outside the lesson': ["'/etc/passwd'"]}
    """
    source = _INSTALLS.sub("", source)
    read = statements_and_words(source)
    words = read[1] if read else re.findall(r"\w+|[^\w\s]", re.sub(r"#.*", "", source))  # not Python
    imports_os = "from os import" in " ".join(words)
    found = [(PROCESSES, clip(line, 60)) for line in _SHELL.findall(source)]
    for two, one, word in zip(("", "", *words), ("", *words), words, strict=False):
        of_os = imports_os or (two, one) == ("os", ".")
        if of_os and _OS.fullmatch(word):
            found.append((PROCESSES, f"os.{word}"))
        elif word in UNUSUAL:
            found.append((UNUSUAL[word], word))
        elif _OUTSIDE.match(word):
            found.append((FILES, clip(word, 60)))
    kinds: dict[str, set[str]] = {}
    for kind, word in found:
        kinds.setdefault(kind, set()).add(word)
    return {kind: sorted(words) for kind, words in kinds.items()}


def unusual_notebooks(course: Course, records: ClassRecords) -> dict[str, dict[str, list[str]]]:
    """Return what each student's notebook does that no exercise needs, if it does so."""
    found = {}
    for entry in records.graded:
        cells = read_cells(course, entry.student, records.lesson)
        code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        kinds: dict[str, set[str]] = {}
        for seen in map(unusual_code, code):
            for kind, words in seen.items():
                kinds.setdefault(kind, set()).update(words)
        if kinds:
            found[entry.student] = {kind: sorted(words) for kind, words in kinds.items()}
    return found


def _answers(course: Course, records: ClassRecords) -> dict[str, dict[str, str]]:
    """Return the sources of all answers that were started, by exercise and student."""
    answers: dict[str, dict[str, str]] = {}
    for entry in records.graded:
        for name, source in read_answers(course, entry.student, records.lesson).items():
            if name in entry.verdicts and entry.verdicts[name].started:
                answers.setdefault(name, {})[entry.student] = source
    return answers
