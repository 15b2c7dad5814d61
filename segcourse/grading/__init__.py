"""The instructors' side: from a folder of submissions to marks that a teacher can trust.

Five steps, and where they live. A submission never grades itself: it is only observed, and judged in another
process.

1. `admitting`: from what was handed in to cells that can be run.
2. `running`: the cells in a sandbox, and what is observed there.
3. `judging`: from what was observed to a result.
4. `recording`: into nbgrader's gradebook, one writer at a time (`lock`).
5. `telling`: each student, and the teacher.

What all of them know is a `course`, and a `lesson` as the grader reads it (`notebooks`; `releasing` cuts out
what students must not see). Around them: many at a time (`pool`), what they all got (`class_result`), the
command line (`commands`), nbgrader itself (`nbgrader_plugins`, `zip_collect`), and whether this machine is
fit for it (`walls`).
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segcourse.grading.class_result import ClassResult

if TYPE_CHECKING:
    from segcourse.grading.scoring.grade import Task
    from segcourse.grading.scoring.result import Result

__all__ = ["ClassResult", "Session", "grade_lesson"]


class Session:
    """One lesson of one course, open for grading; one writer at a time.

    `lessons` is the folder of lessons (default: the course's own), `limits` go before those in course.toml.
    `trust` runs submissions without a sandbox.

    Raises:
        SegcourseError: no such lesson or course folder, an unreadable course.toml, no sandbox here, or
            another grader is at work in this course.
    """

    def __init__(
        self,
        lesson: str,
        course: Path,
        *,
        lessons: Path | None = None,
        limits: dict[str, float | None] | None = None,
        trust: bool = False,
    ) -> None:
        from segcourse.grading.course import Course
        from segcourse.grading.gradebook.writer import Book
        from segcourse.grading.lesson import read_lesson
        from segcourse.grading.lock import Lock
        from segcourse.grading.sandbox import backend, runner

        if lessons is None:
            from segcourse.course.lessons import find

            folder = find(lesson)
        else:
            folder = Path(lessons) / lesson
        self.lesson = read_lesson(folder / f"{folder.name}.ipynb")
        self.course, self.trust = Course.open(Path(course), **(limits or {})), trust
        wall = backend.choose(trust)
        self.lock = Lock(self.course.root)
        if wall == "bubblewrap":
            runner.preload(self.lesson.imports)
        try:
            self.book = Book(self.course, self.lesson)
        except BaseException:
            self.lock.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self.book.close()
        self.lock.close()

    def grade(self, student: str) -> "Result":
        """All five steps for one student; a submission that cannot be graded is a result like any other."""
        from segcourse.grading.scoring.grade import grade

        task = self.task(student)
        return self.record(task if task.refusal else grade(task))

    def task(self, student: str) -> "Task | Result":
        """The first half of step 1: what there is to grade, or the refusal where there is nothing."""
        from segcourse.exercises.observations import clip  # files' names may hold anything
        from segcourse.grading.course import software
        from segcourse.grading.notebooks import Refused
        from segcourse.grading.scoring.grade import Task
        from segcourse.grading.submissions.find import find_submission

        course, lesson = self.course, self.lesson
        if not _is_text(student):
            return self.refused(student, "the folder's name is not text; rename the folder and grade again.")
        try:
            data, notes = find_submission(
                course.submitted(student, lesson.name), lesson.name, course.max_megabytes
            )
        except (Refused, OSError) as error:
            return self.refused(student, clip(str(error), 1000))
        notes = tuple(clip(note, 1000) for note in notes)
        return Task(
            student, lesson.name, lesson.text, lesson.files, data, notes, course.seed(lesson.name),
            course.limits, course.max_megabytes, self.trust, software(),
        )  # fmt: skip

    def refused(self, student: str, why: str) -> "Result":
        from segcourse.grading.scoring.instructor_cells import unseen
        from segcourse.grading.scoring.result import Result

        lesson = self.lesson
        return Result(student, lesson.name, (), {}, lesson.points, unseen(lesson), refusal=why)

    def record(self, result: "Result") -> "Result":
        """Steps 4 and 5: the gradebook, the notebook for formgrader, the student's page, and last the record
        that says that all of it is there."""
        from segcourse.grading.gradebook import autograded
        from segcourse.grading.reports import feedback

        if not _is_text(result.student):
            return result  # no gradebook and no page can carry such a name
        before = autograded.graded_before(self.course, result.student, self.lesson.name)
        notes = self.book.record(result, resubmitted=before is not None and before != result.digest)
        result = replace(result, repairs=(*result.repairs, *notes))
        autograded.write(self.course, self.lesson, result)
        feedback.write(self.course, result, self.book.marks(result.student))
        autograded.sign(self.course, result, self.fingerprint)
        return result

    def recorded(self, student: str) -> "Result | None":
        """What was recorded for the submission as it lies there now, if it is graded completely, by this
        segcourse, on these cases and limits, and the gradebook still says so."""
        from segcourse.grading.gradebook import autograded

        task = self.task(student)
        result = autograded.signed(self.course, student, self.lesson.name, self.fingerprint)
        same = result is not None and result.digest == task.digest
        same = same and task.refusal in (None, result.refusal)
        return result if same and self.book.holds(result) else None

    @cached_property
    def fingerprint(self) -> str:
        """Of everything but the submission that a mark depends on."""
        from segcourse.grading.course import software

        lesson, limits = self.lesson, asdict(self.course.limits) | {"notebook_mb": self.course.max_megabytes}
        limits = {name: float(value) for name, value in limits.items()}  # 60 and 60.0 are the same limit
        files = {name: hashlib.sha256(content).hexdigest() for name, content in lesson.files.items()}
        return self.course.sign(json.dumps([software(), lesson.text, files, limits, self.trust]))

    def notebook(self, result: "Result") -> Any:
        """The notebook that formgrader shows for `result`."""
        from segcourse.grading.gradebook import autograded

        return autograded.notebook(self.lesson, result)


def _is_text(name: str) -> bool:
    """Whether a folder's name is text at all; some systems take any bytes."""
    return name == name.encode("utf-8", "replace").decode()


def grade_lesson(
    lesson: str,
    course: Path,
    *,
    students: list[str] | None = None,
    progress: bool = False,
    again: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    **options: Any,
) -> ClassResult:
    """Grade what the class handed in for `lesson` under `course`; no submission stops the batch.

    Submissions that are graded already and have not changed since are passed over, so that a batch that was
    stopped goes on where it was; `again` grades them too. `students` limits the batch, `progress` draws a bar
    with the time left. `workers` submissions are graded at a time here (None: as many as this machine has
    cores and memory for), or as many as the Dask cluster at the address `scheduler` takes. `options` go to
    `Session`, which also says what is raised.
    """
    from tqdm import tqdm

    from segcourse.grading.pool import default_workers, open_pool

    with contextlib.ExitStack() as stack:
        session = stack.enter_context(Session(lesson, course, **options))
        workers = workers or default_workers(session.course.limits.memory_gb)
        pool = stack.enter_context(open_pool(workers, scheduler))
        name = session.lesson.name
        wanted = [s for s in session.course.students(name) if students is None or s in students]
        bar = tqdm(total=len(wanted), desc=name, unit="submission", disable=not progress)
        results = {}

        def keep(result: "Result") -> None:
            results[result.student] = result
            bar.update()

        def tasks() -> Iterator["Task"]:
            for student in wanted:
                if not again and (result := session.recorded(student)):
                    keep(result)
                elif (task := session.task(student)).refusal:
                    keep(session.record(task))
                else:
                    yield task

        with bar:
            for result in pool.grade(tasks()):
                keep(session.record(result))
        return ClassResult(name, tuple(results[student] for student in wanted))
