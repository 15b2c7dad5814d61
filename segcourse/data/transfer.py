"""Download one file over HTTP, and continue where an earlier try stopped."""

import errno
import shutil
from pathlib import Path

import requests
from tqdm import tqdm

from segcourse.errors import DataError

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 2**16  # bytes; a broken connection loses at most one chunk


def transfer(url: str, part: Path, progress: bool = True) -> None:
    """Download a file to `part`; if `part` holds its beginning, request only the rest.

    A server that does not support ranges sends the whole file again. The caller verifies the file: if it
    changed on the server between two tries, `part` is a mixture of both.

    Args:
        url: the address.
        part: the file to write. After a failure it holds what has arrived.
        progress: show a progress bar if the error output is a terminal.

    Raises:
        requests.RequestException: the connection failed or broke off, or the server refused.
        DataError: the server sent a web page.
        OSError: the file does not fit on the disk.
    """
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        sent = response.headers.get("Content-Range", "")
        if response.status_code == 416 and sent == f"bytes */{have}":
            return  # the file was complete
        if response.status_code == 416:
            part.unlink()
            return transfer(url, part, progress)
        response.raise_for_status()
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise DataError(
                f"{url} is a web page, not an archive: the archive moved, or the page asks for a login. Open "
                "the address in a browser, and download the archive by hand."
            )
        start = have if response.status_code == 206 and sent.startswith(f"bytes {have}-") else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if total:
            need_space(part.parent, total - start, part.stem)
        with (
            part.open("ab" if start else "wb") as file,
            tqdm(
                desc=part.stem,
                total=total,
                initial=start,
                unit="B",
                unit_scale=True,
                disable=None if progress else True,  # None: only in a terminal
            ) as bar,
        ):
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            if total and file.tell() != total:
                raise requests.ConnectionError(f"{file.tell()} of {total} bytes arrived")


def need_space(folder: Path, size: int, what: str) -> None:
    """Raise an OSError if fewer than `size` bytes are free on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if size > free:
        needed = f"{what} needs {size / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free"
        raise OSError(errno.ENOSPC, needed)
