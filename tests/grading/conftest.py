"""Fixtures for the tests of grading."""

import functools
import os
import pickle
import sys
from pathlib import Path

import nbgrader.api
import pytest
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.engine import Engine

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, so that their helpers need one

from grading_class import LESSON, make_lessons

from segcourse.grading.lesson import read_lesson
from segcourse.grading.sandbox import backend, bubblewrap, docker, fork_server


@pytest.fixture(scope="session", autouse=True)
def alembic_runs_once():
    """Run `alembic` once. nbgrader runs it for each new gradebook, only to learn the schema's version."""
    with pytest.MonkeyPatch.context() as patched:
        ask = functools.cache(nbgrader.api.get_alembic_version)
        patched.setattr(nbgrader.api, "get_alembic_version", ask)
        yield


@pytest.fixture(scope="session", autouse=True)
def gradebooks_survive_no_power_failure():
    """Do not wait for the disk at each commit, which takes a third of the time per class."""

    def no_wait(connection, _):
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", no_wait)
    yield
    event.remove(Engine, "connect", no_wait)


@pytest.fixture(scope="session", autouse=True)
def fork_servers_stay():
    """Keep fork servers alive for the whole session, so that later tests can use them again."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fork_server, "IDLE_SECONDS", 1000)
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Return a function that builds something once for all test processes: the first that needs it.

    `once(build)` calls `build(folder)` with a new folder and returns what that returned, which must pickle.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # the folders of all test processes lie side by side

    def build_once(build):
        name = f"once-{build.__module__}-{build.__qualname__}"
        result = shared / f"{name}.pickle"
        with FileLock(shared / f"{name}.lock"):
            if not result.exists():
                folder = tmp_path_factory.mktemp(name)
                built = pickle.dumps(build(folder))
                result.write_bytes(built)
        return pickle.loads(result.read_bytes())

    return build_once


@pytest.fixture(scope="session")
def lessons(tmp_path_factory) -> Path:
    """A folder of lessons with the tiny lesson in it."""
    return make_lessons(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def lesson(lessons):
    return read_lesson(lessons / LESSON / f"{LESSON}.ipynb")


@pytest.fixture
def backends_untested():
    """Forget which sandbox backends work, before this test and after it."""
    caches = (bubblewrap.command_line, docker.engine, backend._first_working)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
