"""Errors for people: what was given, what was expected, what to do.

The command line prints the message on one line and exits with code 2. In a notebook these are ordinary
exceptions, and each one also inherits from the built-in exception that a caller would expect.
"""

import errno
from collections.abc import Sequence


class SegcourseError(Exception):
    """Base class of errors that a person can fix, as opposed to bugs."""


class DataError(SegcourseError, ValueError):
    """An image, a mask, a folder or a data set is missing, damaged or has the wrong format."""


class ModelFileError(SegcourseError, ValueError):
    """A saved model is missing, is damaged, or has another architecture."""


class DeviceError(SegcourseError, RuntimeError):
    """The requested device does not exist on this machine."""


class ServiceError(SegcourseError, OSError):
    """The web service can't start: its address is wrong, or something else uses it."""


class SaveError(SegcourseError, OSError):
    """A file could not be written; the previous version is unchanged."""


class TrainingError(SegcourseError, RuntimeError):
    """Training stopped, for example because the loss became NaN."""


class LessonError(SegcourseError, ValueError):
    """A lesson or a notebook is missing or invalid."""


def sentence(error: OSError) -> str:
    """Turn an error of the operating system into a sentence that names the file and what to do.

    >>> sentence(PermissionError(13, "Permission denied", "notes.txt"))
    "notes.txt can't be read or written by you; choose another folder or change its permissions."
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or "A file"
        return f"{place} could not be written, because the disk is full. Free some space, then try again."
    if error.filename is None:
        return str(error)
    advice = {
        FileNotFoundError: "does not exist; check the path",
        PermissionError: "can't be read or written by you; choose another folder or change its permissions",
        IsADirectoryError: "is a folder; give a file",
        NotADirectoryError: "is a file; give a folder",
    }
    return f"{error.filename} {advice.get(type(error), f'cannot be used: {error.strerror}')}."


def first_few(values: Sequence, most: int = 5) -> str:
    """List the first values for an error message.

    >>> first_few([3, 7, 9], most=2), first_few([3, 7])
    ('3, 7, …', '3, 7')
    """
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")
