"""Plug-ins that make `nbgrader autograde`, formgrader and `nbgrader export` work like `segcourse grade`.

`grading/nbgrader_config.py` names these classes. nbgrader itself opens no submission: where it would read and
run one, the five steps run instead, so that a corrupt file or a dead kernel costs only its own mark.
"""

import csv
import functools
import glob
import os
import shutil
import sys
from collections.abc import Container
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException
from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.plugins.export import ExportPlugin
from nbgrader.preprocessors import ClearHiddenTests, GetGrades
from nbgrader.utils import is_grade, is_solution, temp_attrs
from sqlalchemy.exc import SQLAlchemyError
from traitlets import Bool, Unicode

from segcourse.errors import SegcourseError, sentence
from segcourse.files import replacing
from segcourse.grading.course import RECORD, Course
from segcourse.grading.csv_cells import escape_formula
from segcourse.grading.gradebook.autograded import EXCHANGE_FILES, make_notebook
from segcourse.grading.gradebook.marks import status_of
from segcourse.grading.gradebook.opening import explain, refuse_lost
from segcourse.grading.lock import Lock
from segcourse.grading.roster import doubts, open_roster
from segcourse.grading.session import Session
from segcourse.grading.zip_collect import SortByName, UnpackDownload


def install(config, course: Path, lessons: Path) -> None:
    """Set the plug-ins in nbgrader's `config`, and let nbgrader's commands end with a sentence."""
    opened = Course.open(course)
    config.CourseDirectory.course_id = opened.name
    config.Autograde.exporter_class = GradingExporter
    config.GradingExporter.course = str(course)
    config.GradingExporter.lessons = str(lessons)
    config.ExportApp.plugin_class = StatusExport
    config.StatusExport.course = str(course)
    config.ExchangeFactory.release_feedback = ReleaseFeedback
    config.ZipCollectApp.downloaded_directory = f"{course.name}/downloaded"
    config.ZipCollectApp.extractor_plugin = UnpackDownload
    config.UnpackDownload.course = str(course)
    config.ZipCollectApp.collector_plugin = SortByName
    config.GenerateFeedback.preprocessors = [GetGrades, HideHiddenTests, CSSHTMLHeaderPreprocessor]
    # formgrader and nbgrader's own feedback show students' text on the instructor's page
    config.HTMLExporter.sanitize_html = True
    sys.excepthook = functools.partial(_print_sentence, opened.gradebook)


def _print_sentence(gradebook: Path, kind, error, trace) -> None:
    """Print an error that a person can fix as one sentence; only a bug shows a traceback."""
    match error:
        case SegcourseError():
            print(error, file=sys.stderr)
        case SQLAlchemyError():
            print(explain(error, gradebook), file=sys.stderr)
        case OSError():
            print(sentence(error), file=sys.stderr)
        case _:
            sys.__excepthook__(kind, error, trace)


class GradingExporter(NotebookExporter):
    """Returns the graded notebook where `nbgrader autograde` would read a submission."""

    course = Unicode(help="The course folder, which contains submitted/.").tag(config=True)
    lessons = Unicode(help="The folder of lessons.").tag(config=True)
    trust_submissions = Bool(False, help="Run students' code without a sandbox. Dangerous.").tag(config=True)

    def __init__(self, **settings) -> None:
        """Check the lock and remember the records.

        nbgrader creates its exporter before it clears folders. So the check comes before anything is removed,
        and the records survive --force, which formgrader's button implies.
        """
        super().__init__(**settings)
        about = self.parent.coursedir
        course = Course.open(Path(self.course))
        try:
            Lock(course.root).close()
            refuse_lost(course)
            doubt = doubts(course, open_roster(course), about.assignment_id)
        except SegcourseError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from error
        self.records = {path.parts[-3:-1]: path.read_bytes() for path in course.records()}
        # nbgrader ignores files that are not named after the lesson, but their students need a status too
        everyone = about.format_path(about.submitted_directory, about.student_id, about.assignment_id)
        for folder in glob.glob(everyone):
            self.parent.assignments[folder] = [f"{folder}/{Path(folder).name}.ipynb"]
        if doubt:
            self.log.warning("No student on the roster handed in %s; see `segcourse roster`.", doubt)

    def from_filename(self, filename, resources=None, **_):
        resources = dict(resources or {}, output_extension=".ipynb")
        about = resources["nbgrader"]
        # nbgrader calls this twice: for the submission, then for the first call's result in autograded/
        if Path(filename).resolve().is_relative_to(Path(self.course).resolve() / "autograded"):
            return Path(filename).read_text(encoding="utf-8"), resources
        options = {"lessons": Path(self.lessons), "trust": self.trust_submissions}
        with Session(about["assignment"], Path(self.course), **options) as session:
            folder = session.course.autograded(about["student"], about["assignment"])
            self._clean_up(folder, session.lesson.files)
            result = session.grade(about["student"])
            self.log.info("%s: %s", about["student"], result.status)
            return nbformat.writes(make_notebook(session.lesson, result)), resources

    def _clean_up(self, folder: Path, files: Container[str]) -> None:
        """Remove what nbgrader copied from the submission, even through links; restore the record."""
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in files and path.name not in EXCHANGE_FILES:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if record := self.records.get(folder.parts[-2:]):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RECORD).write_bytes(record)


