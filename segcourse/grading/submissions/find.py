"""From the folder that a student handed in to the bytes of one notebook: which file is meant, said where it
had to be guessed.

Learning platforms, browsers and editors rename, wrap and double files. Nothing is written to disk, and no
link is followed: one could lead to another student's work or to the gradebook.
"""

import io
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from segcourse.grading.notebooks import Refused

ENDINGS = (".ipynb", ".ipynb.txt", ".json", ".zip")  # the best kind of file first
MAX_FILES, MAX_DEPTH = 500, 3
_HIDDEN = (".", "__MACOSX")
_ZIP, _ZIP_MEMBER = b"PK\x03\x04", b"PK\x01\x02"


def find_submission(folder: Path, lesson: str, max_megabytes: float) -> tuple[bytes, list[str]]:
    """The bytes of the notebook that a student handed in under `folder`, and what had to be guessed.

    Raises:
        Refused: there is no notebook, several to choose from, or something that is not a plain file.
    """
    if folder.parent.is_symlink() or folder.is_symlink() or not folder.is_dir():
        raise Refused(f"{folder.name} is not a folder; hand in a folder with {lesson}.ipynb in it.")
    names = _files(folder)
    candidates = next(filter(None, ([n for n in names if n.lower().endswith(e)] for e in ENDINGS)), [])
    if not candidates:
        raise Refused(_no_notebook(names, lesson))
    chosen, repairs = _chosen(candidates, lesson)
    data, wanted = _read_plain_file(folder / chosen, max_megabytes), f"{lesson}.ipynb"
    if data.startswith(_ZIP):
        data, member, unzipped = _unzipped(data, lesson, max_megabytes)
        repairs += [f"{chosen} is a zip archive; {member} was taken out of it", *unzipped]
    elif chosen != wanted:
        repairs.insert(0, f"the notebook was called {chosen} and was taken as {wanted}")
    if folder.name != lesson:
        repairs.insert(0, f"the folder was called {folder.name} and was taken as {lesson}")
    return data, repairs


def lesson_folder(student: Path, lesson: str) -> Path:
    """Where `student` handed in `lesson`: the folder of that name, else the first of another spelling.

    >>> lesson_folder(Path("/nowhere"), "05_losses_metrics").name
    '05_losses_metrics'
    """
    exact = student / lesson
    if exact.exists() or exact.is_symlink() or not student.is_dir():
        return exact
    spelt = (entry for entry in sorted(student.iterdir()) if _letters(entry.name) == _letters(lesson))
    return next(spelt, exact)


def _files(folder: Path) -> list[str]:
    """What lies in `folder` and its subfolders, hidden files and editors' safety copies aside."""
    names = []
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        deeper = len(inside.parts) < MAX_DEPTH and len(names) < MAX_FILES
        folders[:] = sorted(name for name in folders if deeper and not name.startswith(_HIDDEN))
        names += [(inside / name).as_posix() for name in sorted(files) if not name.startswith(_HIDDEN)]
    names = names[:MAX_FILES]
    return [name for name in names if not _is_copy(name)] or names


def _is_copy(name: str) -> bool:
    return name.endswith("-checkpoint.ipynb")


def _letters(name: str) -> str:
    """What is left of a file name when people and programs have spelt it their way.

    >>> _letters("Copy of 05 Losses_Metrics (1)")
    'copyof05lossesmetrics1'
    """
    return re.sub(r"[\W_]+", "", name.lower())


def _chosen(candidates: list[str], lesson: str) -> tuple[str, list[str]]:
    """The one that is meant, and which others were ignored.

    Raises:
        Refused: more than one may be meant.
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
        raise Refused(f"{several}: it is not clear which is meant; hand in one notebook, called {wanted}.")
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
    return f"{lesson}.ipynb was expected and the folder holds {found}; hand in one notebook of that name."


def _read_plain_file(path: Path, max_megabytes: float) -> bytes:
    """A link could point anywhere, and a pipe would never end."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        why = "is a link, not a file" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise Refused(f"{path.name} {why}; hand in the notebook itself.") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused(f"{path.name} is not a plain file; hand in the notebook itself.")
        return file.read(int(max_megabytes * 1e6) + 1)


def _unzipped(data: bytes, lesson: str, max_megabytes: float) -> tuple[bytes, str, list[str]]:
    """The one notebook inside a zip archive, its name, and which others were ignored.

    Only that member is read, in memory and no further than the limit.
    """
    if data.count(_ZIP_MEMBER) > MAX_FILES:
        raise Refused(f"the zip archive holds more than {MAX_FILES} files; hand in the notebook itself.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist() if _may_be_read(info)}
            if not members:
                raise Refused(f"the zip archive holds no notebook; hand in {lesson}.ipynb itself.")
            chosen, repairs = _chosen(sorted(members), lesson)
            with archive.open(members[chosen]) as file:
                inside = file.read(int(max_megabytes * 1e6) + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        said = "the zip archive is damaged or has a password; hand in the notebook itself."
        raise Refused(said) from error
    return inside, chosen, repairs


def _may_be_read(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    hidden = any(part.startswith(_HIDDEN) for part in path.parts)
    # other ways of packing may ask for gigabytes before the first byte is read
    plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return path.name.lower().endswith(".ipynb") and plain and not hidden and not _is_copy(path.name)
