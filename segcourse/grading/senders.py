"""Find out from the names in a download who handed in each file.

Only what the platform itself writes counts: the first part of a path, up to the platform's mark. Everything
behind it belongs to the student, who may call a file like a classmate. Where the first part leaves a doubt,
the answer is a question.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

# a folder per student; Moodle writes spaces for the underscores in a student's name
FOLDER = r"(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_[a-z]+_?"
# a prefix per file
MOODLE = r"(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_[a-z]+_(?P<file>.+)"
BLACKBOARD = r"(?P<name>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})_?(?P<file>.+)"
CANVAS = r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<number>\d+)_(?:\d+_(?P<file>.+)|(?:text|link)\.html)"
# how people name a file that they downloaded from Colab
PEOPLE = (
    r"{copy}{lesson} ?\((?P<name>(?!\d{{1,2}}\)).+)\)(?P<ending>\.\w+)",
    r"{copy}{lesson}(?: - |_)(?P<name>(?!\d{{1,2}}\.).+?)(?P<ending>\.\w+)",
    r"(?P<name>.+?)(?: - |_){copy}{lesson}(?: \(\d+\))?(?P<ending>\.\w+)",
)
COPY = r"(?:(?:Copy of|Kopie von|Copie de|Copia de) )?"


@dataclass(frozen=True)
class Sender:
    """Who handed in a file.

    Attributes:
        name: The student's name or id.
        number: Canvas's number of the student, or Moodle's of the submission; "" if there is none.
        platform: "Moodle", "Blackboard" or "Canvas"; "" for names that a person typed.
    """

    name: str
    number: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Received:
    """A file of a known sender.

    Attributes:
        sender: Who handed it in.
        file: The file's path without the platform's additions.
        time: When the platform received it, if its name says so.
        late: Whether the platform marks it as late.
    """

    sender: Sender
    file: str
    time: datetime | None = None
    late: bool = False


def find_senders(
    paths: Iterable[PurePosixPath], lesson: str, zipped: bool = False
) -> dict[PurePosixPath, Received | str]:
    """Find out who handed in each file of one download.

    Args:
        paths: The files' paths in a zip archive, or in the folder for downloads.
        lesson: The lesson's name.
        zipped: Whether the paths are those of a zip archive.

    Returns:
        For each path its sender, or a question about it.

    >>> path = PurePosixPath("lovelaceada_LATE_12_34_ben_56_78_x.ipynb")
    >>> received = find_senders([path], "05_losses")[path]
    >>> received.sender, received.file, received.late
    (Sender(name='lovelaceada', number='12', platform='Canvas'), 'ben_56_78_x.ipynb', True)
    """
    tops = defaultdict(list)
    for path in paths:
        tops[path.parts[0]].append(path)
    download = _Download.of(tops, lesson)
    senders: dict[PurePosixPath, Received | str] = {}
    for top, below in tops.items():
        for path in below:
            if len(path.parts) == 1:
                senders[path] = download.sender_of(top)
            elif found := re.fullmatch(FOLDER, top):
                senders[path] = Received(Sender(found["name"], found["number"], "Moodle"), _below(path))
            elif top == lesson or (zipped and len(tops) == 1) or any(map(_is_platforms, below)):
                senders[path] = (
                    f"Is {top} a student? If it contains students' folders or files, move those out of it"
                )
            else:
                senders[path] = Received(Sender(top), _below(path, lesson))
    return senders


def names_a_student(file: str, lesson: str) -> bool:
    """Return whether the name of a file says who handed it in.

    >>> names_a_student("05_losses (ada).zip", "05_losses"), names_a_student("submissions.zip", "05_losses")
    (True, False)
    """
    return isinstance(_Download.of([file], lesson).sender_of(file), Received)


def is_from_platform(path: PurePosixPath) -> bool:
    """Return whether a platform wrote the beginning of `path`."""
    top, kinds = path.parts[0], (FOLDER,) if len(path.parts) > 1 else (MOODLE, BLACKBOARD, CANVAS)
    return any(re.fullmatch(kind, top) for kind in kinds)


def _is_platforms(path: PurePosixPath) -> bool:
    return is_from_platform(path.relative_to(path.parts[0]))


@dataclass(frozen=True)
class _Download:
    """What the names of one download have in common.

    Attributes:
        lesson: The lesson's name.
        canvas: Whether a name can only come from Canvas.
        heads: The beginnings of the names that can only come from Blackboard.
    """

    lesson: str
    canvas: bool
    heads: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str], lesson: str) -> "_Download":
        both = [(re.fullmatch(CANVAS, name), re.fullmatch(BLACKBOARD, name)) for name in names]
        heads = (blackboard["name"] for canvas, blackboard in both if blackboard and not canvas)
        return cls(lesson, any(canvas and not blackboard for canvas, blackboard in both), frozenset(heads))

    def sender_of(self, name: str) -> Received | str:
        """Find out who handed in a file that lies in no folder."""
        question = f"Who handed in {name}? Put it into a folder named after the student"
        canvas, blackboard = re.fullmatch(CANVAS, name), re.fullmatch(BLACKBOARD, name)
        if canvas and blackboard:  # a student's own part of the name looks like the other platform's
            if self.canvas == bool(self.heads):
                return question
            canvas, blackboard = (canvas, None) if self.canvas else (None, blackboard)
        if found := re.fullmatch(MOODLE, name):
            return Received(Sender(found["name"], found["number"], "Moodle"), found["file"])
        if canvas:
            return self._from_canvas(canvas) or question
        if blackboard:
            return self._from_blackboard(blackboard) or question
        for pattern in PEOPLE:
            if found := re.fullmatch(pattern.format(lesson=re.escape(self.lesson), copy=COPY), name):
                return Received(Sender(found["name"]), self.lesson + found["ending"])
        return question

    def _from_canvas(self, found: re.Match[str]) -> Received | None:
        """Return who handed in a file of Canvas, unless "ben_77_123_456_x" may be from a student "ben_77"."""
        file = found["file"] or found[0].rpartition("_")[2]
        if re.match(r"[1-9]\d*_|(?:text|link)\.html$", found["file"] or "") and not file.startswith(
            self.lesson
        ):
            return None
        return Received(Sender(found["name"], found["number"], "Canvas"), file, late=bool(found["late"]))

    def _from_blackboard(self, found: re.Match[str]) -> Received | None:
        """Return the user in COLUMN_USER_attempt_…; both may contain underscores, which can leave a doubt."""
        head, file = found["name"], found["file"]
        user: str | None = head.rpartition("_")[2] if head.count("_") < 2 else None
        if len(self.heads) > 1:  # the column is the same in all names
            shared = os.path.commonprefix(list(self.heads))  # noqa: RUF071 - these are not paths
            user = head[shared.rfind("_") + 1 :]
        elif head.startswith(f"{self.lesson}_"):
            user = head.removeprefix(f"{self.lesson}_")
        try:  # this machine and the platform are assumed to have one time zone
            time = datetime.strptime(found["time"], "%Y-%m-%d-%H-%M-%S").astimezone()
        except (ValueError, OverflowError):
            return None
        file = self.lesson + file if file.startswith(".") else file
        return Received(Sender(user, "", "Blackboard"), file, time) if user else None


def _below(path: PurePosixPath, lesson: str = "") -> str:
    """Return `path` without its first folder, and without the folder of the lesson."""
    parts = path.parts[2:] if len(path.parts) > 2 and path.parts[1] == lesson else path.parts[1:]
    return "/".join(parts)
