"""Which wall stands between submissions and this machine: bubblewrap, else Docker, else nothing is run."""

import functools

from segcourse.errors import SegcourseError
from segcourse.grading.sandbox import bubblewrap, docker
from segcourse.grading.sandbox.bubblewrap import UnusableError

GIVEN_UP = (
    "students' code runs with all your rights: it could read and change your files, this gradebook included, "
    "and use your network"
)


class NoSandboxError(SegcourseError):
    """Submissions cannot be kept apart from this machine."""


def choose(trust: bool = False) -> str:
    """ "bubblewrap" or "docker", whichever works here first; "none" if submissions are trusted.

    Raises:
        NoSandboxError: neither works, and `trust` is False.
    """
    return "none" if trust else _working()


@functools.cache
def _working() -> str:
    try:
        bubblewrap.command_line()
        return "bubblewrap"
    except UnusableError as first:
        try:
            docker.engine()
            return "docker"
        except UnusableError as second:
            raise NoSandboxError(
                f"{first}, and {second}; install one of them, or pass --trust-submissions: then {GIVEN_UP}."
            ) from None
