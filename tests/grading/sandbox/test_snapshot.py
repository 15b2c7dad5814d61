"""The snapshot: what a cell replaces in trusted modules is restored before its answers are observed."""

import sys
import threading

import pytest

from segcourse import exercises
from segcourse.exercises.engine import observations, observing, own_work
from segcourse.exercises.engine.exercise import draw
from segcourse.grading.sandbox import snapshot


@pytest.fixture
def put_back():
    exercise = exercises.get("dice_score")
    restore = snapshot.take([exercise])
    yield restore, exercise
    restore()


def test_names_bodies_classes_and_objects_are_restored(put_back):
    restore, exercise = put_back
    observe, body, look = observing.observe, observing.observe.__code__, exercise.observe
    own, defaults = own_work.observe, observations.clip.__defaults__
    shown = observing.observe(exercise, exercise.answer, draw(exercise)[0])

    observing.observe = lambda *_: {"value": "forged"}
    observe.__code__ = (lambda exercise, obj, case: {"value": "forged"}).__code__
    observing.len = lambda _: 0
    observations.clip.__defaults__ = (1,)
    own_work.observe = lambda *_: {"value": "forged"}
    object.__setattr__(exercise, "observe", lambda *_: {"value": 1.0})
    type(exercise).__getattribute__ = lambda self, name: None

    restore()
    assert (observing.observe, observing.observe.__code__) == (observe, body)
    assert not hasattr(observing, "len")
    assert observations.clip.__defaults__ == defaults
    assert own_work.observe is own
    assert "__getattribute__" not in vars(type(exercise))
    assert exercise.observe is look
    assert observing.observe(exercise, exercise.answer, draw(exercise)[0]) == shown


def test_tracing_has_ended(put_back):
    restore, *_ = put_back
    before = sys.gettrace(), sys.getprofile()
    try:
        for trace in sys.settrace, sys.setprofile, threading.settrace, threading.setprofile:
            trace(lambda *_: None)
        restore()
        assert (sys.gettrace(), sys.getprofile()) == (None, None)
        assert (threading.gettrace(), threading.getprofile()) == (None, None)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
