"""Grade one submission in Gradescope's container, and write results.json."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from segcourse import exercises
from segcourse.exercises.engine.display import text
from segcourse.exercises.engine.observations import clip
from segcourse.files import replacing
from segcourse.grading.course import Course
from segcourse.grading.sandbox import runner
from segcourse.grading.scoring.result import Result
from segcourse.grading.session import Session

STUDENT = 61234  # the user that runs students' code; no other user has this number
MAX_SECONDS = 400  # Gradescope stops an autograder after ten minutes, unless the instructor sets more
MAX_TEXT = 20_000


def main(place: Path) -> None:
    """Grade `place`/submission. If the grader itself fails, Gradescope reports that, and gives no score."""
    settings = json.loads((place / "source" / "settings.json").read_text())
    result = grade(place, settings["lesson"])
    with replacing(place / "results" / "results.json") as temporary:
        temporary.write_text(json.dumps(results(result, settings["visibility"]), indent=1))


def grade(place: Path, lesson: str) -> Result:
    """Grade the submission in a new course folder, as a user without rights if this one is root."""
    source = place / "source"
    as_root = os.geteuid() == 0
    runner.trusted_user = STUDENT if as_root else None
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        course = Path(shutil.copytree(source / "course", Path(folder, "course")))
        shutil.copytree(place / "submission", course / "submitted" / "student" / lesson, symlinks=True)
        limits = {"total_seconds": min(MAX_SECONDS, Course.open(course).limits.total_seconds)}
        options = {"lessons": source / "lessons", "limits": limits, "trust": True}
        session = stack.enter_context(Session(lesson, course, **options))
        if as_root:
            stack.callback(_end_processes)
        return session.grade("student")


def _end_processes() -> None:
    """End everything that students' code has left running, at once: kill(-1) reaches all of a user."""
    command = [sys.executable, "-c", "import os; os.kill(-1, 9)"]
    subprocess.run(command, user=STUDENT, group=STUDENT, extra_groups=(), stderr=subprocess.DEVNULL)


def results(result: Result, visibility: str) -> dict[str, Any]:
    """Return the contents of results.json: a test per exercise, with its points and the reply."""
    made = {"visibility": visibility, "stdout_visibility": "hidden", "execution_time": round(result.seconds)}
    if result.refusal:
        output = (
            f"Could not be graded: {clip(result.refusal, 1000)} The 0 stands for this, not for your answers: "
            "submit again."
        )
        return made | {"score": 0.0, "output": output}
    by_hand = [f"{each.grade_id}: {each.max_points:g} points, given by a person" for each in result.tests
               if each.points is None]  # fmt: skip
    by_hand += [f"{verdict.name}: the 0 means that it could not be graded; submit again"
                for verdict in result.verdicts if not verdict.observed]  # fmt: skip
    notes = [clip(note, 1000) for note in (*result.repairs, *result.stopped_cells, *by_hand)]
    tests = [
        {
            "number": exercises.get(verdict.name).number,
            "name": verdict.name,
            "score": result.points[verdict.name],
            "max_score": result.max_points[verdict.name],
            "output": text(verdict)[:MAX_TEXT],
        }
        for verdict in result.verdicts
    ]
    tests += [
        {"name": each.grade_id, "score": each.points, "max_score": each.max_points, "output": each.says}
        for each in result.tests
        if each.points is not None
    ]
    return made | {"output": "\n".join(notes), "tests": tests}


if __name__ == "__main__":
    main(Path.cwd())
