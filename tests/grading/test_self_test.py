"""What `segcourse doctor --teach` tells an instructor: true here, and able to say no."""

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
from segcourse.grading.sandbox import backend, cgroup, runner
from segcourse.grading.sandbox.limits import Limits


def by_name(findings) -> dict[str, doctor.Finding]:
    return {finding.what.removeprefix(self_test.INSIDE): finding for finding in findings}


@pytest.mark.sandbox
@pytest.mark.slow
def test_every_limit_holds_here():
    found = by_name(self_test.findings())
    assert {"network", "files", "disk", "processes", "time"} < found.keys()
    assert {f.what for f in found.values() if f.state == "problem"} == set()
    kernel = "the kernel, in a control group"
    for name, controller in {"processes": "pids", "memory, all": "memory"}.items():
        if name in found and controller in cgroup.controllers():
            assert found[name].says.endswith(f"held by {kernel} (tried).")


def test_each_trial_can_fail(monkeypatch):
    """Submissions that nothing stops: they call, read and write whatever they were told to try."""

    def unstopped(job, limits, **_):
        [reach, *others] = [step["cell"] for step in job["steps"]]
        for path in re.findall(r"PosixPath\('(.*?)'\)|'(/[^']+/secret)'", reach):
            Path("".join(path)).write_text("changed")
        if port := re.search(r'"127.0.0.1", (\d+)', reach):
            socket.create_connection(("127.0.0.1", int(port[1]))).close()
        printed = ["", "300000000 1200000000", *[""] * len(others)]
        events = [{"step": i, "status": "ran", "printed": printed[i]} for i in range(len(others) + 1)]
        return runner.Run((*events, {"finished": True}), None, 0.1)

    monkeypatch.setattr(self_test.runner, "run", unstopped)
    found = by_name(self_test._limits("bubblewrap"))
    assert {f.state for name, f in found.items() if name != "memory"} == {"problem"}
    assert found["memory"].state in ("problem", "note")
    assert found["network"].says.startswith("should be: none")


def test_a_sandbox_that_tells_nothing_holds_nothing(monkeypatch):
    silent = runner.Run((), "the sandbox stopped before the notebook began (no reason given)", 0.1)
    monkeypatch.setattr(self_test.runner, "run", lambda job, limits: silent)
    assert self_test._wall("bubblewrap").state == "problem"
    assert not {f.state for f in self_test._limits("bubblewrap")} & {"ok"}


def test_processes_that_only_the_watch_counts_are_told_so(monkeypatch):
    ended = runner.Run((), "it started more than 64 processes", 0.1)
    monkeypatch.setattr(self_test.runner, "run", lambda job, limits: ended)
    assert "held by the watch outside" in by_name(self_test._limits("bubblewrap"))["processes"].says


def test_without_a_sandbox_the_doctor_says_what_to_do(monkeypatch):
    def none(trust=False):
        raise backend.NoSandboxError("bubblewrap is not installed (apt install bubblewrap), and no Docker.")

    monkeypatch.setattr(self_test.backend, "choose", none)
    monkeypatch.setattr(doctor, "machine", list)
    done = CliRunner().invoke(cli.app, ["doctor", "--teach"])
    assert done.exit_code == 1
    assert "✗ Sandbox   bubblewrap is not installed (apt install bubblewrap)" in done.stdout


def test_students_are_spared_the_trials(monkeypatch):
    monkeypatch.setattr(self_test, "findings", lambda: pytest.fail("a student's doctor tried the sandbox"))
    monkeypatch.setattr(doctor, "machine", list)
    assert "only instructors need it" in " ".join(CliRunner().invoke(cli.app, ["doctor"]).stdout.split())


@pytest.mark.sandbox
def test_memory_that_processes_share_counts_without_a_control_group(monkeypatch):
    monkeypatch.setattr(cgroup, "_parents", dict)
    cells = [{"cell": "hoard = []"}, {"cell": self_test._ALL_MEMORY}, {"cell": "print('on')"}]
    done = runner.run({"seed": 1, "steps": cells}, Limits(memory_gb=1.5, total_seconds=300))
    steps = {event["step"]: event for event in done.events if "status" in event}
    assert [steps[1]["status"], steps[2]["status"]] == ["died", "ran"]


def test_trust_says_first_what_it_gives_up(tmp_path):
    hand_in(tmp_path, "ada", b"")  # there is nothing to run
    command = ["grade", LESSON, "--course", str(tmp_path), "--trust-submissions", "--json"]
    done = CliRunner().invoke(cli.app, command)
    assert "No sandbox: students' code runs with all your permissions" in done.stderr
    assert json.loads(done.stdout)["students"][0]["isolation"] == "none"
