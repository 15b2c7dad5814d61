"""Find the one notebook in the folder that a student handed in.

Learning platforms, browsers and editors rename, wrap and duplicate files. Nothing is written to disk, and no
link is followed, because a link could lead to another student's work or to the gradebook.
"""

import io
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from segcourse.grading.notebooks import Refused

ENDINGS = (".ipynb", ".ipynb.txt", ".json", ".zip")  # the most likely kind first
MAX_FILES, MAX_DEPTH = 500, 3
_HIDDEN = (".", "__MACOSX")
_ZIP, _ZIP_MEMBER = b"PK\x03\x04", b"PK\x01\x02"


def find_notebook(folder: Path, lesson: str, max_megabytes: float) -> tuple[bytes, list[str]]:
    """Find the notebook of `lesson` in a student's folder.

    Returns:
        The notebook's bytes, and a sentence about each guess that was necessary.

    Raises:
        Refused: There is no notebook, several that could be meant, or something that is not a plain file.
    """
    if why := unreadable(folder.parent) or unreadable(folder):
        raise Refused(f"{why}; change its permissions and grade again.")
    if folder.parent.is_symlink() or folder.is_symlink():
        raise Refused(f"{folder.name} is not a folder; hand in a folder that contains {lesson}.ipynb.")
    if loose := folder.is_file() and loose_files(folder.parent, lesson):
        chosen, repairs = _choose(loose, lesson)
        data, extracted = _read(folder.parent, chosen, lesson, max_megabytes)
        return data, [f"{chosen} was not in a folder called {lesson}", *repairs, *extracted]
    if not folder.is_dir():
        raise Refused(f"{folder.name} is not a folder; hand in a folder that contains {lesson}.ipynb.")
    names = _files(folder)
    candidates = next(filter(None, ([n for n in names if n.lower().endswith(e)] for e in ENDINGS)), [])
    if not candidates:
        raise Refused(_no_notebook(names, lesson))
    chosen, repairs = _choose(candidates, lesson)
    data, extracted = _read(folder, chosen, lesson, max_megabytes)
    if not extracted and chosen != f"{lesson}.ipynb":
        repairs.insert(0, f"the notebook was called {chosen} and was graded as {lesson}.ipynb")
    if folder.name != lesson:
        repairs.insert(0, f"the folder was called {folder.name} and was graded as {lesson}")
    return data, repairs + extracted


def lesson_folder(student: Path, lesson: str) -> Path:
    """Return where a student handed in `lesson`: the folder of that name or another spelling, or a file.

    >>> lesson_folder(Path("/nowhere"), "05_losses_metrics").name
    '05_losses_metrics'
    """
    exact = student / lesson
    if os.path.lexists(exact) or unreadable(student) or not student.is_dir():
        return exact
    similar = (entry for entry in sorted(student.iterdir()) if _letters(entry.name) == _letters(lesson))
    loose = (student / name for name in loose_files(student, lesson))
    return next(similar, next(loose, exact))


def loose_files(student: Path, lesson: str = "") -> list[str]:
    """List the notebooks and zip archives beside a student's folders whose names contain the lesson's."""
    return sorted(
        entry.name
        for entry in student.iterdir()
        if entry.name.lower().endswith(ENDINGS)
        and not entry.name.startswith(_HIDDEN)
        and _letters(lesson) in _letters(entry.name)
        and entry.is_file()
    )


def unreadable(folder: Path) -> str | None:
    """Return a sentence if you may not list or enter `folder`; None if you may, or if it is no folder."""
    try:
        os.listdir(folder)
        os.stat(folder / ".")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"the folder {folder.parent.name}/{folder.name} cannot be read ({error.strerror})"
    return None


def _files(folder: Path) -> list[str]:
    """List the files in `folder` and its subfolders, without hidden files and editors' backups."""
    names = []

    def refuse(error: OSError) -> None:
        raise Refused(f"{error.filename} cannot be read ({error.strerror}); change its permissions.")

    for place, folders, files in os.walk(folder, onerror=refuse):
        inside = Path(place).relative_to(folder)
        deeper = len(inside.parts) < MAX_DEPTH and len(names) < MAX_FILES
        folders[:] = sorted(name for name in folders if deeper and not name.startswith(_HIDDEN))
        names += [(inside / name).as_posix() for name in sorted(files) if not name.startswith(_HIDDEN)]
    names = names[:MAX_FILES]
    return [name for name in names if not _is_backup(name)] or names


