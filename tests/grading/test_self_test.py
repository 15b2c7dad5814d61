"""`segcourse doctor --teach`: its findings are correct here, and each of its trials can fail."""

import json
import re
import socket
from pathlib import Path

import pytest
from grading_class import LESSON, hand_in
from typer.testing import CliRunner

from segcourse import cli
from segcourse.course import doctor
from segcourse.grading import self_test
from segcourse.grading.sandbox import backend, cgroup, runner, watchdog
from segcourse.grading.sandbox.limits import Limits


def by_name(findings) -> dict[str, doctor.Finding]:
    return {finding.what.removeprefix(self_test.PREFIX): finding for finding in findings}


@pytest.mark.sandbox
@pytest.mark.slow
def test_every_limit_holds_here():
    found = by_name(self_test.findings())
    assert {"network", "files", "disk", "processes", "time"} < found.keys()
    assert {f.what: f.says for f in found.values() if f.state == "problem"} == {}
    for name, controller in {"processes": "pids", "total memory": "memory"}.items():
        if name in found and found[name].state == "ok" and controller in cgroup.controllers():
            assert found[name].says.endswith("enforced by the kernel, in a control group (tested).")


def test_each_trial_can_fail(monkeypatch):
    """Submissions without a sandbox: they can call, read and write everything."""

    def unstopped(job, limits):
        [step] = job["steps"]
        cell = step["cell"]
        for path in re.findall(r"'(/[^']+/secret)'", cell):
            Path(path).write_text("changed")
        if port := re.search(r'"127.0.0.1", (\d+)', cell):
            socket.create_connection(("127.0.0.1", int(port[1]))).close()
        printed = "300000000 1200000000" if "/tmp/" in cell else ""
        return runner.Run(({"step": 0, "status": "ran", "printed": printed}, {"finished": True}), None, 0.1)

    monkeypatch.setattr(self_test.runner, "run", unstopped)
    monkeypatch.setattr(self_test, "MEMORY_NEEDED", 0)
    found = by_name(self_test._limits("bubblewrap"))
    assert len(found) == 7
    assert {name: f.state for name, f in found.items() if f.state != "problem"} == {}
    assert found["network"].says.startswith("expected: no connections")


@pytest.mark.parametrize(
    "run",
    [
        runner.Run((), "the sandbox stopped before the notebook began (no reason given)", 0.1),
        runner.Run(({"finished": False},), None, 0.1),
        runner.Run(({"step": 0, "status": "error", "error": "NameError: x"},), None, 0.1),
    ],
)
def test_a_trial_that_shows_nothing_is_neither_held_nor_broken(monkeypatch, run):
    """On a loaded machine, a sandbox may end early; that does not show that a limit is broken."""
    monkeypatch.setattr(self_test.runner, "run", lambda job, limits=None: run)
    monkeypatch.setattr(self_test, "MEMORY_NEEDED", 0)
    found = self_test._limits("bubblewrap")
    assert {f.state for f in found} == {"note"}
    assert all(f.says.startswith("could not be tested (") for f in found)


def test_a_backend_that_starts_no_submission_is_a_problem(monkeypatch):
    silent = runner.Run((), "the sandbox stopped before the notebook began (no reason given)", 0.1)
    monkeypatch.setattr(self_test.runner, "run", lambda job, limits: silent)
    assert self_test._sandbox("bubblewrap").state == "problem"


def test_a_process_limit_that_only_the_watchdog_enforces_is_reported_as_such(monkeypatch):
    ended = runner.Run((), "it started more than 64 processes", 0.1)
    monkeypatch.setattr(self_test.runner, "run", lambda job, limits: ended)
    assert "enforced by the watchdog" in self_test._processes("bubblewrap").says


def test_without_a_sandbox_the_doctor_says_what_to_do(monkeypatch):
    def none(trust=False):
        raise backend.NoSandboxError("bubblewrap is not installed (apt install bubblewrap), and no Docker.")

    monkeypatch.setattr(self_test.backend, "choose", none)
    monkeypatch.setattr(doctor, "machine", list)
    done = CliRunner().invoke(cli.app, ["doctor", "--teach"])
    assert done.exit_code == 1
    assert "✗ Sandbox   bubblewrap is not installed (apt install bubblewrap)" in done.stdout


def test_the_doctor_does_not_test_the_sandbox_for_students(monkeypatch):
    monkeypatch.setattr(self_test, "findings", lambda: pytest.fail("a student's doctor tried the sandbox"))
    monkeypatch.setattr(doctor, "machine", list)
    assert "only instructors need it" in " ".join(CliRunner().invoke(cli.app, ["doctor"]).stdout.split())


@pytest.mark.sandbox
def test_without_a_control_group_the_watchdog_limits_shared_memory(monkeypatch):
    monkeypatch.setattr(cgroup, "_parents", dict)
    cells = [{"cell": self_test._TOTAL_MEMORY}, {"cell": "print('on')"}]
    done = runner.run({"seed": 1, "steps": cells}, Limits(memory_gb=1.5, total_seconds=300))
    steps = {event["step"]: event for event in done.events if "status" in event}
    assert [steps[0]["status"], steps[1]["status"]] == ["died", "ran"]


@pytest.mark.sandbox
@pytest.mark.skipif("memory" not in cgroup.controllers(), reason="this user may not create control groups")
def test_with_a_control_group_the_watchdog_leaves_memory_to_the_kernel(monkeypatch):
    """Reading the memory of a process that the kernel has just killed made the kernel kill the supervisor."""
    checks, enforce = set(), watchdog._enforce
    monkeypatch.setattr(watchdog, "_enforce", lambda *given: checks.add(given[3]) or enforce(*given))
    runner.run({"seed": 1, "steps": [{"cell": "import time; time.sleep(0.6)"}]}, Limits())
    assert checks == {False}


def test_trusting_submissions_prints_a_warning_first(tmp_path):
    hand_in(tmp_path, "ada", b"")  # there is nothing to run
    command = ["grade", LESSON, "--course", str(tmp_path), "--trust-submissions", "--json"]
    done = CliRunner().invoke(cli.app, command)
    assert "No sandbox: students' code runs with all your permissions" in done.stderr
    assert json.loads(done.stdout)["students"][0]["isolation"] == "none"
