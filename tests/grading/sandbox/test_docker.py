"""Docker as the backend: its command line, a class graded in containers, and their removal.

No test here needs an engine, and none proves that one holds: fake_docker.py stands in for its program.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_docker
import numpy
import pytest
import torch
from grading_class import IOU_FOR_DICE, LESSON, RIGHT, as_bytes, hand_in, notebook

from segcourse.grading import grade_lesson
from segcourse.grading.sandbox import backend, bubblewrap, docker, runner
from segcourse.grading.sandbox.limits import Limits

NEEDED = {
    "--rm": [""], "--interactive": [""], "--init": [""], "--pull": ["never"], "--log-driver": ["none"],
    "--network": ["none"], "--read-only": [""], "--user": ["65534:65534"], "--cap-drop": ["ALL"],
    "--security-opt": ["no-new-privileges"], "--memory": ["2684354560b"], "--memory-swap": ["2684354560b"],
    "--pids-limit": ["50"], "--shm-size": ["67108864b"],
}  # fmt: skip


@pytest.fixture
def engine(tmp_path, monkeypatch, backends_untested):
    """A machine with a (fake) engine and no bubblewrap; gives the folder of the containers that run."""
    program = tmp_path / "bin"
    program.mkdir()
    state = fake_docker.install(program)
    monkeypatch.setenv("PATH", str(program), prepend=os.pathsep)
    monkeypatch.setattr(bubblewrap.shutil, "which", {"docker": str(program / "docker")}.get)
    versions = f"numpy {numpy.__version__}\ntorch {torch.__version__}"
    monkeypatch.setenv("FAKE_DOCKER_VERSIONS", versions)
    return state


def test_a_container_has_every_limit_and_nothing_of_the_instructors(engine):
    limits = Limits(memory_gb=2.5, processes=50)
    flags, rest = fake_docker.options(docker.command_line(limits, "segcourse-1")[2:])
    assert {flag: flags.get(flag) for flag in NEEDED} == NEEDED
    assert flags["--name"] == ["segcourse-1"]
    assert rest == ["segcourse-sandbox", "python", "-m", "segcourse.grading.sandbox.entrypoint"]
    mounts = [mount.split(",") for mount in flags["--mount"]]
    assert all(mount[0] == "type=bind" and mount[-1] == "readonly" for mount in mounts)
    assert {Path(mount[1]).name for mount in mounts} <= {"segcourse", "datasets"}
    assert all("nosuid,nodev,size=" in disk and disk.endswith("mode=1777") for disk in flags["--tmpfs"])
    assert not {"--privileged", "--volume", "--device", "--cap-add"} & flags.keys()
    # Docker's client adds the proxies of its settings, passwords included, unless they are overridden
    assert {"HTTPS_PROXY=", "https_proxy=", "NO_PROXY="} <= set(flags["--env"])


@pytest.mark.skipif(not shutil.which("docker"), reason="there is no Docker client")
def test_dockers_own_client_understands_the_command(engine, monkeypatch):
    _, *arguments = docker.command_line(Limits(), "segcourse-1")
    monkeypatch.undo()
    nowhere = os.environ | {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, env=nowhere, input="")
    assert done.returncode
    assert "connect" in done.stderr.lower()
    assert "flag" not in done.stderr


@pytest.mark.slow
def test_a_class_is_graded_through_docker(engine, lessons, tmp_path, monkeypatch):
    monkeypatch.delenv("FAKE_DOCKER_VERSIONS")  # the trial asks Python itself
    hand_in(tmp_path, "bob", as_bytes(notebook({**RIGHT, "dice_score": IOU_FOR_DICE})))
    hand_in(tmp_path, "cyd", b"no notebook")
    done = grade_lesson(LESSON, tmp_path, lessons=lessons, workers=2)
    bob, cyd = done.results
    assert bob.score == 4
    [dice] = [verdict for verdict in bob.verdicts if verdict.name == "dice_score"]
    assert "intersection over union" in dice.diagnosis
    assert cyd.status.startswith("could not be graded")
    assert {result.isolation for result in done.results} == {"docker"}
    graded = [arguments for arguments in fake_docker.calls(engine, "run") if "-c" not in arguments]
    assert len(graded) == 1  # cyd handed in nothing to run
    assert not list(engine.iterdir())


def test_a_run_that_is_stopped_from_outside_leaves_no_container(engine):
    answer = "import torch\ndef iou_per_class(matrix):\n    return torch.zeros(1 << 20)"
    steps = [{"cell": answer}, {"check": "iou_per_class"}, {"cell": "while True: pass"}]
    done = runner.run({"seed": 1, "steps": steps}, Limits(record_mb=1))
    assert done.ended == "it returned more than 1 MB"
    assert not list(engine.iterdir())
    [started] = [arguments for arguments in fake_docker.calls(engine, "run") if "-c" not in arguments]
    name = fake_docker.options(started)[0]["--name"][0]
    assert ["--force", name] in fake_docker.calls(engine, "rm")


def test_the_container_of_a_killed_grader_is_removed_by_the_next(engine):
    job = {"seed": 1, "steps": [{"cell": "while True: pass"}]}
    program = f"from segcourse.grading.sandbox import runner\nrunner.run({job}, runner.Limits())"
    hidden = "from segcourse.grading.sandbox import bubblewrap\nbubblewrap.shutil.which = {!r}.get\n"
    command = [sys.executable, "-c", hidden.format({"docker": docker.shutil.which("docker")}) + program]
    grader = subprocess.Popen(command)
    while not (containers := list(engine.iterdir())) or not containers[0].read_text():
        assert grader.poll() is None
        time.sleep(0.05)
    os.kill(grader.pid, signal.SIGKILL)
    grader.wait()
    inside = json.loads(containers[0].read_text())["pid"]
    assert fake_docker.alive(inside)
    assert docker.engine()
    while fake_docker.alive(inside):
        time.sleep(0.05)
    assert not list(engine.iterdir())


def test_a_living_graders_containers_are_left_alone(engine):
    for name, label in {"mine": docker._grader(), "anothers": "another-host/999999999"}.items():
        (engine / name).write_text(json.dumps({"pid": 0, "label": f"{docker.LABEL}={label}"}))
    docker.engine()
    assert {container.name for container in engine.iterdir()} == {"mine", "anothers"}


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("FAKE_DOCKER_PS", "Cannot connect to the Docker daemon", "no engine answers .Cannot connect"),
        ("FAKE_DOCKER_IMAGE", "Error: No such image", "no image segcourse-sandbox .*docker build --tag"),
        ("FAKE_DOCKER_RUN", "mounts denied: /opt is not shared", "cannot run a container .*mounts denied"),
        ("FAKE_DOCKER_VERSIONS", "numpy 1.0\ntorch 1.0", "image has numpy 1.0, but this machine has"),
    ],
)
def test_a_docker_that_does_not_work_is_reported_in_a_sentence(
    engine, monkeypatch, variable, value, sentence
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(backend.NoSandboxError, match=f"bubblewrap.*{sentence}.*--trust-submissions"):
        backend.choose()
