"""Mend a student's notebook for handing in: labels, ids, tags and order as the lesson has them.

The grader repairs the same things when it reads a submission; other programs, such as nbgrader's Validate
button, do not. The student's own code and outputs stay as they are.
"""

import copy
import json
import uuid
from typing import Any

import nbformat
from nbformat import NotebookNode

from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.submissions.read import decode
from segcourse.grading.submissions.recognise import Submission, recognise

SHOWN = ("cell_type", "source", "id")


def mended(data: bytes, lesson: Lesson) -> tuple[NotebookNode, bool]:
    """Return a student's notebook with the lesson's labels, ids and order, and whether that changed anything.

    Raises:
        Refused: It is not a notebook of this lesson.
        ValueError: It is so damaged that only the grader can read it.
    """
    given = nbformat.reader.reads(decode(data)[0])
    notebook = nbformat.convert(copy.deepcopy(given), 4)
    taken: set[str] = set()
    for cell in notebook.cells:
        own = cell.get("id") or cell.metadata.pop("id", None)  # Colab moves ids into the metadata
        cell["id"] = own if own and own not in taken else uuid.uuid4().hex[:8]
        taken.add(cell["id"])
    submission = recognise(json.dumps(notebook).encode(), lesson)
    notebook.cells = _cells(notebook, submission, lesson)
    notebook.metadata["kernelspec"] = lesson.notebook["metadata"]["kernelspec"]
    notebook.metadata.pop("widgets", None)  # what other editors write here is often invalid
    notebook.nbformat_minor = 5
    return notebook, _text_of(notebook) != _text_of(given)


def _cells(notebook: NotebookNode, submission: Submission, lesson: Lesson) -> list[NotebookNode]:
    by_id = {cell["id"]: cell for cell in notebook.cells}
    labelled = {cell.grade_id: lesson.cell(cell.grade_id).id for cell in submission.cells if cell.grade_id}
    made = []
    for cell in submission.cells:
        node = by_id.get(cell.id) or _original(cell, lesson)
        if node["id"] in labelled.values():  # of a second definition, for example
            node["id"] = uuid.uuid4().hex[:8]
        if cell.role == "check":
            node["source"] = cell.source
        if node["cell_type"] != cell.kind:
            node = nbformat.v4.new_code_cell(cell.source, id=node["id"])
        if node["cell_type"] != "code":
            for name in ("outputs", "execution_count"):
                node.pop(name, None)
        node.metadata.pop("nbgrader", None)
        if cell.grade_id:
            node.metadata["nbgrader"] = lesson.metadata[cell.grade_id]
            node["id"] = labelled[cell.grade_id] or node["id"]
        if cell.tags:
            node.metadata["tags"] = list(cell.tags)
        made.append(node)
    return made


def _original(cell: Cell, lesson: Lesson) -> NotebookNode:
    return copy.deepcopy(next(one for one in lesson.notebook["cells"] if one.get("id") == cell.id))


def _text_of(notebook: NotebookNode) -> list[Any]:
    """Return what handing in depends on: all but outputs and what editors add."""
    return [
        [*map(cell.get, SHOWN), _without_checksum(cell.metadata.get("nbgrader")), cell.metadata.get("tags")]
        for cell in notebook.get("cells", ())
    ]


def _without_checksum(about: dict | None) -> dict:
    return {name: value for name, value in (about or {}).items() if name != "checksum"}
