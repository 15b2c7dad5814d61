"""Errors that are sentences: what was given, what is wanted, what to do.

The command line prints any of them in one line and ends with exit code 2; in a notebook they are ordinary
exceptions, each also of the built-in kind that a caller would expect.
"""


class SegcourseError(Exception):
    """Base of every error that a person, and not a bug, has caused."""


class DataError(SegcourseError, ValueError):
    """An image, a mask, a folder or a data set is not what it should be."""


class ModelFileError(SegcourseError, ValueError):
    """A saved model cannot be used: missing, damaged, or of another architecture."""


class DeviceError(SegcourseError, RuntimeError):
    """A device was asked for that this machine does not have."""


class SaveError(SegcourseError, OSError):
    """A file could not be written; what was there before is still there."""


class TrainingError(SegcourseError, RuntimeError):
    """Training had to stop, for example because the loss became NaN."""


class LessonError(SegcourseError, ValueError):
    """A lesson or a notebook is not there, or is not what it should be."""
