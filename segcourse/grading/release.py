"""Prepare a lesson for students: nbgrader's own preprocessors, which remove what students must not see."""

import copy

import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions
from nbgrader.utils import is_solution

from segcourse.errors import SegcourseError
from segcourse.grading.notebooks import checked_exercise


def prepare(notebook: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """Return a lesson as it is graded (without solutions) and as students get it (without hidden tests too).

    Raises:
        SegcourseError: A marked region does not end, or lies in a cell of the wrong kind.
    """
    try:
        graded, _ = ClearAddedSolutions().preprocess(copy.deepcopy(notebook), {})
        released, _ = ClearHiddenTests().preprocess(copy.deepcopy(graded), {})
        return graded, ClearMarkScheme().preprocess(released, {})[0]
    except RuntimeError as error:
        raise SegcourseError(
            f"nbgrader cannot separate the lesson's solutions and tests: {' '.join(str(error).split())}"
        ) from error


class ClearAddedSolutions(ClearSolutions):
    """nbgrader's ClearSolutions, except that it leaves exercises without a marked region unchanged.

    The cell of an exercise is already a stub with signature and docstring. nbgrader would replace it
    entirely.
    """

    def preprocess(self, nb, resources):
        self.exercises = {name for cell in nb.cells if (name := checked_exercise(cell))}
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell, resources, cell_index):
        stub = cell.source
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if is_solution(cell) and cell.metadata.nbgrader.grade_id in self.exercises:
            cell.source = cell.source if self.begin_solution_delimeter in stub else stub
        return cell, resources
