"""Fixtures of the graded class; what they are made of is in grading_class.py."""

import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, so that their helpers need one

from grading_class import LESSON, notebook

from segcourse.grading.lesson import read_lesson
from segcourse.grading.sandbox import backend, bubblewrap, docker


@pytest.fixture(scope="session")
def lessons(tmp_path_factory) -> Path:
    """A folder of lessons with the tiny lesson in it."""
    folder = tmp_path_factory.mktemp("lessons")
    (folder / LESSON).mkdir()
    nbformat.write(notebook(), folder / LESSON / f"{LESSON}.ipynb")
    return folder


@pytest.fixture(scope="session")
def lesson(lessons):
    return read_lesson(lessons / LESSON / f"{LESSON}.ipynb")


@pytest.fixture
def walls_unknown():
    """What this machine has to keep submissions apart is looked for anew, within this test and after it."""
    caches = (bubblewrap._tested_command, docker.engine, backend._first_working)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
