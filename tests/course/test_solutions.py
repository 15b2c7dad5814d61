"""Source that stands alone: copied with its helpers, and behaving as in its module."""

import sys
import types

import pytest

from segcourse import exercises
from segcourse.course import solutions

MODULE = '''"""A module as answers live in."""

from __future__ import annotations

import math as m
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from ..other import thing as renamed

if TYPE_CHECKING:
    from decimal import Decimal

# how many
_LIMIT, _UNUSED = 3, 4


def _clip(value):
    return min(value, _limit())


def _limit():
    return _LIMIT if True else _clip(0)


def unrelated():
    return defaultdict(int)


def public(value):
    return value + 1


@renamed
def answer(value: Decimal) -> float:
    """Uses everything but `unrelated`."""
    return m.floor(_clip(public(value)))


def twice(value):
    return 2 * answer(value)
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """`package.rooms.module` with the source above; `package.other.thing` decorates by doing nothing."""
    for name in ("package", "package/rooms"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "package/other.py").write_text("def thing(function):\n    return function\n")
    (tmp_path / "package/rooms/module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import package.rooms.module as found

    yield found
    for name in [name for name in sys.modules if name.partition(".")[0] == "package"]:
        del sys.modules[name]


def test_the_copy_brings_what_it_needs_and_no_more(module):
    source = solutions.standalone(module, "answer")
    head, *rest = source.split("\n\n\n")
    assert head.splitlines() == [
        "from __future__ import annotations",
        "import math as m",
        "from decimal import Decimal",
        "from package.other import thing as renamed",
        "from package.rooms.module import public",
    ]
    assert [part.splitlines()[0] for part in rest] == [
        "# how many", "def _limit():", "def _clip(value):", "@renamed"
    ]  # fmt: skip


def test_the_copy_runs_alone_and_agrees_with_the_module(module):
    names = {}
    exec(solutions.standalone(module, "answer"), names)
    assert [names["answer"](v) for v in (0, 1.5, 9)] == [module.answer(v) for v in (0, 1.5, 9)] == [1, 2, 3]


def test_what_the_notebook_has_defined_already_is_used_from_there(module):
    source = solutions.standalone(module, "twice", {"answer"})
    assert source.split("\n\n\n")[1:] == ["def twice(value):\n    return 2 * answer(value)"]


def exercise(monkeypatch, **answers):
    monkeypatch.setattr(exercises, "get", lambda name: types.SimpleNamespace(answer=answers[name]))


def test_an_answer_of_another_name_is_renamed(module, monkeypatch):
    exercise(monkeypatch, doubled=module.twice)
    names = {}
    exec(solutions.source_of("doubled"), names)
    assert names["doubled"](1) == 4


def test_an_answer_without_source_comes_from_its_declaration(monkeypatch):
    exercise(monkeypatch, choice="b")
    assert solutions.source_of("choice").endswith('choice = exercises.get("choice").answer')


@pytest.mark.parametrize("name", exercises.names())
def test_every_answer_of_the_course_stands_alone_and_passes(name):
    names = {"__name__": "__main__"}
    exec(compile(solutions.source_of(name), "a cell", "exec"), names)
    verdict = exercises.assess(name, names[name], seed=1)
    assert verdict.passed, verdict
