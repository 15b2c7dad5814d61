"""A class of students with bad luck; each had one of the `accidents/`, marked with its outcome."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from grading_class import LESSON, as_bytes
from nbformat import NotebookNode

NAME = f"{LESSON}.ipynb"
TITLE, IMPORTS, DICE, CHECK_DICE, IOU, CHECK_IOU, MEAN, CHECK_MEAN, DEMO = range(9)  # the lesson's cells
LIMITS = {"cell_seconds": 2, "case_seconds": 2, "total_seconds": 120}
MEGABYTES = 2


@dataclass(frozen=True)
class Accident:
    """One submission: what the student did, how it is handed in, and the right outcome.

    `repaired` holds words of each repair, `diagnosed` of the diagnosis of an exercise, `stopped` of each cell
    that stopped, and `refused` of the reason for no score.
    """

    name: str
    did: str
    make: Callable[[], bytes | NotebookNode | Mapping[str, bytes]]
    score: float | None
    repaired: tuple[str, ...]
    diagnosed: dict[str, str]
    stopped: tuple[str, ...]
    refused: str | None
    folder: str

    def hand_in(self, course: Path) -> None:
        made = self.make()
        if isinstance(made, NotebookNode):
            made = as_bytes(made)
        for name, data in (made if isinstance(made, Mapping) else {NAME: made}).items():
            path = course / "submitted" / self.name / self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def accident(
    score: float | None = None,
    repaired: Iterable[str] = (),
    diagnosed: Mapping[str, str] | None = None,
    stopped: Iterable[str] = (),
    refused: str | None = None,
    folder: str = LESSON,
) -> Callable[[Callable], Accident]:
    """Mark a function that makes a submission: bytes, a notebook, or the files of a folder by name."""

    def marked(make: Callable) -> Accident:
        expected = (score, tuple(repaired), dict(diagnosed or {}), tuple(stopped), refused, folder)
        return Accident(make.__name__, make.__doc__, make, *expected)

    return marked


def accidents(*modules: ModuleType) -> dict[str, Accident]:
    """Return every accident in `modules`, by the student's name."""
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Accident)]
    return {accident.name: accident for accident in found}


def zip_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()
