"""A JupyterLab of its own and a browser, for every test that drives one."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segcourse.course import lessons

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, so that their helpers need one


@pytest.fixture
def jupyter(tmp_path, monkeypatch) -> Callable[[Path], contextlib.AbstractContextManager]:
    """Starts JupyterLab on a folder, as `segcourse start` does, with settings of its own: a context manager
    that gives its address, as a function of a path below it.
    """
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name))
    for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
        monkeypatch.setenv(f"JUPYTERLAB_{name}", str(tmp_path / name))
    settings = tmp_path / "SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # nobody is asked

    @contextlib.contextmanager
    def started(folder: Path) -> Iterator[Callable[[str], str]]:
        command = [*lessons.lab_command(folder, browser=False), "--LabApp.expose_app_in_browser=True"]
        command.append("--ServerApp.port=0")  # any free one: another worker may be starting one as well
        with (tmp_path / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield _address(tmp_path / "RUNTIME_DIR", server, tmp_path / "log")
        finally:
            _stop(server)

    return started


def _stop(server: subprocess.Popen) -> None:
    """Let it end its kernels; when it has, a thread of AnyIO's that nobody told may hold the process."""
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _address(runtime: Path, server: subprocess.Popen, log: Path) -> Callable[[str], str]:
    """Where the server is, once it listens: it writes its address down before that."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(StopIteration, json.JSONDecodeError, OSError):
            about = json.loads(next(runtime.glob("jpserver-*.json")).read_text())
            socket.create_connection((about["hostname"], about["port"]), timeout=10).close()
            return lambda path: f"{about['url']}{path}?token={about['token']}&reset"
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start: {log.read_text()}")
