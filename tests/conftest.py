"""Set-up for all tests: one thread per worker, and skips for missing system packages."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import hypothesis
import pytest

hypothesis.settings.register_profile("course", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("course")

# Two workers with two PyTorch threads each are slower on two cores than two workers with one thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# nbformat imports jsonschema, which builds a grammar of web addresses for two seconds; no notebook needs it.
sys.modules.setdefault("rfc3987_syntax", None)
# tests connect to local servers directly, without a proxy
os.environ.setdefault("NO_PROXY", "localhost,127.0.0.1")

CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
CHROMIUM_FLAGS += ["--disable-background-networking", "--disable-component-update"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """Return the path of the system's Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def bubblewrap_works() -> bool:
    """Return True if bubblewrap is installed and can create a sandbox."""
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and subprocess.run(command, capture_output=True).returncode == 0


SYSTEM_NEEDS = {
    "sandbox": (
        functools.cache(bubblewrap_works),
        "bubblewrap is missing or may not run here (Debian, Ubuntu: apt install bubblewrap)",
    ),
    "browser": (
        browser_path,
        "no page, widget or lesson was opened in a browser, because no Chromium or Chrome is installed "
        "(Debian: apt install chromium fonts-dejavu-core)",
    ),
}


def pytest_runtest_setup(item):
    """Skip or fail tests that need a missing system package."""
    for marker in SYSTEM_NEEDS:
        if item.get_closest_marker(marker):
            require(marker)


def require(marker: str) -> None:
    """Skip if this system package is missing, or fail where `.ci/run` has installed all."""
    found, sentence = SYSTEM_NEEDS[marker]
    if not found():
        if os.environ.get("SEGCOURSE_SYSTEM_PACKAGES") == "required":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the browser."""
    require("browser")
    return browser_path()


@pytest.fixture(scope="module")
def browser(chromium):
    """The system's Chromium, one for all tests of a file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page, with cookies of its own."""
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    page.set_default_timeout(180_000)
    yield page
    page.close()


@pytest.fixture
def broken_rules() -> Callable[..., list[str]]:
    """Returns a function: the rules of axe that a page breaks, each with the first element that breaks it."""
    why = "axe is not installed: pip install axe-playwright-python"
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=why)

    def broken(page, rules=(), within=None) -> list[str]:
        only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
        options = {"resultTypes": ["violations"]} | only
        found = axe.Axe().run(page, context=within, options=options).response["violations"]
        return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found]

    return broken


@pytest.fixture
def one_thread():
    """Let PyTorch use one thread, so that results do not depend on the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
