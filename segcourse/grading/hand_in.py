"""Rehearse handing in: what a student's notebook gives in a new kernel, and which file to hand in.

A new kernel runs what grading would run of the saved notebook, on this machine and without a sandbox: it is
the student's own code. Only the checks' public cases are known here. Grading draws other cases.
"""

import json
import os
import subprocess
import time
import warnings
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from segcourse.course import colab
from segcourse.course.findings import Finding, table
from segcourse.errors import SaveError, SegcourseError
from segcourse.files import keep_copy, replacing
from segcourse.grading.notebooks import Cell, Lesson
from segcourse.grading.scoring.events import Events
from segcourse.grading.scoring.grade import why_undefined
from segcourse.grading.submissions import patterns, preview
from segcourse.grading.submissions.dependencies import is_missed, unneeded_cells
from segcourse.grading.submissions.mend import mended
from segcourse.grading.submissions.recognise import Submission

FOLDER = "hand-in"
CELL_SECONDS = 300
_INSIDE = "SEGCOURSE_REHEARSAL"  # set in the new kernel, where a rehearsal would start another one
_MARK = "segcourse-verdict:"
_PROBE = """from segcourse.exercises import assess as _assess
from segcourse.exercises.engine.display import headline as _headline
import json as _json
_verdict = _assess("{name}", {name})
print("{mark}" + _json.dumps([_verdict.passed, _verdict.started, _headline(_verdict)]))"""
HIDDEN = "grading draws new cases, so your points can differ from those above."
SAVE = "Save the notebook (Ctrl + S, on a Mac ⌘ + S), then run this cell again."


def doctor(name: str) -> None:
    """Print whether the notebook that calls this is ready to hand in: the last cell of each lesson.

    Args:
        name: the notebook's file, if the notebook server does not tell it.
    """
    if _INSIDE in os.environ or "NBGRADER_EXECUTION" in os.environ:
        return
    try:
        path = _this_notebook(name)
        print(f"Running {path.name} in a new kernel; this can take a minute …")
        print(table(rehearse(path, history=_history())))
        if colab.is_here():
            print("The folder icon on the left shows this file; download it from there.")
    except (SegcourseError, OSError) as error:
        print(f"{error}" if isinstance(error, SegcourseError) else f"{error.filename} can't be read. {SAVE}")


def _this_notebook(name: str) -> Path:
    if colab.is_here():
        return colab.save_notebook(Path(FOLDER, name))
    told = Path(os.environ.get("JPY_SESSION_NAME", ""))  # Jupyter's server sets it
    return told if told.suffix == ".ipynb" and told.is_file() else Path(name)


def _history() -> list[str]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return list(shell.user_ns.get("In", ())) if shell else []


def rehearse(path: Path, run: bool = True, history: list[str] | None = None) -> list[Finding]:
    """Return whether the saved notebook at `path` is ready to hand in, exercise by exercise.

    Args:
        path: the notebook. It is never changed; a repaired copy is written to the folder hand-in beside it.
        run: whether to run the notebook's code.
        history: the sources of the cells that were run, to see whether the notebook was saved since.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        lesson, submission = preview.find_lesson(data, path.stem)
    except SegcourseError as refusal:
        return [Finding("Notebook", "problem", str(refusal))]
    if unsaved := _unsaved(submission, lesson, history or []):
        says = f"the saved {unsaved} is not the one that you ran last. Run its cell. {SAVE}"
        return [Finding("Notebook", "problem", says)]
    found = preview.described(lesson, submission)
    if run and submission.untouched != lesson.points.keys():
        trial = _run(lesson, submission, path.parent)
        found = _combined(found, trial, lesson, submission)
    try:
        found.append(_hand_in(path, data, lesson))
    except SaveError as error:
        found.append(Finding("Hand in", "problem", f"no repaired copy was written. {error}"))
    return [*found, Finding("Grading", "note", HIDDEN)]


def _unsaved(submission: Submission, lesson: Lesson, history: list[str]) -> str | None:
    """Return an exercise that was run last with another source than the saved one."""
    saved = {patterns.normalized(cell.source) for cell in submission.cells}
    for name in lesson.points:
        ran = [source for source in history if patterns.defines(name, source)]
        if ran and patterns.normalized(patterns.without_foreign_lines(ran[-1], False)[0]) not in saved:
            return name
    return None


@dataclass
class Trial:
    """What a run in a new kernel gave.

    Attributes:
        events: the errors, by cell of the submission.
        verdicts: [passed, started, headline] of each exercise that exists when its check runs.
        seconds: how long the run took, with the start of the kernel.
        ended: why the run ended early.
    """

    events: Events
    verdicts: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    ended: str = ""


def _run(lesson: Lesson, submission: Submission, folder: Path) -> Trial:
    """Run what grading would run; the whole notebook if a skipped cell turns out to be needed."""
    skipped = unneeded_cells(submission.cells, lesson)
    trial = _run_without(skipped, submission, folder)
    return _run_without({}, submission, folder) if is_missed(trial.events.errors(), skipped) else trial


def _run_without(skipped: Container[int], submission: Submission, folder: Path) -> Trial:
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError

    places = [i for i, cell in enumerate(submission.cells) if cell.runs and i not in skipped]
    cells = [submission.cells[place] for place in places]
    notebook = new_notebook(cells=[new_code_cell(_source(cell)) for cell in cells])
    begun: list[int] = []
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, interrupt_on_timeout=True, allow_errors=True,
        kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: begun.append(cell_index),
    )  # fmt: skip
    start, ended = time.monotonic(), ""
    try:
        client.execute(env={**os.environ, _INSIDE: "1"}, stderr=subprocess.DEVNULL)
    except (CellTimeoutError, RuntimeError, NoSuchKernel) as error:  # a dead kernel is a RuntimeError
        why = "took too long" if isinstance(error, CellTimeoutError) else "stopped the kernel"
        unable = f"no kernel could start ({' '.join(str(error).split())}); `segcourse doctor` checks Jupyter"
        ended = f"{cells[begun[-1]]} {why}" if begun else unable
    outputs = [cell.outputs for cell in notebook.cells]
    verdicts = {
        cell.exercise: verdict
        for cell, shown in zip(cells, outputs, strict=True)
        if cell.role == "check" and (verdict := _verdict(shown))
    }
    events = [{"step": i, **_event(shown)} for i, shown in enumerate(outputs)]
    return Trial(Events(events, places), verdicts, time.monotonic() - start, ended)


def _source(cell: Cell) -> str:
    return _PROBE.format(name=cell.exercise, mark=_MARK) if cell.role == "check" else cell.source


def _verdict(outputs: list[Any]) -> list[Any] | None:
    """Return what the probe of a check printed; None if the exercise does not exist there."""
    text = "".join(one.text for one in outputs if one.output_type == "stream")
    said = [line for line in text.splitlines() if line.startswith(_MARK)]
    return json.loads(said[-1].removeprefix(_MARK)) if said else None


def _event(outputs: list[Any]) -> dict[str, str]:
    """Return how a cell ended, in the form of the sandbox's record."""
    error = next((one for one in outputs if one.output_type == "error"), None)
    return {"status": "error", "error": f"{error.ename}: {error.evalue}"} if error else {"status": "ran"}


