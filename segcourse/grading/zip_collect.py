"""Plug-ins for `nbgrader zip_collect`: sort a download into one folder per student.

Only a platform's own zip archive is unpacked, within limits. A student's zip archive stays as it is until it
is read. No file ends the collection: each one that cannot be sorted or unpacked is listed with a sentence.
"""

import contextlib
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin
from traitlets import Unicode

from segcourse.errors import SegcourseError
from segcourse.exercises.engine.observations import clip
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.gradebook.autograded import EXCHANGE_FILES
from segcourse.grading.roster import open_roster
from segcourse.grading.senders import Received, Sender, find_senders, is_from_platform, names_a_student

MAX_MEMBERS = 100_000  # files per zip archive of a platform
MAX_FILES, MAX_BYTES = 500, 500_000_000  # per student
SPARE = 0.5  # the share of the free disk space that stays free
# what zipfile raises for archives that are damaged or have a password, in addition to OSError
_UNREADABLE = (ValueError, OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Item:
    """A file of a download: `problem` says why it cannot be read, `download` names the zip archive."""

    path: PurePosixPath
    open: Callable[[], contextlib.AbstractContextManager[BinaryIO]]
    problem: str | None = None
    download: str = "the other files"


class UnpackDownload(ExtractorPlugin):
    """Writes each file of the downloads to extracted/STUDENT, with the roster's id if it is certain."""

    course = Unicode(help="The course folder, which contains the gradebook.").tag(config=True)

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Fill `extracted_path` from `archive_path`, and list every doubt in questions.txt beside them."""
        lesson = self.parent.coursedir.assignment_id
        self.times: dict[str, datetime] = {}
        self.questions: list[str] = []
        received: dict[Sender, list[tuple[Item, Received]]] = defaultdict(list)
        with contextlib.ExitStack() as stack:
            for items, zipped in self._downloads(Path(archive_path), lesson, stack):
                senders = find_senders([item.path for item in items], lesson, zipped)
                for item in items:
                    if isinstance(found := senders[item.path], str):
                        self._ask(found)
                    else:
                        received[found.sender].append((item, found))
            self._drop_repeated(received)
            target = Path(extracted_path)
            space = int(shutil.disk_usage(target).free * (1 - SPARE))
            for sender, folder in self._folders(list(received), lesson).items():
                files = self._latest(sender, folder, received[sender])
                space -= self._write(target / folder, files, min(space, MAX_BYTES))
        self._write_questions(Course(Path(self.course)).questions(lesson))

    def _downloads(
        self, inbox: Path, lesson: str, stack: contextlib.ExitStack
    ) -> Iterator[tuple[list[Item], bool]]:
        """Yield the files of each platform's zip archive, and True; then all other files, and False."""
        loose = []
        for path in sorted(inbox.rglob("*")):
            name = PurePosixPath(path.relative_to(inbox).as_posix())
            if _is_hidden(name) or (path.is_dir() and not path.is_symlink()):
                continue
            plain = path.is_file() and not path.is_symlink()
            if plain and path.suffix.lower() == ".zip" and not is_from_platform(name):
                if len(name.parts) == 1 and not names_a_student(path.name, lesson):
                    yield self._members(path, stack), True
                    continue
                if len(name.parts) == 1 and _contains_submissions(path):
                    self._ask(f"Is {name} from one student, or is it a download? Rename it")
                    continue
            problem = None if plain else "it is a link or not a plain file"
            loose.append(Item(name, lambda path=path: path.open("rb"), problem))
        yield loose, False

    def _members(self, path: Path, stack: contextlib.ExitStack) -> list[Item]:
        """Return the files in a zip archive; none, after a question, if it cannot be read."""
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except _UNREADABLE as error:
            self._ask(f"{path.name} cannot be read as a zip archive ({error}); download it again")
            return []
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) > MAX_MEMBERS:
            self._ask(
                f"{path.name} contains {len(members)} files, more than {MAX_MEMBERS}; unpack it yourself"
            )
            return []
        items = []
        for info in members:
            name = PurePosixPath(info.filename.replace("\\", "/"))
            if name.is_absolute() or not name.parts or name.parts[0] == "..":
                self._ask(f"Who handed in {info.filename}? Its path leads out of {path.name}")
            elif not _is_hidden(name):
                items.append(Item(name, lambda info=info: archive.open(info), _problem(info), path.name))
        return items

    def _drop_repeated(self, received: dict[Sender, list[tuple[Item, Received]]]) -> None:
        """Ask if there are several downloads of a student's files and no times to tell which is newer."""
        for sender, files in list(received.items()):
            downloads = sorted({item.download for item, _ in files})
            if len(downloads) > 1 and not all(found.time for _, found in files):
                del received[sender]
                names = " or ".join(downloads)
                self._ask(f"Which is newer, {names}? Some students are in each; remove the older files")

    def _folders(self, senders: list[Sender], lesson: str) -> dict[Sender, str]:
        """Return a folder per sender: the roster's id, or the name, with a number if it is not unique."""
        course = Course(Path(self.course))
        try:
            roster = open_roster(course)
        except SegcourseError as error:
            self.parent.fail(str(error))
        named = defaultdict(list)
        for sender in senders:
            named[_safe_name(sender.name).casefold()].append(sender)
        folders = {}
        for same in named.values():
            for sender in same:
                name = _safe_name(sender.name)
                if not name or (len(same) > 1 and not sender.number):
                    others = " or ".join(other.name for other in same)
                    self._ask(
                        f"Whose are the files of {others}? The names are too similar; rename the folders"
                    )
                    continue
                earlier = course.submitted(name, lesson)
                if len(same) > 1 and earlier.exists():
                    self._ask(f"Whose is {earlier}, from an earlier collection? Remove or rename it")
                if sender.platform == "Canvas":
                    name = f"{name}_{sender.number}"
                elif sender.number and (len(same) > 1 or roster.is_ambiguous(name)):
                    name = f"{name} (Moodle {sender.number})"
                folders[sender] = name
        ids = {person.id for person in roster.people}
        found = {
            match.folder: match for match in roster.identify(lesson, list(folders.values()), are_ids=False)
        }
        for sender, name in folders.items():
            match = found[name]
            if match.student and match.student != name:
                self.log.info("%s is %s (%s)", name, match.student, match.why)
            free = f"{name} (asked)" if name in ids else name  # only the student may have the folder of an id
            folders[sender] = match.student or free
        claims = Counter(folder.casefold() for folder in folders.values())
        for sender, folder in list(folders.items()):
            if claims[folder.casefold()] > 1:
                self._ask(f"Whose are the files of {sender.name}? There is another {folder}; rename one")
                del folders[sender]
        return folders

    def _latest(
        self, sender: Sender, folder: str, files: list[tuple[Item, Received]]
    ) -> list[tuple[Item, Received]]:
        """Return the files of the latest attempt, if the platform records times, and remember the time."""
        times = [found.time for _, found in files if found.time]
        if times:
            self.times[folder] = max(times)
            for item, found in files:
                if found.time != max(times):
                    self.log.warning("%s is an earlier attempt and was left out", item.path)
            files = [(item, found) for item, found in files if found.time == max(times)]
        if any(found.late for _, found in files):
            self.log.warning(
                "%s handed in late, says %s, which does not record when", folder, sender.platform
            )
        return files

    def _write(self, target: Path, files: list[tuple[Item, Received]], space: int) -> int:
        """Write one student's files within `space` bytes; return how many bytes were written.

        A file that cannot be written leaves a text file with the reason, so that the student is not taken for
        one who did not hand in.
        """
        lesson, written = self.parent.coursedir.assignment_id, 0
        names = {found.file for _, found in files}
        for number, (item, found) in enumerate(files):
            again = re.fullmatch(rf"({re.escape(lesson)})-\d+(\.\w+)", found.file)
            if again and found.sender.platform == "Canvas" and "".join(again.groups()) not in names:
                name = "".join(again.groups())  # Canvas numbers files that are handed in again
            else:
                name = "/".join(_safe_name(part) or "_" for part in PurePosixPath(found.file).parts)
            if name.casefold() in EXCHANGE_FILES:
                self.log.warning("%s was left out: it is a student's file, not the exchange's", item.path)
                continue
            try:
                if number >= MAX_FILES:
                    raise ValueError(f"the student handed in more than {MAX_FILES} files")
                if item.problem:
                    raise ValueError(item.problem)
                written += _copy(item, _unused(target / name), space - written)
            except _UNREADABLE as error:
                reason = clip(f"{item.path} was not collected: {error}.", 1000)
                self.log.warning("%s", reason)
                self._leave_note(target, name.rpartition("/")[2], reason)
                if number >= MAX_FILES:
                    break
        return written

    def _leave_note(self, target: Path, name: str, reason: str) -> None:
        try:
            target.mkdir(parents=True, exist_ok=True)
            note = _unused(target / f"{name[:40]} - not collected.txt")
            note.write_text(reason, encoding="utf-8", errors="replace")
        except OSError as error:  # such as a name that is too long for any folder
            self._ask(f"Whose is {name}? The folder {target.name} cannot be written ({error.strerror})")

    def _ask(self, question: str) -> None:
        question = clip(f"{question}.", 1000)
        if question not in self.questions:
            self.questions.append(question)
            self.log.warning("%s", question)

    def _write_questions(self, path: Path) -> None:
        """Write the open questions, which also keep absent students from a score of 0."""
        path.unlink(missing_ok=True)
        if self.questions:
            self.log.warning(
                "After you answer these %d questions, collect with --force.", len(self.questions)
            )
            with replacing(path) as temporary:
                temporary.write_text("\n".join([*self.questions, ""]), encoding="utf-8", errors="replace")


