"""What all tests share: one thread a worker, and one place that says what a skipped test is waiting for."""

import functools
import os
import shutil
import subprocess

import hypothesis
import pytest

hypothesis.settings.register_profile("course", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("course")

# Two workers with two PyTorch threads each fight over two cores and take longer than two with one.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# no proxy may stand between a test and the server that it starts on this machine
os.environ.setdefault("NO_PROXY", "localhost,127.0.0.1")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """The system's Chromium or Chrome, if there is one."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def bubblewrap_works() -> bool:
    """Whether bubblewrap is there and this machine lets it make a sandbox."""
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and subprocess.run(command, capture_output=True).returncode == 0


SYSTEM_NEEDS = {
    "sandbox": (
        functools.cache(bubblewrap_works),
        "bubblewrap is missing or may not run here (Debian, Ubuntu: apt install bubblewrap)",
    ),
    "browser": (
        browser_path,
        "no Chromium or Chrome is installed (Debian: apt install chromium fonts-dejavu-core)",
    ),
}


def pytest_runtest_setup(item):
    """Skip what waits for a system package; where `.ci/run` has installed them all, fail instead."""
    for marker, (found, sentence) in SYSTEM_NEEDS.items():
        if item.get_closest_marker(marker) and not found():
            if os.environ.get("SEGCOURSE_SYSTEM_PACKAGES") == "required":
                pytest.fail(sentence, pytrace=False)
            pytest.skip(sentence)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser that tests marked `browser` drive."""
    return browser_path()


@pytest.fixture
def one_thread():
    """PyTorch computes on one thread, whatever the environment says: results do not depend on the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