def _combined(found: list[Finding], trial: Trial, lesson: Lesson, submission: Submission) -> list[Finding]:
    """Return the findings with what the run showed: points instead of "written"."""
    result = [
        _exercise(finding, trial, submission) if finding.what in lesson.points else finding
        for finding in found
    ]
    stopped = trial.events.stopped_cells(submission, lesson)
    result += [Finding("Cell", "problem", f"in a new kernel, {says}.") for says in stopped]
    if trial.ended:
        return [*result, Finding("Run", "problem", f"{trial.ended}; the rest did not run.")]
    clean = f"the cells that grading needs ran in a new kernel in {trial.seconds:.0f} s"
    return [*result, Finding("Run", "ok", f"{clean}{', apart from the cells above' if stopped else ''}.")]


def _exercise(finding: Finding, trial: Trial, submission: Submission) -> Finding:
    name = finding.what
    if finding.state == "problem" or name in submission.untouched:
        return finding
    if name not in trial.verdicts:
        check = submission.check(name)
        why = trial.ended or why_undefined(name, submission, trial.events, check)[0] or "it was not found"
        return Finding(name, "problem", f"in a new kernel, {why.rstrip('.')}.")
    passed, _, headline = trial.verdicts[name]
    points = headline.removeprefix(f"{name}: ")
    if passed:
        return Finding(name, "ok", f"{points} in the public check.")
    hint = f" {finding.says}" if finding.state == "note" else ""
    return Finding(name, "note", f"{points} in the public check; its reply says why.{hint}")


def _hand_in(path: Path, data: bytes, lesson: Lesson) -> Finding:
    """Name the file to hand in; write it if the notebook itself lacks labels or has another name."""
    folder = path.parent if path.parent.name == FOLDER else path.parent / FOLDER
    target = folder / f"{lesson.name}.ipynb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's, about missing ids
        try:
            notebook, changed = mended(data, lesson)
            text = nbformat.writes(notebook)
        except ValueError:  # the grader reads more than nbformat does
            changed, text = False, ""
    if not changed and path.name == target.name:
        if target.exists() and target != path:
            keep_copy(target)  # an earlier state of this notebook must not be handed in
        return Finding("Hand in", "ok", f"{path.resolve()}")
    if not text:
        return Finding(
            "Hand in", "note", f"{path.resolve()}; it could not be repaired, but grading reads it."
        )
    if target.exists() and target != path and target.read_text(encoding="utf-8") != text:
        keep_copy(target)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    why = (
        "cell labels, ids and order are repaired there" if changed else "its file name is that of the lesson"
    )
    again = "Your notebook is unchanged: run this again after each change."
    return Finding("Hand in", "ok", f"{target.resolve()}; {why}. {again}")
