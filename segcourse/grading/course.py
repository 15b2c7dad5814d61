"""A course folder: its settings, its secret, and the places of nbgrader's files."""

import dataclasses
import functools
import hashlib
import hmac
import os
import secrets
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segcourse.course import lessons
from segcourse.errors import SegcourseError
from segcourse.files import replacing
from segcourse.grading.late import LateRule
from segcourse.grading.sandbox.environment import PACKAGE
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.submissions.find import lesson_folder, loose_files, unreadable

RECORD = "segcourse.json"  # in autograded/STUDENT/LESSON; the whole result of grading


@dataclass(frozen=True)
class Course:
    """An nbgrader course directory: submitted/, autograded/, feedback/ and gradebook.db."""

    root: Path
    name: str = "default_course"
    limits: Limits = field(default_factory=Limits)
    max_megabytes: float = 50
    late: LateRule | None = None

    @classmethod
    def open(cls, root: Path, **limits: float | None) -> "Course":
        """Read course.toml in `root`; `limits` that are not None replace those in the file.

        Raises:
            SegcourseError: There is no such folder, or course.toml has an unknown or invalid setting.
        """
        if not root.is_dir():
            raise SegcourseError(
                f"{root} is not a folder; give nbgrader's course folder, which contains submitted/."
            )
        file = root / "course.toml"
        try:
            settings = tomllib.loads(file.read_text()) if file.exists() else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SegcourseError(f"{file} cannot be read: {error}.") from error
        late = LateRule.from_settings(settings.pop("late")) if "late" in settings else None
        chosen = dict(settings.pop("limits", {}))
        chosen |= {name: value for name, value in limits.items() if value is not None}
        known = {field.name for field in dataclasses.fields(Limits)}
        megabytes = chosen.pop("notebook_mb", 50)
        unknown = [*(chosen.keys() - known), *(settings.keys() - {"name"})]
        if unknown:
            raise SegcourseError(
                f"course.toml contains unknown settings: {', '.join(unknown)}. Allowed are name, [late] "
                f"and, under [limits], notebook_mb, {', '.join(sorted(known))}."
            )
        for name, value in (chosen | {"notebook_mb": megabytes}).items():
            if type(value) not in (int, float) or not value > 0:
                raise SegcourseError(
                    f"the limit {name} is {value!r}, but must be a number above 0; see {file}."
                )
        name = settings.get("name", "default_course")
        return cls(root.resolve(), name, Limits(**chosen), megabytes, late)

    @property
    def gradebook(self) -> Path:
        return self.root / "gradebook.db"

    @property
    def db_url(self) -> str:
        return f"sqlite:///{self.gradebook}"

    @property
    def lessons(self) -> Path:
        """The folder of lessons: the instructor's own copy beside the course folder, else segcourse's."""
        beside = self.root.parent / "lessons"
        return beside if lessons.folders(beside) else lessons.root()

    def submitted(self, student: str, lesson: str) -> Path:
        """Return where a student handed in `lesson`, even if the name is spelled differently."""
        return lesson_folder(self.root / "submitted" / student, lesson)

    def autograded(self, student: str, lesson: str) -> Path:
        return self.root / "autograded" / student / lesson

    def feedback(self, student: str, lesson: str) -> Path:
        return self.root / "feedback" / student / lesson / f"{lesson}.html"

    def questions(self, lesson: str) -> Path:
        """Return where `nbgrader zip_collect` lists the files whose student it could not identify."""
        return self.root / "downloaded" / lesson / "questions.txt"

    def students(self, lesson: str) -> Iterator[str]:
        """Yield the students who handed in `lesson`, sorted; also those whose folder cannot be read."""
        folder = self.root / "submitted"
        for student in sorted(folder.iterdir()) if folder.is_dir() else ():
            handed_in = os.path.lexists(self.submitted(student.name, lesson)) or unreadable(student)
            if not student.name.startswith(".") and handed_in:
                yield student.name

    def records(self, lesson: str = "*") -> Iterator[Path]:
        """Yield the record of each submission that was graded."""
        return self.root.glob(f"autograded/*/{lesson}/{RECORD}")

    def misplaced(self, lessons: Collection[str]) -> Iterator[Path]:
        """Yield notebooks and zip archives in submitted/ that are no student's submission of a lesson."""
        folder = self.root / "submitted"
        if not folder.is_dir() or unreadable(folder):
            return
        yield from (folder / name for name in loose_files(folder))
        for student in sorted(folder.iterdir()):
            if student.is_dir() and not student.is_symlink() and not unreadable(student):
                loose = [student / name for name in loose_files(student)]
                graded = {self.submitted(student.name, lesson) for lesson in lessons if loose}
                yield from (path for path in loose if path not in graded)

    def seed(self, *names: str) -> int:
        """Return a random number for these names, such as a lesson and the digest of a submission.

        Computing it takes the course's secret. Only this number enters a sandbox. A submission that finds and
        tells it learns the cases of that file alone: every other file is graded with other cases.
        """
        return int(self.sign("/".join(names))[:12], 16)

    def sign(self, text: str) -> str:
        """Return a fingerprint of `text` that only this course can compute."""
        return hmac.new(self._secret().encode(), text.encode(), "sha256").hexdigest()

    def _secret(self) -> str:
        path = self.root / "course.secret"
        if not path.exists():
            if any(self.records()):
                raise SegcourseError(
                    f"{path} is missing, but submissions were graded with it. A new one would draw other "
                    "test cases, so that equal answers could get other marks. Restore it from your backup. "
                    f"If it is lost, move {self.root / 'autograded'} elsewhere and grade every lesson again."
                )
            with replacing(path) as temporary:
                temporary.write_text(secrets.token_hex(32) + "\n")
            os.chmod(path, 0o600)
        return path.read_text().strip()


@functools.cache
def software() -> str:
    """Return a fingerprint of segcourse's source files; another version may give other marks."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
