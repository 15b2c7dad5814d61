"""What makes `nbgrader autograde`, formgrader's button and `nbgrader export` grade as `segcourse grade` does.

`grading/nbgrader_config.py` names these classes. nbgrader itself opens no submission: where it would read and
run one, the five steps run instead, so that a corrupt file or a dead kernel costs nothing but its own mark.
"""

import csv
import glob
import shutil
from collections.abc import Container
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters.base import NbGraderException
from nbgrader.plugins.export import ExportPlugin
from nbgrader.preprocessors import ClearHiddenTests, GetGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Unicode

from segcourse.errors import SegcourseError
from segcourse.grading.course import Course
from segcourse.grading.gradebook.autograded import NBGRADERS_OWN, RECORD
from segcourse.grading.gradebook.marks import status
from segcourse.grading.lock import Lock
from segcourse.grading.zip_collect import SortByName, UnpackDownload


def install(config, course: Path, lessons: Path) -> None:
    """Name the plug-ins in nbgrader's `config`."""
    config.CourseDirectory.course_id = Course.open(course).name
    config.Autograde.exporter_class = GradingExporter
    config.GradingExporter.course = str(course)
    config.GradingExporter.lessons = str(lessons)
    config.ExportApp.plugin_class = StatusExport
    config.ZipCollectApp.downloaded_directory = f"{course.name}/downloaded"
    config.ZipCollectApp.extractor_plugin = UnpackDownload
    config.ZipCollectApp.collector_plugin = SortByName
    config.GenerateFeedback.preprocessors = [GetGrades, HideHiddenTests, CSSHTMLHeaderPreprocessor]
    # formgrader and nbgrader's own feedback show students' text on the instructor's page
    config.HTMLExporter.sanitize_html = True


class GradingExporter(NotebookExporter):
    """Stands where `nbgrader autograde` reads a submission, and hands back the graded notebook."""

    course = Unicode(help="The course folder, the one that holds submitted/.").tag(config=True)
    lessons = Unicode(help="The folder of lessons.").tag(config=True)
    trust_submissions = Bool(False, help="Run submissions with all your rights, without a sandbox.").tag(
        config=True
    )

    def __init__(self, **settings) -> None:
        """nbgrader makes its exporter before it clears folders away: while another grader is at work none is,
        and what was graded last is still known after --force, which formgrader's button implies.
        """
        super().__init__(**settings)
        about = self.parent.coursedir
        try:
            Lock(Path(self.course)).close()
        except SegcourseError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from error
        records = Path(self.course).glob(f"autograded/*/*/{RECORD}")
        self.records = {path.parts[-3:-1]: path.read_bytes() for path in records}
        # nbgrader passes over files that are not called as the lesson is; whoever sent one needs a status too
        everyone = about.format_path(about.submitted_directory, about.student_id, about.assignment_id)
        for folder in glob.glob(everyone):
            self.parent.assignments[folder] = [f"{folder}/{Path(folder).name}.ipynb"]

    def from_filename(self, filename, resources=None, **_):
        from segcourse.grading import Session

        resources = dict(resources or {}, output_extension=".ipynb")
        about = resources["nbgrader"]
        # nbgrader comes twice: with what was submitted, then with what the first pass left in autograded/
        if Path(filename).resolve().is_relative_to(Path(self.course).resolve() / "autograded"):
            return Path(filename).read_text(encoding="utf-8"), resources
        options = {"lessons": Path(self.lessons), "trust": self.trust_submissions}
        with Session(about["assignment"], Path(self.course), **options) as session:
            self._tidy(session.course.autograded(about["student"], about["assignment"]), session.lesson.files)
            result = session.grade(about["student"])
            self.log.info("%s: %s", about["student"], result.status)
            return nbformat.writes(session.notebook(result)), resources

    def _tidy(self, folder: Path, files: Container[str]) -> None:
        """nbgrader has copied all that was handed in, even what a link points to; the lesson's own files and
        nbgrader's stay.
        """
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in files and path.name not in NBGRADERS_OWN:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if record := self.records.get(folder.parts[-2:]):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RECORD).write_bytes(record)


class HideHiddenTests(ClearHiddenTests):
    """Leaves hidden tests, and what they printed, out of the feedback that students get."""

    def preprocess_cell(self, cell, resources, cell_index):
        if not is_grade(cell) or is_solution(cell):
            return cell, resources  # a student may have typed such a line
        whole = cell.source
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.source != whole:
            cell.outputs = cell.outputs[:1]  # the grader's own line; below it is what the cell printed
        return cell, resources


class StatusExport(ExportPlugin):
    """grades.csv with a status for everyone; what could not be graded has an empty score, never a 0."""

    columns = (
        "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
        "raw_score", "late_submission_penalty", "score", "max_score", "status",
    )  # fmt: skip

    def export(self, gradebook: Gradebook) -> None:
        from segcourse.grading.reports.csv_tables import harmless

        with open(self.to or "grades.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            for assignment in gradebook.assignments:
                for student in gradebook.students:
                    if (not self.assignment or assignment.name in map(str, self.assignment)) and (
                        not self.student or student.id in map(str, self.student)
                    ):
                        row = self._row(gradebook, assignment, student)
                        writer.writerow({name: harmless(value) for name, value in row.items()})

    def _row(self, gradebook: Gradebook, assignment, student) -> dict:
        row = {"assignment": assignment.name, "duedate": assignment.duedate, "student_id": student.id}
        row |= {"last_name": student.last_name, "first_name": student.first_name, "email": student.email}
        row["max_score"] = assignment.max_score
        try:
            submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            if self._handed_in(assignment.name, student.id):
                return row | {"status": "handed in, but not graded yet"}
            return row | {"raw_score": 0, "late_submission_penalty": 0, "score": 0, "status": "not handed in"}
        row |= {"timestamp": submission.timestamp, "status": status(submission)}
        if not row["status"].startswith("could not"):
            penalty = submission.late_submission_penalty or 0
            row |= {"raw_score": submission.score, "late_submission_penalty": penalty}
            row["score"] = max(0.0, submission.score - penalty)
        return row

    def _handed_in(self, assignment: str, student: str) -> bool:
        """Whether something lies there that nobody has graded yet."""
        places = getattr(self.parent, "coursedir", None)
        return (
            bool(places)
            and Path(places.format_path(places.submitted_directory, student, assignment)).exists()
        )