def _is_backup(name: str) -> bool:
    return name.endswith("-checkpoint.ipynb")


def _letters(name: str) -> str:
    """Return a file name without the characters that people and programs spell differently.

    >>> _letters("Copy of 05 Losses_Metrics (1)")
    'copyof05lossesmetrics1'
    """
    return re.sub(r"[\W_]+", "", name.lower())


def _choose(candidates: list[str], lesson: str) -> tuple[str, list[str]]:
    """Choose the notebook that is meant; also return a sentence about the others.

    Raises:
        Refused: More than one could be meant.
    """
    wanted = f"{lesson}.ipynb"
    bare = {name: PurePosixPath(name).name for name in candidates}
    ways = (
        [name for name in candidates if name == wanted],
        [name for name in candidates if bare[name] == wanted],
        candidates,
        [name for name in candidates if _letters(lesson) in _letters(bare[name])],
    )
    chosen = next((names[0] for names in ways if len(names) == 1), None)
    if chosen is None:
        several = ", ".join(candidates[:5])
        raise Refused(f"it is not clear which of {several} to grade; hand in one notebook called {wanted}.")
    ignored = [name for name in candidates if name != chosen]
    return chosen, [f"other notebooks were ignored: {', '.join(ignored[:5])}"] if ignored else []


def _no_notebook(names: list[str], lesson: str) -> str:
    script = next((name for name in names if name.endswith(".py")), None)
    if script:
        return (
            f"{script} is a Python script, not a notebook; in Colab choose File, Download, "
            f"Download .ipynb, and hand in {lesson}.ipynb."
        )
    found = ", ".join(names[:5]) or "nothing"
    return f"{lesson}.ipynb was expected, but the folder contains {found}; hand in a notebook of that name."


def _read(folder: Path, name: str, lesson: str, max_megabytes: float) -> tuple[bytes, list[str]]:
    """Read a notebook, also from a zip archive; then also return sentences about the archive."""
    data = read_plain_file(folder / name, max_megabytes)
    if not data.startswith(_ZIP):
        return data, []
    data, member, others = _unzip(data, lesson, max_megabytes)
    return data, [f"{name} is a zip archive; {member} was extracted from it", *others]


def read_plain_file(path: Path, max_megabytes: float) -> bytes:
    """Read a file, but no link, which could point anywhere, and no pipe, which would never end."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if path.is_symlink():
            raise Refused(f"{path.name} is a link, not a file; hand in the notebook itself.") from error
        raise Refused(f"{path.name} cannot be read ({error.strerror}); grade again when it can.") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused(f"{path.name} is not a plain file; hand in the notebook itself.")
        return file.read(int(max_megabytes * 1e6) + 1)


def _unzip(data: bytes, lesson: str, max_megabytes: float) -> tuple[bytes, str, list[str]]:
    """Extract the one notebook of a zip archive, in memory and within the limit.

    Returns:
        The notebook's bytes, its name, and a sentence about other notebooks.
    """
    if data.count(_ZIP_MEMBER) > MAX_FILES:
        raise Refused(f"the zip archive contains more than {MAX_FILES} files; hand in the notebook itself.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist() if _is_readable(info)}
            if not members:
                raise Refused(f"the zip archive contains no notebook; hand in {lesson}.ipynb itself.")
            chosen, repairs = _choose(sorted(members), lesson)
            with archive.open(members[chosen]) as file:
                inside = file.read(int(max_megabytes * 1e6) + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        message = "the zip archive is damaged or has a password; hand in the notebook itself."
        raise Refused(message) from error
    return inside, chosen, repairs


def _is_readable(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    hidden = any(part.startswith(_HIDDEN) for part in path.parts)
    # other compression methods may allocate gigabytes before the first byte is read
    plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return path.name.lower().endswith(".ipynb") and plain and not hidden and not _is_backup(path.name)
