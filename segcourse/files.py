"""Writing files so that a failure leaves what was there before."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from segcourse.errors import SaveError


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` on success, and is removed on failure.

    Readers see the old file or the new one, never half of one, even when the disk fills up or the process is
    killed. The temporary file keeps the suffix, because image writers choose their format by it.

    Raises:
        SaveError: the folder cannot be written to or the disk is full; `path` is as it was.

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
        # mkstemp makes files private; give the file the permissions that an ordinary open() would have given
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except SaveError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise SaveError(
            f"{path} could not be written ({reason}); what was there before is unchanged. "
            "Free some space or choose another folder, then try again."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
