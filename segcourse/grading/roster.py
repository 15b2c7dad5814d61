"""The roster: who of the class handed in what, under which name.

The roster is nbgrader's own list of students, as far as it has names, e-mail addresses or a platform's ids.
Without such a list, a folder's name is the student's id. With it, a folder in submitted/ that has another
name is matched to a student: by itself if exactly one student can be meant, otherwise after a person decides.
The decisions are remembered in matches.csv.
"""

import csv
import functools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from rapidfuzz import fuzz, process  # nbgrader depends on it

from segcourse.errors import SegcourseError
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.gradebook.opening import open_gradebook

COLUMNS = ("lesson", "handed_in_as", "student", "reason", "perhaps")


@dataclass(frozen=True)
class Person:
    """A student on the roster; `platform_id` is nbgrader's lms_user_id."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    platform_id: str = ""

    @property
    def name(self) -> str:
        return ", ".join(filter(None, (self.last_name, self.first_name))) or self.email

    @property
    def keys(self) -> set[tuple[str, str]]:
        """What a folder of this person may be called, as `Roster` looks it up."""
        given, family = "".join(_words(self.first_name)), "".join(_words(self.last_name))
        name = " ".join(sorted(_words(f"{self.first_name} {self.last_name}")))
        keys = {
            ("id", _fold(self.id)),
            ("e-mail address", _fold(self.email)),
            ("platform's id", self.platform_id),
        }
        return keys | {("name", name), ("name", given + family), ("name", family + given)}


@dataclass(frozen=True)
class Match:
    """To whom a folder in submitted/ belongs.

    Attributes:
        folder: The folder's name.
        student: The student's id; None if a person must decide.
        why: The reason.
        perhaps: The ids of students who could be meant.
    """

    folder: str
    student: str | None
    why: str
    perhaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roster:
    """The class, and the decisions about names.

    Attributes:
        people: The students with a name, an e-mail address or a platform's id.
        rows: The rows of matches.csv.
    """

    people: tuple[Person, ...]
    rows: tuple[dict[str, str], ...] = ()

    def identify(self, lesson: str, folders: Sequence[str], are_ids: bool = True) -> list[Match]:
        """Match the folders of a lesson to students, each to another one.

        Args:
            lesson: The lesson's name.
            folders: The folders' names.
            are_ids: Whether a folder with a student's id belongs to this student, even if another claims it.
        """
        if not self.people:
            return [Match(folder, folder, "no roster") for folder in folders]
        matches = [self._match(lesson, folder) for folder in folders]
        claims = Counter(match.student for match in matches if match.student)
        return [self._unless_disputed(match, claims, are_ids) for match in matches]

    def _unless_disputed(self, match: Match, claims: Counter[str], are_ids: bool) -> Match:
        student = match.student
        if student is None or claims[student] == 1 or (are_ids and student == match.folder):
            return match
        why = f"{claims[student]} submissions could be from {student}"
        return Match(match.folder, None, why, (student,))

    def _match(self, lesson: str, folder: str) -> Match:
        if any(person.id == folder for person in self.people):
            return Match(folder, folder, "id")
        decided = [
            row for row in self.rows if row["student"] and row["handed_in_as"] == escape_formula(folder)
        ]
        here = {row["student"] for row in decided if row["lesson"] == lesson}
        if len(here) == 1:
            student = here.pop()
            if student == folder or any(person.id == student for person in self.people):
                return Match(folder, student, "confirmed")
            return Match(folder, None, f"matches.csv says {student}, who is not on the roster")
        same, why = self._same(folder)
        elsewhere = {row["student"] for row in decided}
        perhaps = tuple(dict.fromkeys([person.id for person in same] + sorted(elsewhere)))
        if len(perhaps) == 1:
            return Match(folder, perhaps[0], why or "confirmed for another lesson")
        if perhaps:
            return Match(folder, None, f"{len(perhaps)} students could be meant", perhaps)
        return Match(folder, None, "no one on the roster has this name", self._similar(folder))

    def _same(self, folder: str) -> tuple[list[Person], str]:
        """Return everyone whose id, e-mail address, platform's id or name `folder` is, and which of these."""
        head, number = _number(folder)
        named, numbered = self._called(head), self._find("platform's id", number)
        found = {
            "id": self._find("id", _fold(folder)),
            "e-mail address": self._find("e-mail address", _fold(folder)),
            "platform's id": self._find("platform's id", folder),
            "name": self._called(folder),
            "name and platform's id": [p for p in named if p in numbered],
        }
        if not numbered:
            found["name"] += [p for p in named if not (number and p.platform_id)]
        people = list({p.id: p for group in found.values() for p in group}.values())
        return people, next((why for why, group in found.items() if group), "")

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str], list[Person]]:
        index: dict[tuple[str, str], list[Person]] = {}
        for person in self.people:
            for key in person.keys:
                index.setdefault(key, []).append(person)
        return index

    def _find(self, kind: str, text: str) -> list[Person]:
        return self._index.get((kind, text), []) if text else []

    def _called(self, name: str) -> list[Person]:
        """Return everyone of this name, in any order of names, any script and any spelling of letters."""
        words = _words(name)
        keys = {" ".join(sorted(words)), "".join(words)}
        return list({p.id: p for key in keys for p in self._find("name", key)}.values())

    @functools.cached_property
    def _bare_names(self) -> dict[str, list[str]]:
        """The ids of everyone with a name, id or beginning of an address, written without accents."""
        bare: dict[str, list[str]] = defaultdict(list)
        for person in self.people:
            names = (person.first_name, person.last_name, f"{person.first_name} {person.last_name}")
            for text in (person.id, person.email.partition("@")[0], *names):
                bare[_bare(text)].append(person.id)
        bare.pop("", None)
        return bare

    def _similar(self, folder: str) -> tuple[str, ...]:
        """Return the ids of up to three students with a similar name, address or id."""
        head, number = _number(folder)
        words = (_bare(head), *(_bare(word) for word in _words(head) if len(word) > 2))
        names = self._bare_names
        close = [
            found
            for word in words
            for found in process.extract(word, list(names), scorer=fuzz.ratio, limit=3)
        ]
        ids = [person.id for person in self._find("platform's id", number)]
        ids += [person for text, score, _ in close if score >= 75 for person in names[text]]
        return tuple(dict.fromkeys(ids))[:3]

    def unowned(self, folders: Iterable[str]) -> list[str]:
        """Return the folders that are not named after a student on the roster, or confirmed as students."""
        known = {person.id for person in self.people}
        known |= {
            row["student"] for row in self.rows if row["handed_in_as"] == escape_formula(row["student"])
        }
        return [folder for folder in folders if self.people and folder not in known]

    def is_ambiguous(self, name: str) -> bool:
        """Return whether several students on the roster could have this name."""
        return len(self._same(name)[0]) > 1

    def named(self, student: str) -> str:
        return next((person.name for person in self.people if person.id == student), "")


