"""Atomic file writes: a failure leaves the previous file unchanged."""

import contextlib
import csv
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from segcourse.errors import SaveError


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and move it to `path` on success.

    Readers see either the old file or the new file, never part of one. That holds even when the disk fills up
    or the process is killed, which leaves the hidden temporary file behind. That file keeps the suffix, which
    tells image writers the format.

    Raises:
        SaveError: the folder is not writable or the disk is full. `path` is unchanged.

    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp creates private files; use the permissions that an ordinary open() would have set
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except SaveError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise SaveError(
            f"{path} could not be written ({reason}); the previous file is unchanged. "
            "Free some disk space or choose another folder, then try again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make a folder, and refuse one that can't be written to, before the long work whose results go there.

    Raises:
        SaveError: see `replacing`.
    """
    probe = folder / ".probe"
    with replacing(probe):
        pass
    probe.unlink()


def write_between(path: Path, begin: str, end: str, text: str) -> None:
    r"""Replace what stands between two marks of a text file; each mark is a whole line.

    >>> import tempfile, pathlib
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.md"
    >>> _ = page.write_text("before\n<!-- a -->\nold\n<!-- b -->\nafter\n")
    >>> write_between(page, "<!-- a -->\n", "<!-- b -->\n", "new\n")
    >>> page.read_text().splitlines()
    ['before', '<!-- a -->', 'new', '<!-- b -->', 'after']
    """
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    with replacing(path) as temporary:
        temporary.write_text(before + begin + text + end + after, encoding="utf-8")


def copy_new(source: Path, target: Path) -> bool:
    """Copy a file and return True; if `target` exists, change nothing and return False.

    Raises:
        SaveError: see `replacing`.
    """
    if target.exists():
        return False
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return True


def keep_copy(path: Path) -> Path:
    """Rename a file that is about to be replaced to NAME.bak, NAME.bak2 … and return its new path.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "work.ipynb"
    >>> _ = path.write_text("mine")
    >>> keep_copy(path).name, path.exists()
    ('work.ipynb.bak', False)
    """
    names = (
        path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in itertools.count(1)
    )
    kept = next(name for name in names if not name.exists())
    try:
        return path.rename(kept)
    except OSError as error:
        raise SaveError(
            f"{path} could not be renamed to {kept.name} ({error.strerror}); nothing was changed."
        ) from error


def write_csv(path: str | os.PathLike, rows: Iterable[Iterable]) -> None:
    """Write rows to a CSV file, the column names first.

    Raises:
        SaveError: see `replacing`.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