class HideHiddenTests(ClearHiddenTests):
    """Removes hidden tests and their output from the feedback that students get."""

    def preprocess_cell(self, cell, resources, cell_index):
        if not is_grade(cell) or is_solution(cell):
            return cell, resources  # a student may have typed such a line
        whole = cell.source
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.source != whole:
            cell.outputs = cell.outputs[:1]  # the grader's own line; the others are the cell's output
        return cell, resources


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Skips students who did not hand in through nbgrader's exchange, instead of stopping at the first."""

    def copy_files(self) -> None:
        skipped = self.coursedir.student_id_exclude.split(",")
        for page in glob.glob(f"{self.src_path}/*.html"):
            student = Path(page).parts[-3]
            if not all(_is_text(Path(page).with_name(name)) for name in EXCHANGE_FILES):
                self.log.warning("%s did not hand in through the exchange; send them %s.", student, page)
                skipped.append(student)
        with temp_attrs(self.coursedir, student_id_exclude=",".join(skipped)):
            super().copy_files()


def _is_text(path: Path) -> bool:
    """Return whether a file of the exchange, which a student can write too, can be read as text."""
    try:
        return bool(path.read_text())
    except (OSError, ValueError):
        return False


NO_SCORE = dict.fromkeys(("raw_score", "late_submission_penalty", "score"))


class StatusExport(ExportPlugin):
    """Writes grades.csv in the course folder, with a status for every student.

    A submission that could not be graded has an empty score, never 0. Neither has an absent student 0 while
    there is a submission whose student is unknown.
    """

    columns = (
        "assignment", "duedate", "timestamp", "hours_late", "student_id", "last_name", "first_name", "email",
        "raw_score", "late_submission_penalty", "score", "max_score", "status",
    )  # fmt: skip

    course = Unicode(help="The course folder, to which grades.csv is written.").tag(config=True)

    def export(self, gradebook: Gradebook) -> None:
        course = Course(Path(gradebook.engine.url.database).parent)
        try:
            roster = open_roster(course)
        except SegcourseError as error:
            self.log.error(str(error))
            raise SystemExit(1) from error
        strangers = set(roster.unowned(student.id for student in gradebook.students))
        path = Path(self.to or Path(self.course, "grades.csv"))
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for assignment in gradebook.assignments:
                doubt = doubts(course, roster, assignment.name)
                for student in gradebook.students:
                    if (not self.assignment or assignment.name in map(str, self.assignment)) and (
                        not self.student or student.id in map(str, self.student)
                    ):
                        row = self._row(gradebook, assignment, student)
                        handed_in = os.path.lexists(course.submitted(student.id, assignment.name))
                        if row["status"] == "not handed in" and handed_in:
                            row |= NO_SCORE | {"status": "handed in, but not graded yet"}
                        elif row["status"] == "not handed in" and doubt:
                            row |= NO_SCORE | {"status": f"not handed in, unless {doubt}"}
                        elif student.id in strangers:
                            row["status"] += ", but the student is not on the roster"
                        writer.writerow({name: escape_formula(value) for name, value in row.items()})

    def _row(self, gradebook: Gradebook, assignment, student) -> dict:
        row = {"assignment": assignment.name, "duedate": assignment.duedate, "student_id": student.id}
        row |= {"last_name": student.last_name, "first_name": student.first_name, "email": student.email}
        row["max_score"] = assignment.max_score
        try:
            submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            return row | {"raw_score": 0, "late_submission_penalty": 0, "score": 0, "status": "not handed in"}
        row |= {"timestamp": submission.timestamp, "status": status_of(submission)}
        row["hours_late"] = round(submission.total_seconds_late / 3600, 2)
        if not row["status"].startswith("could not"):
            penalty = submission.late_submission_penalty or 0
            row |= {"raw_score": submission.score, "late_submission_penalty": penalty}
            row["score"] = max(0.0, submission.score - penalty)
        return row