def open_roster(course: Course) -> Roster:
    """Read the roster from the gradebook, if there is one, and the decisions from matches.csv.

    Raises:
        SegcourseError: matches.csv cannot be read.
    """
    people: tuple[Person, ...] = ()
    if (course.root / "gradebook.db").is_file():
        with open_gradebook(course) as book:
            people = people_in(book)
    return Roster(people, tuple(read_decisions(matches_path(course))))


def doubts(course: Course, roster: Roster, lesson: str) -> str:
    """Return under which names someone unknown handed in, such as "as X or as Y"; "" if no one did.

    While there are any, an absent student may be their sender and has no score of 0.
    """
    found = [f"as {name}" for name in roster.unowned(course.students(lesson))]
    found[3:] = ["as others"] if len(found) > 3 else []
    questions = course.questions(lesson)
    if questions.is_file():
        found.append(f"in {questions.relative_to(course.root)}")
    return " or ".join(found)


def people_in(book: Gradebook) -> tuple[Person, ...]:
    """Return everyone in a gradebook who has a name, an e-mail address or a platform's id.

    Grading adds students with an id alone, so that an id alone says nothing about who is in the class.
    """
    fields = ("id", "first_name", "last_name", "email", "lms_user_id")
    people = [Person(*(str(getattr(student, name) or "") for name in fields)) for student in book.students]
    return tuple(person for person in people if person.name or person.platform_id)


def matches_path(course: Course) -> Path:
    return course.root / "matches.csv"


def read_decisions(path: Path) -> list[dict[str, str]]:
    """Read matches.csv, also as a spreadsheet program saves it.

    Raises:
        SegcourseError: The file cannot be read, or has other columns.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SegcourseError(f"{path} cannot be read ({error}); save it as CSV in UTF-8.") from error
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = list(csv.DictReader(lines, delimiter=separator))
    for number, row in enumerate(rows, start=2):
        if not all(isinstance(row.get(name), str) for name in COLUMNS[:3]):
            raise SegcourseError(f"line {number} of {path} needs the columns {', '.join(COLUMNS)}.")
        row["student"] = row["student"].strip()
    return [{name: row.get(name) or "" for name in COLUMNS} for row in rows]


def make_row(lesson: str, match: Match) -> dict[str, str]:
    values = (lesson, escape_formula(match.folder), match.student or "", match.why, " ".join(match.perhaps))
    return dict(zip(COLUMNS, values, strict=True))


def write_decisions(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write matches.csv; the mark at its beginning lets spreadsheet programs read names in any script."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: escape_formula(value) for name, value in row.items()} for row in rows)


def _fold(text: str) -> str:
    """Return text in which two spellings of the same letters, composed or not, are equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def _words(name: str) -> list[str]:
    """Return the words of a name in any script, without apostrophes and other signs.

    >>> _words("O’Brien-Smith, अदिति")
    ['obrien', 'smith', 'अदिति']
    """
    kept = (c for c in _fold(name) if unicodedata.category(c) != "Cf" and c not in "'’`´")
    spaced = "".join(c if c.isalnum() or unicodedata.category(c).startswith("M") else " " for c in kept)
    return spaced.split()


def _bare(text: str) -> str:
    """Return the letters of a name without accents."""
    letters = unicodedata.normalize("NFKD", "".join(_words(text)))
    return "".join(c for c in letters if not unicodedata.combining(c))


def _number(folder: str) -> tuple[str, str]:
    """Split a folder's name into a name and the platform's id; Moodle's numbers are of submissions.

    >>> _number("lovelaceada_LATE_123"), _number("Ada Lovelace (Moodle 7)")
    (('lovelaceada', '123'), ('Ada Lovelace', ''))
    """
    found = re.fullmatch(r"(.+?)(?: \(Moodle \d+\)|(?:_LATE)?_(\d+))", folder)
    return (found[1], found[2] or "") if found else (folder, "")