class SortByName(FileNameCollectorPlugin):
    """Tells nbgrader that each folder in extracted/ is a student; also keeps files that are not notebooks."""

    def collect(self, submitted_file: str) -> dict | None:
        """Return student_id, file_id and timestamp of a file for nbgrader."""
        below = Path(self.parent._format_collect_path(self.parent.extracted_directory))
        student, *file = Path(submitted_file).relative_to(below).parts
        about = {"student_id": student, "file_id": "/".join(file)}
        time = self.parent.extractor_plugin_inst.times.get(student)
        return about | ({"timestamp": time.isoformat()} if time else {})


def _problem(info: zipfile.ZipInfo) -> str | None:
    """Return why a member of a zip archive cannot be unpacked."""
    if info.flag_bits & 1:
        return "it has a password"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link, not a file"
    if ".." in PurePosixPath(info.filename.replace("\\", "/")).parts:
        return "its path leads out of the student's folder"
    # other compression methods may allocate gigabytes before the first byte is read
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "its kind of compression is not supported"
    return None


def _contains_submissions(path: Path) -> bool:
    """Return whether a zip archive contains files as a platform names them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(is_from_platform(PurePosixPath(name)) for name in archive.namelist() if name)
    except _UNREADABLE:
        return False


def _copy(item: Item, target: Path, space: int) -> int:
    """Copy a file of at most `space` bytes, whatever size its archive claims; return its size.

    Raises:
        ValueError, OSError, RuntimeError, EOFError, BadZipFile, zlib.error: It is too big or cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = 0
        with item.open() as source, target.open("wb") as file:
            while block := source.read(1 << 20):
                written += len(block)
                if written > space:
                    raise ValueError(
                        f"all files together exceed {MAX_BYTES / 1e6:g} MB, or the disk is nearly full"
                    )
                file.write(block)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return written


def _unused(path: Path) -> Path:
    """Return `path`, or with a number if a file of this name exists."""
    number, numbered = 1, path
    while numbered.exists():
        number += 1
        numbered = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return numbered


def _safe_name(name: str) -> str:
    """Return a valid folder name in any script, without the characters that nbgrader uses as wildcards.

    >>> _safe_name("a[d]a*"), _safe_name("अदिति"), _safe_name(" ..")
    ('a_d_a_', 'अदिति', '')
    """
    letters = [c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf"]
    safe = "".join(c if c.isprintable() and c not in '/\\:*?"<>|[]' else "_" for c in letters)
    return safe.strip(" .")


def _is_hidden(name: PurePosixPath) -> bool:
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.parts)
