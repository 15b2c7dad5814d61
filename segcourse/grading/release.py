"""A lesson as it is handed out: nbgrader's own preprocessors, which cut out what students must not see."""

import copy

import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions
from nbgrader.utils import is_solution

from segcourse.errors import SegcourseError
from segcourse.grading.notebooks import checks


def prepare(notebook: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """A lesson as it is graded (model solutions cut out) and as students get it (hidden tests too).

    Raises:
        SegcourseError: a region that begins does not end, or lies in a cell of the wrong kind.
    """
    try:
        graded, _ = ClearAddedSolutions().preprocess(copy.deepcopy(notebook), {})
        released, _ = ClearHiddenTests().preprocess(copy.deepcopy(graded), {})
        return graded, ClearMarkScheme().preprocess(released, {})[0]
    except RuntimeError as error:
        raise SegcourseError(
            f"the lesson's own tests or solutions cannot be told apart: {' '.join(str(error).split())}"
        ) from error


class ClearAddedSolutions(ClearSolutions):
    """nbgrader's ClearSolutions, which leaves an exercise's cell as it is unless a region of it is marked.

    An exercise's cell is a stub already, with its signature and docstring; whole cells are replaced only
    where an instructor added them.
    """

    def preprocess(self, nb, resources):
        self.exercises = {name for cell in nb.cells if (name := checks(cell))}
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell, resources, cell_index):
        stub = cell.source
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if is_solution(cell) and cell.metadata.nbgrader.grade_id in self.exercises:
            cell.source = cell.source if self.begin_solution_delimeter in stub else stub
        return cell, resources
