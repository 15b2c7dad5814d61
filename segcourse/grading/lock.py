"""A lock for a course: only one grader writes at a time, and a second one stops with an error."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from segcourse.errors import SegcourseError
from segcourse.files import replacing


class Lock:
    """The right to write into the course folder `root`, held until `close`.

    The operating system holds the lock, so that a grader that is killed leaves nothing to clean up.

    Raises:
        SegcourseError: Another process holds the lock; the message names it.
    """

    def __init__(self, root: Path) -> None:
        self.lock, holder = FileLock(root / ".grading.lock"), root / ".grading.json"
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise SegcourseError(
                f"another grader is writing into {root} ({_describe(holder)}); wait until it ends, or stop "
                "it: everything that it has graded is kept, and you can continue from there."
            ) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        with replacing(holder) as temporary:
            temporary.write_text(
                json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since})
            )

    def close(self) -> None:
        self.lock.release()


def _describe(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
        return f"process {who['process']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "process unknown"
