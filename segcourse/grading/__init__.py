"""Grading for instructors: from a folder of submissions to marks that a teacher can trust.

A submission never grades itself. It is only observed, and another process scores what was observed. Grading
takes five steps, each in its own package:

1. `submissions` finds, reads and repairs what a student handed in.
2. `sandbox` runs the cells and records what the answers return.
3. `scoring` turns the record into a result.
4. `gradebook` records the result in nbgrader's gradebook. A `lock` allows one writer at a time.
5. `reports` writes the students' feedback pages and the class report.

`session` performs these steps. They use a `course`, and a `lesson` as the grader reads it (`notebooks`;
`release` removes what students must not see). `senders` finds out from file names who handed in, `roster`
matches names to students, and `enrolment` renames and removes. `pool` grades many submissions in parallel and
`class_result` holds their results. `commands` is the command line, `nbgrader_plugins` and `zip_collect` are
nbgrader's, and `self_test` tests whether this machine can grade. `hand_in` is for students: it rehearses all
of this on their own machine.
"""

from importlib import import_module

__all__ = ["ClassResult", "Session", "grade_lesson"]
_MODULES = {"ClassResult": "class_result", "Session": "session", "grade_lesson": "session"}


def __getattr__(name: str):
    """Import a public name when it is first used, so that the command line starts without PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
