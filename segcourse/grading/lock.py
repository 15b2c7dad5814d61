"""One writer a course: whoever comes second is told who is at it, and nothing is mixed up."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from segcourse.errors import SegcourseError
from segcourse.files import replacing


class Lock:
    """The right to write into the course folder `root`, for as long as this is open.

    The system holds it, so that a grader that is killed leaves nothing to clean up.

    Raises:
        SegcourseError: another process has it; the sentence names that one.
    """

    def __init__(self, root: Path) -> None:
        self.lock, holder = FileLock(root / ".grading.lock"), root / ".grading.json"
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise SegcourseError(
                f"another grader is writing into {root} ({_told(holder)}); wait until it is done, or end "
                "it: what it has graded by then stays, and you can go on from there."
            ) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        with replacing(holder) as temporary:
            temporary.write_text(
                json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since})
            )

    def close(self) -> None:
        self.lock.release()


def _told(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
        return f"process {who['process']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said which"
