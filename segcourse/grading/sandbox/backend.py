"""The sandbox backend: bubblewrap if it works here, otherwise Docker, otherwise nothing is run."""

import functools

from segcourse.errors import SegcourseError
from segcourse.grading.sandbox import bubblewrap, docker
from segcourse.grading.sandbox.bubblewrap import UnusableError

TRUST_WARNING = (
    "students' code runs with all your permissions: it can read and change your files, including this "
    "gradebook, and use your network"
)


class NoSandboxError(SegcourseError):
    """No sandbox backend works here."""


def choose(trust: bool = False) -> str:
    """Return the first backend that works here, "bubblewrap" or "docker"; "none" if submissions are trusted.

    Raises:
        NoSandboxError: Neither works, and `trust` is False.
    """
    return "none" if trust else _first_working()


@functools.cache
def _first_working() -> str:
    try:
        bubblewrap.command_line()
        return "bubblewrap"
    except UnusableError as first:
        try:
            docker.engine()
            return "docker"
        except UnusableError as second:
            raise NoSandboxError(
                f"{first}, and {second}; install one of them, or use --trust-submissions. Then "
                f"{TRUST_WARNING}."
            ) from None
