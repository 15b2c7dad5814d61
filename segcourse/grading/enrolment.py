"""Give submissions to the students on the roster, and remove a student from a course.

Both change the gradebook and the folders together, while no grader writes.
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import MissingEntry, SubmittedAssignment

from segcourse.errors import SegcourseError
from segcourse.grading.course import Course
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.gradebook.marks import marks_of
from segcourse.grading.gradebook.opening import open_gradebook
from segcourse.grading.roster import (
    Match,
    Roster,
    make_row,
    matches_path,
    open_roster,
    people_in,
    write_decisions,
)

FOLDERS = ("autograded", "feedback", "submitted")  # the submission last: it shows that a move is unfinished


@dataclass(frozen=True)
class ClassList:
    """Who handed in one lesson, and under which name.

    Attributes:
        lesson: The lesson's name.
        roster: The class.
        matches: One for each folder in submitted/, with the name that it has now.
        moved: The submissions that were given to a student, with the name that they had before.
        problems: Sentences about what could not be done.
    """

    lesson: str
    roster: Roster
    matches: tuple[Match, ...]
    moved: tuple[Match, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def undecided(self) -> list[Match]:
        return [match for match in self.matches if match.student is None]

    @property
    def notes(self) -> list[str]:
        """Sentences for those who grade: what was matched, and what needs a person."""
        notes = [f"{m.folder} is {m.student} on the roster ({m.why})" for m in self.moved]
        if self.undecided:
            names = ", ".join(match.folder for match in self.undecided)
            notes.append(
                f"no one on the roster owns the submission of {names}; run `segcourse roster {self.lesson}`. "
                "Until then, no student gets 0 for not handing in"
            )
        return [*notes, *self.problems]

    def table(self) -> str:
        """Return one line per submission and per student without one."""
        named, found = self.roster.named, {match.student for match in self.matches}
        before = {match.student: match for match in self.moved}
        lines = []
        for match in self.matches:
            given = before.get(match.student, match)
            perhaps = (
                f"; perhaps {', '.join(f'{p} ({named(p)})' for p in match.perhaps)}" if match.perhaps else ""
            )
            student = f"{match.student}  {named(match.student)}" if match.student else "?"
            lines.append((given.folder, student, given.why + perhaps))
        absent = [person for person in self.roster.people if person.id not in found]
        lines += [("(nothing)", f"{person.id}  {person.name}", "has not handed in") for person in absent]
        columns = [("handed in as", "student", "why"), *lines]
        wide = [max(len(row[column]) for row in columns) for column in (0, 1)]
        return "\n".join(f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c}" for a, b, c in columns)


def match_submissions(course: Course, lesson: str, chosen: dict[str, str] | None = None) -> ClassList:
    """Rename each folder in submitted/ whose student is certain, and write the others to matches.csv.

    The caller holds the course's lock.

    Args:
        course: The course.
        lesson: The lesson's name.
        chosen: Decisions: a folder's name, and the student's id.

    Raises:
        SegcourseError: A decision names no submission or no student, or matches.csv cannot be read.
    """
    roster = open_roster(course)
    if not roster.people:
        return ClassList(lesson, roster, tuple(roster.identify(lesson, list(course.students(lesson)))))
    before = roster.rows
    for folder, student in (chosen or {}).items():
        roster = _decide(course, roster, lesson, folder, student)
    moved, problems = [], []
    for match in roster.identify(lesson, list(course.students(lesson))):
        if match.student and match.student != match.folder:
            try:
                move(course, lesson, match.folder, match.student)
                moved.append(match)
            except (SegcourseError, OSError) as error:
                problems.append(str(error).rstrip("."))
    matches = roster.identify(lesson, list(course.students(lesson)))
    known = {(row["lesson"], row["handed_in_as"]) for row in roster.rows if row["student"]}
    rows = [row for row in roster.rows if row["student"] or row["lesson"] != lesson]
    for match in (*moved, *(match for match in matches if match.student is None)):
        if (lesson, escape_formula(match.folder)) not in known:
            rows.append(make_row(lesson, match))
    if tuple(rows) != before:
        write_decisions(matches_path(course), rows)
    return ClassList(lesson, roster, tuple(matches), tuple(moved), tuple(problems))


def _decide(course: Course, roster: Roster, lesson: str, folder: str, student: str) -> Roster:
    """Return the roster with a decision, which also corrects an earlier one; move what that one had moved."""
    ids = {person.id for person in roster.people}
    if folder not in course.students(lesson):
        raise SegcourseError(
            f"there is no submission of {lesson} from {folder}; see `segcourse roster {lesson}`."
        )
    if student not in ids and student != folder:
        raise SegcourseError(
            f"{student} is not on the roster; run `nbgrader db student list` to see the ids, or "
            f"`nbgrader db student add {student} --last-name NAME` to add the student."
        )
    names = {
        row["handed_in_as"] for row in roster.rows if row["lesson"] == lesson and row["student"] == folder
    }
    names = names or {folder}
    if folder in ids:
        move(course, lesson, folder, student)
    else:
        names.add(folder)
    rows = [row for row in roster.rows if row["lesson"] != lesson or row["handed_in_as"] not in names]
    rows += [make_row(lesson, Match(name, student, "confirmed")) for name in sorted(names - ids)]
    return Roster(roster.people, tuple(rows))


def move(course: Course, lesson: str, old: str, new: str) -> None:
    """Give the submission in submitted/`old`, with its marks and pages, to the student `new`.

    Raises:
        SegcourseError: The student has another submission or marks of one, or the submission is a link.
    """
    source = course.submitted(old, lesson)
    if source.is_symlink() or source.parent.is_symlink():
        raise SegcourseError(
            f"{source} is a link and was not given to {new}; replace it by the folder itself."
        )
    taken = course.submitted(new, lesson)
    if taken.exists() or taken.is_symlink():
        raise SegcourseError(
            f"{source} could be from {new}, but there is {taken}; remove or rename the one that is not."
        )
    _move_marks(course, lesson, old, new)
    for kind in FOLDERS:
        here = source if kind == "submitted" else course.root / kind / old / lesson
        target = course.root / kind / new / here.name
        if here.exists():
            if target.exists():
                shutil.rmtree(target)  # pages of a submission that is no longer there
            target.parent.mkdir(parents=True, exist_ok=True)
            here.rename(target)
            with contextlib.suppress(OSError):
                here.parent.rmdir()  # only if nothing is left in it


def _move_marks(course: Course, lesson: str, old: str, new: str) -> None:
    """Give the marks in the gradebook to another student; forget a student who has nothing else."""
    if not (course.root / "gradebook.db").is_file():
        return
    with open_gradebook(course) as book:
        try:
            submission = book.find_submission(lesson, old)
        except MissingEntry:
            return
        try:
            other = book.find_submission(lesson, new)
        except MissingEntry:
            submission.student = book.update_or_create_student(new)
            book.db.commit()
        else:  # as if `new` had handed in again
            if _has_points_by_hand(submission) and _has_points_by_hand(other):
                raise SegcourseError(
                    f"{old} and {new} both have points by hand for {lesson}; remove those of one of them in "
                    "formgrader."
                )
            if _has_points_by_hand(other):
                book.remove_submission(lesson, old)
            else:
                book.remove_submission(lesson, new)
                submission.student = book.find_student(new)
                book.db.commit()
        student = book.find_student(old)
        if not student.submissions and old not in [person.id for person in people_in(book)]:
            book.remove_student(old)


def _has_points_by_hand(submission: SubmittedAssignment) -> bool:
    return any(mark.by_hand is not None for mark in marks_of(submission).cells)


def remove_student(course: Course, student: str) -> list[str]:
    """Remove a student's marks and pages, and move the student's files to removed/STUDENT.

    The caller holds the course's lock.

    Returns:
        What was removed.

    Raises:
        SegcourseError: The course does not know the student.
    """
    folders = [course.root / kind / student for kind in FOLDERS]
    if Path(student).name != student or student in ("", ".", ".."):
        raise SegcourseError(f"{student!r} is not a student's id.")
    roster = open_roster(course)
    removed, kept = [], course.root / "removed" / student
    number = 1
    while kept.exists():
        number += 1
        kept = kept.with_name(f"{student} ({number})")
    if (course.root / "gradebook.db").is_file():
        with open_gradebook(course) as book, contextlib.suppress(MissingEntry):
            count = len(book.find_student(student).submissions)
            book.remove_student(student)
            removed.append(f"the student {student} and the marks of {count} submission(s) in the gradebook")
    for folder in folders:
        if folder.exists() or folder.is_symlink():
            kept.mkdir(parents=True, exist_ok=True)
            folder.rename(kept / folder.parent.name)
            removed.append(f"{folder}, now in {kept}")
    if not removed:
        raise SegcourseError(f"there is no student {student}; run `nbgrader db student list` to see the ids.")
    rows = [row for row in roster.rows if row["student"] != student]
    if len(rows) < len(roster.rows):
        write_decisions(matches_path(course), rows)
    return removed
