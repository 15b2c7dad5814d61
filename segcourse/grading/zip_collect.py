"""Plug-ins for `nbgrader zip_collect`: find out who handed in each file of a download.

Only a platform's own zip archive is unpacked. A student's zip archive stays as it is until it is read, within
limits.
"""

import re
import shutil
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

# how platforms name a submission, as a path inside their zip archive
PLATFORMS = (
    # Moodle, with or without a folder per student
    r"(?:.*/)?(?P<student>[^/]+)_\d+_assignsubmission_(?:file|onlinetext)_?(?:/(?:.*/)?)?(?P<file>[^/]+)",
    # Blackboard
    r"(?:.*/)?(?:[^/]*_)?(?P<student>[^/_]+)_attempt_(?P<time>\d{{4}}(?:-\d\d){{5}})_?(?P<file>[^/]+)",
    # Canvas
    r"(?:.*/)?(?P<student>[^/_]+)(?:_LATE)?_(?P<number>\d+)_\d+_(?P<file>[^/]+)",
)
# how people name a file that they downloaded from Colab; the last pattern is a folder per student, as in
# ILIAS
PEOPLE = (
    r"(?:.*/)?{copy}{lesson} ?\((?P<student>(?!\d{{1,2}}\))[^/]+)\)(?P<file>\.\w+)",
    r"(?:.*/)?{copy}{lesson}(?: - |_)(?P<student>(?!\d{{1,2}}\.)[^/]+?)(?P<file>\.\w+)",
    r"(?:.*/)?(?P<student>[^/]+?)(?: - |_){copy}{lesson}(?: \(\d+\))?(?P<file>\.\w+)",
    r"(?:.*/)?(?P<student>(?!{lesson}/)[^/]+)(?:/{lesson})?/(?P<file>[^/]+)",
)
COPY = r"(?:(?:Copy of|Kopie von|Copie de|Copia de) )?"


class Sender(NamedTuple):
    """Who handed in a file, its name without the platform's additions, and the time, if it is known."""

    student: str
    file: str
    time: datetime | None = None


def find_sender(path: str, lesson: str, patterns: tuple[str, ...] = PLATFORMS + PEOPLE) -> Sender | None:
    """Find out from a file's path, with "/", who handed it in; None if the path does not say.

    >>> find_sender("Ada Lovelace_12345_assignsubmission_file_/05_losses.ipynb", "05_losses")
    Sender(student='Ada Lovelace', file='05_losses.ipynb', time=None)
    >>> find_sender("lovelaceada_LATE_123_456_05_losses-1.ipynb", "05_losses")
    Sender(student='lovelaceada_123', file='05_losses.ipynb', time=None)
    >>> find_sender("05_losses (ada).ipynb", "05_losses").student
    'ada'
    >>> find_sender("05_losses (1).ipynb", "05_losses") is None
    True
    """
    for pattern in patterns:
        found = re.fullmatch(pattern.format(lesson=re.escape(lesson), copy=COPY), path)
        if found is None or not (student := _safe_name(found["student"])):
            continue
        parts = found.groupdict()
        student += f"_{parts['number']}" if parts.get("number") else ""
        file = PurePosixPath(parts["file"] if not parts["file"].startswith(".") else lesson + parts["file"])
        if lesson in file.stem:  # platforms add numbers to the names of files that are handed in again
            file = file.with_name(lesson + file.suffix)
        return Sender(student, file.name, _time(parts.get("time")))
    return None


def _time(text: str | None) -> datetime | None:
    """Parse a time in a file name, assuming that the platform has this machine's time zone."""
    return datetime.strptime(text, "%Y-%m-%d-%H-%M-%S").astimezone() if text else None


def _safe_name(student: str) -> str:
    """Return a valid folder name, without the characters that nbgrader uses as wildcards."""
    return re.sub(r"[^\w .@+'()-]", "_", student).strip(" .")


class UnpackDownload(ExtractorPlugin):
    """Unpacks each zip archive of a platform into its own folder, and copies all other files."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Fill `extracted_path` from `archive_path`; stop with a sentence at a broken zip archive."""
        lesson = self.parent.coursedir.assignment_id
        for path in sorted(Path(archive_path).rglob("*")):
            name = path.relative_to(archive_path)
            if path.is_dir() or _is_hidden(name):
                continue
            if path.suffix.lower() != ".zip" or find_sender(name.as_posix(), lesson, PLATFORMS):
                target = Path(extracted_path, "files", name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                continue
            try:
                with zipfile.ZipFile(path) as archive:
                    wanted = [member for member in archive.namelist() if not _is_hidden(Path(member))]
                    archive.extractall(Path(extracted_path, path.stem), wanted)
            except zipfile.BadZipFile as error:
                self.parent.fail(f"{path} is not a zip archive ({error}); download it again.")


def _is_hidden(name: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.parts)


class SortByName(FileNameCollectorPlugin):
    """Finds out who handed in each unpacked file; also keeps files that are not notebooks."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.known: set[tuple[str, str]] = set()

    def collect(self, submitted_file: str) -> dict | None:
        """Return student_id, file_id and timestamp of a file for nbgrader; None if its name does not say."""
        below = Path(self.parent._format_collect_path(self.parent.extracted_directory))
        inside = PurePosixPath(*Path(submitted_file).relative_to(below).parts[1:])
        found = find_sender(str(inside), self.parent.coursedir.assignment_id)
        if found is None:
            self.log.warning("Who handed in %s? Put it into a folder named after the student.", inside)
            return None
        student, file, time = found
        if time is None:  # nbgrader would stop at two files with one name and no times
            file = next(name for name in _numbered(file) if (student, name) not in self.known)
        self.known.add((student, file))
        return {"student_id": student, "file_id": file} | ({"timestamp": time.isoformat()} if time else {})


def _numbered(file: str) -> Iterator[str]:
    yield file
    path, number = PurePosixPath(file), 1
    while True:
        number += 1
        yield f"{path.stem} ({number}){path.suffix}"
