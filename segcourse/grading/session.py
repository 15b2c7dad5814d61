"""Grade one lesson of a course: perform the five steps for each student, or for the whole class."""

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from segcourse.course.lessons import find, folders
from segcourse.errors import SegcourseError, first_few
from segcourse.exercises.engine.observations import clip
from segcourse.grading.class_result import ClassResult
from segcourse.grading.course import Course, software
from segcourse.grading.enrolment import match_submissions
from segcourse.grading.gradebook import autograded
from segcourse.grading.gradebook.marks import Marks
from segcourse.grading.gradebook.writer import GradebookWriter
from segcourse.grading.lesson import read_lesson
from segcourse.grading.lock import Lock
from segcourse.grading.notebooks import Refused
from segcourse.grading.pool import default_workers, open_pool
from segcourse.grading.reports import feedback
from segcourse.grading.sandbox import backend, runner
from segcourse.grading.scoring.grade import Task, failure, grade
from segcourse.grading.scoring.instructor_cells import ungraded
from segcourse.grading.scoring.result import Result
from segcourse.grading.submissions.find import find_notebook

_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # errors that every other submission would meet too


class Session:
    """One lesson of one course, open for grading by one writer at a time.

    Args:
        lesson: The lesson's name or number.
        course: nbgrader's course folder.
        lessons: The folder of lessons. Default: the course's own.
        limits: Limits that replace those in course.toml; None keeps the value there.
        trust: Run submissions without a sandbox.
        preload: Start importing PyTorch for the submissions at once; not needed if a cluster runs them.

    Raises:
        SegcourseError: There is no such lesson or course folder, course.toml cannot be read, no sandbox works
            here, or another grader is writing into this course.
    """

    def __init__(
        self,
        lesson: str,
        course: Path,
        *,
        lessons: Path | None = None,
        limits: dict[str, float | None] | None = None,
        trust: bool = False,
        preload: bool = True,
    ) -> None:
        self.course, self.trust = Course.open(Path(course), **(limits or {})), trust
        folder = Path(lessons) / lesson if lessons else find(lesson, self.course.lessons)
        self.lesson = read_lesson(folder / f"{folder.name}.ipynb")
        isolation = backend.choose(trust)
        self.lock = Lock(self.course.root)
        if preload and isolation == "bubblewrap":
            runner.preload(self.lesson.imports)
        self.marks: dict[str, Marks] = {}  # of the students who were graded
        try:
            self.gradebook = GradebookWriter(self.course, self.lesson)
        except BaseException:
            self.lock.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self.gradebook.close()
        self.lock.close()

    def match_to_roster(self) -> tuple[str, ...]:
        """Give submissions to students on the roster; return sentences about what a person should know."""
        found = match_submissions(self.course, self.lesson.name)
        self.gradebook.book.db.expire_all()
        lessons = {self.lesson.name, *(folder.name for folder in folders())}
        misplaced = [str(path.relative_to(self.course.root)) for path in self.course.misplaced(lessons)]
        notes = [
            f"{name} was not graded, because it is in no student's folder of a lesson" for name in misplaced
        ]
        return (*found.notes, *notes)

    def grade(self, student: str) -> Result:
        """Perform all five steps for one student; a submission that cannot be graded gives a result too."""
        task = self.prepare(student)
        if isinstance(task, Result):
            return self.record(task)
        result = grade(task)
        return self.record(result if result.is_final else grade(task))

    def prepare(self, student: str) -> Task | Result:
        """Find what there is to grade; return the result at once if there is nothing."""
        try:
            return self._prepare(student)
        except Exception as error:
            return self._failed(student, error)

    def _prepare(self, student: str) -> Task | Result:
        course, lesson = self.course, self.lesson
        if not _is_text(student):
            return self._refused(student, "the folder's name is not text; rename the folder and grade again.")
        try:
            folder = course.submitted(student, lesson.name)
            data, notes = find_notebook(folder, lesson.name, course.max_megabytes)
        except (Refused, OSError) as error:
            return self._refused(student, clip(str(error), 1000))
        notes = tuple(clip(note, 1000) for note in notes)
        seed = course.seed(lesson.name, hashlib.sha256(data).hexdigest())
        class_seed = course.seed(lesson.name, "class")
        return Task(
            student, lesson.name, lesson.text, lesson.files, data, notes, seed, class_seed,
            course.limits, course.max_megabytes, self.trust, software(),
        )  # fmt: skip

    def _refused(self, student: str, why: str, failed: bool = False) -> Result:
        lesson, points = self.lesson, self.lesson.points
        return Result(student, lesson.name, (), {}, points, ungraded(lesson), refusal=why, failed=failed)

    def _failed(self, student: str, error: Exception) -> Result:
        """Return the result of a submission at which the grader failed, unless it would fail at all others.

        Raises:
            SegcourseError, OSError: The reason is the course or the disk, not the submission.
        """
        if isinstance(error, SegcourseError) or getattr(error, "errno", None) in _FOR_ALL:
            raise error
        return self._refused(student, failure(error), failed=True)

    def record(self, result: Result) -> Result:
        """Write the gradebook, formgrader's notebook, the feedback page and, last, the record."""
        for _ in range(2):
            try:
                return self._record(result)
            except Exception as error:
                result = self._failed(result.student, error)
        return result  # not even the failure can be written down: only the table tells it

    def _record(self, result: Result) -> Result:
        if not _is_text(result.student):
            return result  # neither a gradebook nor a page can hold such a name
        before = autograded.read_record(self.course, result.student, self.lesson.name).get("digest")
        notes = self.gradebook.record(result, resubmitted=before is not None and before != result.digest)
        result = replace(result, repairs=(*result.repairs, *notes))
        autograded.write_notebook(self.course, self.lesson, result)
        self._write_page(result)
        autograded.write_record(self.course, result, self.fingerprint)
        return result

    def _write_page(self, result: Result) -> None:
        self.marks[result.student] = self.gradebook.marks(result.student)
        feedback.write(self.course, result, self.marks[result.student])

    def cached(self, task: Task | Result) -> Result | None:
        """Return the recorded result if grading this task again would give the same one.

        The submission, segcourse, the cases and the limits must be unchanged, and the gradebook must still
        hold the result.
        """
        record = autograded.read_record(self.course, task.student, self.lesson.name)
        if record.get("fingerprint") != self.fingerprint:
            return None
        try:
            result = Result.from_json(record)
        except (KeyError, TypeError):
            return None
        same = result.digest == task.digest
        if isinstance(task, Result):
            same = same and result.refusal == task.refusal
        if not same or not self.gradebook.matches(result):
            return None
        if self.gradebook.update_penalty(result):  # the due date or the rule has changed
            self._write_page(result)
        self.marks[result.student] = self.gradebook.marks(result.student)
        return result

    @cached_property
    def fingerprint(self) -> str:
        """A fingerprint of everything but the submission that a mark depends on."""
        lesson, limits = self.lesson, asdict(self.course.limits) | {"notebook_mb": self.course.max_megabytes}
        limits = {name: float(value) for name, value in limits.items()}  # 60 and 60.0 are the same limit
        files = {name: hashlib.sha256(content).hexdigest() for name, content in lesson.files.items()}
        return self.course.sign(json.dumps([software(), lesson.text, files, limits, self.trust]))


