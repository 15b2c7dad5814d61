"""Who handed in what: `nbgrader zip_collect` with these plug-ins sorts what platforms and people send.

Only a platform's own zip is unpacked. What a student zipped stays as it is until it is admitted, within
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

# what a platform calls a submission, by the path inside its zip
PLATFORMS = (
    # Moodle, with a folder for each student or without
    r"(?:.*/)?(?P<student>[^/]+)_\d+_assignsubmission_(?:file|onlinetext)_?(?:/(?:.*/)?)?(?P<file>[^/]+)",
    # Blackboard
    r"(?:.*/)?(?:[^/]*_)?(?P<student>[^/_]+)_attempt_(?P<time>\d{{4}}(?:-\d\d){{5}})_?(?P<file>[^/]+)",
    # Canvas
    r"(?:.*/)?(?P<student>[^/_]+)(?:_LATE)?_(?P<number>\d+)_\d+_(?P<file>[^/]+)",
)
# what people call a file that they downloaded from Colab, and last a folder for each student (ILIAS has one)
PEOPLE = (
    r"(?:.*/)?{copy}{lesson} ?\((?P<student>(?!\d{{1,2}}\))[^/]+)\)(?P<file>\.\w+)",
    r"(?:.*/)?{copy}{lesson}(?: - |_)(?P<student>(?!\d{{1,2}}\.)[^/]+?)(?P<file>\.\w+)",
    r"(?:.*/)?(?P<student>[^/]+?)(?: - |_){copy}{lesson}(?: \(\d+\))?(?P<file>\.\w+)",
    r"(?:.*/)?(?P<student>(?!{lesson}/)[^/]+)(?:/{lesson})?/(?P<file>[^/]+)",
)
COPY = r"(?:(?:Copy of|Kopie von|Copie de|Copia de) )?"


class Sender(NamedTuple):
    """Whose file it is, what it is called below the platform's additions, and when it came, if that is
    known.
    """

    student: str
    file: str
    time: datetime | None = None


def sender(path: str, lesson: str, patterns: tuple[str, ...] = PLATFORMS + PEOPLE) -> Sender | None:
    """Read who handed in the file at `path` (inside the download, with "/") from its name; None if it does
    not say.

    >>> sender("Ada Lovelace_12345_assignsubmission_file_/05_losses.ipynb", "05_losses")
    Sender(student='Ada Lovelace', file='05_losses.ipynb', time=None)
    >>> sender("lovelaceada_LATE_123_456_05_losses-1.ipynb", "05_losses")
    Sender(student='lovelaceada_123', file='05_losses.ipynb', time=None)
    >>> sender("05_losses (ada).ipynb", "05_losses").student
    'ada'
    >>> sender("05_losses (1).ipynb", "05_losses") is None
    True
    """
    for pattern in patterns:
        found = re.fullmatch(pattern.format(lesson=re.escape(lesson), copy=COPY), path)
        if found is None or not (student := _harmless(found["student"])):
            continue
        parts = found.groupdict()
        student += f"_{parts['number']}" if parts.get("number") else ""
        file = PurePosixPath(parts["file"] if not parts["file"].startswith(".") else lesson + parts["file"])
        if lesson in file.stem:  # platforms add numbers to the names of what is handed in again
            file = file.with_name(lesson + file.suffix)
        return Sender(student, file.name, _time(parts.get("time")))
    return None


def _time(told: str | None) -> datetime | None:
    """The platform's clock is taken to be this machine's."""
    return datetime.strptime(told, "%Y-%m-%d-%H-%M-%S").astimezone() if told else None


def _harmless(student: str) -> str:
    """A name that can be a folder's and holds none of the signs that nbgrader searches folders with."""
    return re.sub(r"[^\w .@+'()-]", "_", student).strip(" .")


class UnpackDownload(ExtractorPlugin):
    """Unpacks what a platform packed, each zip into a folder of its own; everything else is copied."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Fill `extracted_path` from `archive_path`; a file that is no zip, though it is called one, ends it
        in a sentence.
        """
        lesson = self.parent.coursedir.assignment_id
        for path in sorted(Path(archive_path).rglob("*")):
            name = path.relative_to(archive_path)
            if path.is_dir() or _is_clutter(name):
                continue
            if path.suffix.lower() != ".zip" or sender(name.as_posix(), lesson, PLATFORMS):
                target = Path(extracted_path, "files", name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                continue
            try:
                with zipfile.ZipFile(path) as archive:
                    wanted = [member for member in archive.namelist() if not _is_clutter(Path(member))]
                    archive.extractall(Path(extracted_path, path.stem), wanted)
            except zipfile.BadZipFile as error:
                self.parent.fail(f"{path} is not a zip archive ({error}); download it again.")


def _is_clutter(name: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.parts)


class SortByName(FileNameCollectorPlugin):
    """Says of each unpacked file who handed it in; nothing is left out because it is no notebook."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.known: set[tuple[str, str]] = set()

    def collect(self, submitted_file: str) -> dict | None:
        """nbgrader's answer for one file: student_id, file_id and timestamp, or None if the name does not
        say whose it is.
        """
        below = Path(self.parent._format_collect_path(self.parent.extracted_directory))
        inside = PurePosixPath(*Path(submitted_file).relative_to(below).parts[1:])
        found = sender(str(inside), self.parent.coursedir.assignment_id)
        if found is None:
            self.log.warning("Whose file is %s? Put it in a folder that is called like the student.", inside)
            return None
        student, file, time = found
        if time is None:  # without times nbgrader would stop at two files of one name
            file = next(name for name in _numbered(file) if (student, name) not in self.known)
        self.known.add((student, file))
        return {"student_id": student, "file_id": file} | ({"timestamp": time.isoformat()} if time else {})


def _numbered(file: str) -> Iterator[str]:
    yield file
    path, number = PurePosixPath(file), 1
    while True:
        number += 1
        yield f"{path.stem} ({number}){path.suffix}"
