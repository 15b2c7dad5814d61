"""Late penalties, assigned by nbgrader: by the rule in course.toml, or by an instructor's own plug-in."""

import copy

from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import Instance
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from segcourse.grading.course import Course
from segcourse.grading.late import LateRule
from segcourse.grading.notebooks import Lesson


class LateRulePlugin(LateSubmissionPlugin):
    """nbgrader's plug-in for the rule in course.toml."""

    rule = Instance(LateRule).tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return self.rule.penalty(score, total_seconds_late)


def assign_penalty(course: Course, lesson: Lesson, student: str) -> None:
    """Assign the penalty for a student's late submission, as `nbgrader autograde` does.

    A plug-in that nbgrader_config.py names replaces the rule in course.toml.
    """
    config = Config()
    if course.late:
        config.AssignLatePenalties.plugin_class = LateRulePlugin
        config.LateRulePlugin.rule = course.late
    if (course.root / "nbgrader_config.py").exists():
        config.merge(PyFileConfigLoader("nbgrader_config.py", path=str(course.root)).load_config())
    about = {"notebook": lesson.name, "assignment": lesson.name, "student": student, "db_url": course.db_url}
    AssignLatePenalties(config=config).preprocess(copy.deepcopy(lesson.notebook), {"nbgrader": about})
