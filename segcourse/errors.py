"""Errors for people: what was given, what was expected, what to do.

The command line prints the message on one line and exits with code 2. In a notebook these are ordinary
exceptions, and each one also inherits from the built-in exception that a caller would expect.
"""


class SegcourseError(Exception):
    """Base class of errors that a person can fix, as opposed to bugs."""


class DataError(SegcourseError, ValueError):
    """An image, a mask, a folder or a data set is missing, damaged or has the wrong format."""


class ModelFileError(SegcourseError, ValueError):
    """A saved model is missing, is damaged, or has another architecture."""


class DeviceError(SegcourseError, RuntimeError):
    """The requested device does not exist on this machine."""


class SaveError(SegcourseError, OSError):
    """A file could not be written; the previous version is unchanged."""


class TrainingError(SegcourseError, RuntimeError):
    """Training stopped, for example because the loss became NaN."""


class LessonError(SegcourseError, ValueError):
    """A lesson or a notebook is missing or invalid."""
