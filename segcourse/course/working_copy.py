"""A student's working copy of the lessons: made once, and brought up to date without losing any work.

The folder holds `.segcourse.json`, which says what text of each file was handed out last. A file that still
has that text holds no work and may be replaced. Everything else stays as it is.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segcourse.course import lessons
from segcourse.errors import LessonError, first_few
from segcourse.files import copy_new, keep_copy, replacing

RECORD = ".segcourse.json"
PAGES = ("glossary.md", "reading_on.md")  # for students; README.md is for contributors


@dataclass
class Changes:
    """What `start` did, by path relative to the folder.

    Attributes:
        added: files that were missing.
        updated: files that had the text handed out before; now they have the text of today.
        kept: files that somebody has changed and that have a newer text, with the file that holds it.
        copies: files that were replaced and held outputs, with the file that holds them now.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """Return what a student should know, one sentence per line.

        >>> Changes(added=["00_start_here/00_start_here.ipynb"]).sentences()
        ['1 file(s) added.']
        """
        said = [f"{len(self.added)} file(s) added."] if self.added else []
        if self.updated:
            said.append(
                f"{len(self.updated)} file(s) that you had not changed updated: {first_few(self.updated)}."
            )
        said += [f"{name} held outputs; they are in {copy}." for name, copy in self.copies.items()]
        said += [
            f"{name} is your work and was kept; its new text is in {new}." for name, new in self.kept.items()
        ]
        return said or ["Nothing is new; no file was changed."]


def files() -> Iterator[tuple[Path, str]]:
    """Yield what students get: the files of each lesson and the pages beside the lessons, each with its path.

    The text versions (.py) are left out, because students need only one version of a lesson.

    Raises:
        LessonError: there are no lessons.
    """
    if not lessons.folders():
        raise LessonError(
            f"There are no lessons in {lessons.root()}: install segcourse again, or use a complete checkout."
        )
    for lesson in lessons.folders():
        for source in sorted(path for path in lesson.rglob("*") if path.is_file()):
            if source.suffix != ".py" and ".ipynb_checkpoints" not in source.parts:
                yield source, source.relative_to(lessons.root()).as_posix()
    for name in PAGES:
        if (lessons.root() / name).is_file():
            yield lessons.root() / name, name


def start(folder: str | os.PathLike) -> Changes:
    """Copy the lessons to `folder`, and update the files there that still have the text handed out before.

    A notebook is unchanged if its cells hold the text that was handed out: running a notebook or saving it
    does not make it a student's work. Its outputs are kept in a copy all the same. A newer text of a changed
    file is written beside it, once, as NAME_new.

    Raises:
        LessonError: there are no lessons to copy.
        SaveError: a file could not be written.
    """
    folder, changes = Path(folder), Changes()
    before = _read_record(folder / RECORD)
    record = dict(before)
    try:
        for source, name in files():
            _bring(source, folder / name, name, record, changes)
    finally:  # what was handed out is on record even if a later file fails
        if record != before:
            with replacing(folder / RECORD) as temporary:
                temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return changes


def _bring(source: Path, target: Path, name: str, record: dict[str, str], changes: Changes) -> None:
    """Bring one file up to date, or its newer text beside it."""
    handed_out, today = record.get(name), fingerprint(source)
    if copy_new(source, target):
        changes.added.append(name)
    elif (mine := fingerprint(target)) == handed_out != today:
        if _has_outputs(target):
            changes.copies[name] = Path(name).with_name(keep_copy(target).name).as_posix()
        _replace(source, target)
        changes.updated.append(name)
    elif mine != today != handed_out:
        beside = target.with_stem(f"{target.stem}_new")
        newer = Path(name).with_name(beside.name).as_posix()
        if not copy_new(source, beside) and fingerprint(beside) != today:
            if fingerprint(beside) != record.get(newer):
                keep_copy(beside)  # somebody works in it
            _replace(source, beside)
        record[newer] = today
        changes.kept[name] = newer
    record[name] = today


def fingerprint(path: Path) -> str:
    """Return what tells a file's text from any other text.

    Of a notebook only the cells count, without empty ones: JupyterLab adds an empty cell below the last one
    that is run, and writes outputs, counts and metadata.
    """
    data = path.read_bytes()
    cells = [
        [cell.get("cell_type"), source]
        for cell in _cells(data)
        if (source := _joined(cell.get("source")).strip())
    ]
    return hashlib.sha256(json.dumps(cells).encode() if cells else data).hexdigest()


def _has_outputs(path: Path) -> bool:
    return any(cell.get("outputs") for cell in _cells(path.read_bytes()))


def _cells(data: bytes) -> list[dict[str, Any]]:
    """Return a notebook's cells; nothing for any other file, and for a damaged notebook."""
    try:
        content = json.loads(data)
    except ValueError:
        return []
    cells = content.get("cells") if isinstance(content, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def _joined(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


def _replace(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(source.read_bytes())


def _read_record(path: Path) -> dict[str, str]:
    """Return what was handed out; without a readable record, every file counts as changed."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