def _is_text(name: str) -> bool:
    """Return whether a folder's name is valid text; some systems allow any bytes."""
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
    """Grade all submissions of a lesson; no submission stops the batch.

    Submissions that were graded and have not changed are skipped. A batch that was stopped therefore
    continues where it stopped.

    Args:
        lesson: The lesson's name or number.
        course: nbgrader's course folder.
        students: Grade only these students.
        progress: Show a progress bar with the time left.
        again: Also grade submissions that have not changed.
        workers: The number of submissions graded in parallel. Default: one per core, as far as memory allows.
        scheduler: The address of a Dask cluster that grades instead of this machine.
        options: Passed to `Session`, which also lists what is raised.
    """
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(Session(lesson, course, preload=scheduler is None, **options))
        workers = workers or default_workers(session.course.limits.memory_gb)
        pool = stack.enter_context(open_pool(workers, scheduler))
        name = session.lesson.name
        notes = session.match_to_roster()
        handed_in = list(session.course.students(name))
        if unknown := [student for student in students or () if student not in handed_in]:
            raise SegcourseError(
                f"there is no submission of {name} from {first_few(unknown)}. There are submissions from: "
                f"{first_few(handed_in) or 'no one'}; see {session.course.root / 'submitted'}."
            )
        wanted = [student for student in handed_in if students is None or student in students]
        bar = stack.enter_context(tqdm(total=len(wanted), desc=name, unit="submission", disable=not progress))
        results = {}

        def keep(result: Result) -> None:
            results[result.student] = result
            bar.update()

        def tasks() -> Iterator[Task]:
            for student in wanted:
                task = session.prepare(student)
                if not again and (result := session.cached(task)):
                    keep(result)
                elif isinstance(task, Task):
                    yield task
                else:
                    keep(session.record(task))

        for result in pool.grade(tasks()):
            keep(session.record(result))
        return ClassResult(name, tuple(results[student] for student in wanted), session.marks, tuple(notes))
