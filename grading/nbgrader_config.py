"""nbgrader's settings: set JUPYTER_CONFIG_PATH to this folder, then use nbgrader and formgrader as usual.

nbgrader runs this file up to three times. It finds the file through JUPYTER_CONFIG_PATH only and ignores
`--config FILE`.
"""

from pathlib import Path

from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ComputeChecksums,
    IncludeHeaderFooter,
    LockCells,
    SaveCells,
)

from segcourse.grading import nbgrader_plugins, release

c = get_config()  # noqa: F821 - nbgrader provides it

grading = Path(__file__).resolve().parent
c.CourseDirectory.root = str(grading.parent)
c.CourseDirectory.source_directory = "lessons"
for name in ("release", "submitted", "autograded", "feedback"):
    setattr(c.CourseDirectory, f"{name}_directory", f"{grading.name}/{name}")
c.CourseDirectory.db_url = f"sqlite:///{grading / 'gradebook.db'}"
# segcourse.json mentions hidden tests, and nbgrader would copy it to its feedback pages
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py", "*.pyc", "course.secret"]
c.CourseDirectory.ignore += ["segcourse.json"]

# Our lessons contain no answers and no hidden tests; these are for cells that an instructor added.
c.GenerateAssignment.preprocessors = [
    IncludeHeaderFooter,
    LockCells,
    release.ClearAddedSolutions,
    ClearOutput,
    CheckCellMetadata,
    ComputeChecksums,
    SaveCells,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
    CheckCellMetadata,
]

nbgrader_plugins.install(c, course=grading, lessons=grading.parent / "lessons")
