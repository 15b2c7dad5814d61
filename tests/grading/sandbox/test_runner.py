"""The sandbox: what it reports, what it keeps out of reach, and which crashes it survives."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest
from grading_class import RIGHT

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.engine.judging import judge
from segcourse.grading.sandbox import backend, bubblewrap, runner
from segcourse.grading.sandbox.environment import PACKAGE
from segcourse.grading.sandbox.fork_server import ForkServer
from segcourse.grading.sandbox.limits import Limits

# the tiny lesson's imports, so that these tests and the classes share a fork server
IMPORTS = ("import torch", "from segcourse import check")
SHORT = Limits(cell_seconds=1, case_seconds=0.5, total_seconds=300)


def run(*steps: str, limits: Limits = SHORT, **options) -> runner.Run:
    """Run cells; a step that is an exercise's name is its check."""
    names = exercises.names()
    job = {"seed": 1, "steps": [{"check": s} if s in names else {"cell": s} for s in steps]}
    return runner.run(job, limits, imports=IMPORTS, **options)


def by_step(run: runner.Run) -> dict[int, dict]:
    return {event["step"]: event for event in run.events if "status" in event}


def seen(run: runner.Run, step: int) -> list[dict]:
    return [event["observation"] for event in run.events if event.get("step") == step and "case" in event]


@pytest.mark.sandbox
def test_nothing_of_the_host_is_in_reach(tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("marks")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run(
            f"open({str(secret)!r}).read()",
            f"open({str(secret)!r}, 'w').write('6')",
            f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
            "import os; print(sorted(os.environ)); print(os.listdir('/')); print(open('picture.txt').read())",
            "import segcourse; open(segcourse.__file__, 'a').write('x')",
            "open('picture.txt', 'w')",
            "print(max(int(name) for name in os.listdir('/proc') if name.isdigit()))",
            "import time; time.sleep(1); os.kill(-1, 9)",
            "print('never: the process that writes the record is gone')",
            files={"picture.txt": b"a picture of the lesson"},
        )
    steps = by_step(done)
    assert "FileNotFoundError" in steps[0]["error"]
    assert "FileNotFoundError" in steps[1]["error"]
    assert secret.read_text() == "marks"
    assert "ConnectionRefusedError" in steps[2]["error"]
    assert "a picture of the lesson" in steps[3]["printed"]
    assert not {"USER", "SSH_AUTH_SOCK", "NBGRADER_DB_URL"} & set(steps[3]["printed"].split("'"))
    assert "Read-only file system" in steps[4]["error"] or "PermissionError" in steps[4]["error"]
    assert steps[5]["status"] == "ran"  # a copy of its own
    assert int(steps[6]["printed"]) < 50  # no process of the host
    assert 8 not in steps
    assert done.events[-1] != {"finished": True}


READS = """
import os
for process in filter(str.isdigit, os.listdir("/proc")):
    for number in range(64):
        try:
            with open(f"/proc/{process}/fd/{number}", "rb", 0) as file:
                os.set_blocking(file.fileno(), False)
                print("JOB" if b"cell_seconds" in (file.read(1 << 20) or b"") else "nothing")
        except OSError:
            pass
"""
WRITES = """
for process in filter(str.isdigit, os.listdir("/proc")):
    for number in range(64):
        try:
            if int(process) != os.getpid():
                with open(f"/proc/{process}/fd/{number}", "wb", 0) as file:
                    os.set_blocking(file.fileno(), False)
                    file.write(b'\\n{"step": 3, "status": "forged"}\\n')
                    print("wrote", process, number)
        except OSError:
            pass
"""


@pytest.mark.sandbox
def test_job_and_record_are_out_of_reach():
    """A cell cannot read them through the processes of the zygote or the supervisor."""
    done = run(
        "import os", READS, WRITES, "print('mine')", RIGHT["mean_iou"], "iou_per_class", "print('end')"
    )
    steps = by_step(done)
    assert "JOB" not in steps[1]["printed"]
    assert (steps[3]["status"], steps[3]["printed"]) == ("ran", "mine\n")
    assert not [event for event in done.events if event.get("status") == "forged"]
    assert steps[5]["status"] == "undefined"
    assert done.events[-1] == {"finished": True}


OUTSIDE = """
import fcntl, os, sys
def held(what, action):
    try:
        print("REACHED", what, action())
    except OSError as error:
        print("held", what)
def same_times(path):
    info = os.stat(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
for path in ("/proc/self/exe", "/dev/null", "/usr/bin/env", sys.executable, "/proc/1/exe"):
    held(f"times of {path}", lambda: same_times(path))
held("flags of a file", lambda: fcntl.ioctl(open("/usr/bin/env"), 0x40086602, bytes(8)))  # FS_IOC_SETFLAGS
for mode in ("rb", "r+b"):
    held("process 1", lambda: open("/proc/1/mem", mode))
held("our own memory, as a file", lambda: open("/proc/self/mem", "r+b"))
"""


@pytest.mark.sandbox
def test_programs_and_process_1_are_out_of_reach():
    """What a submission could change of its own program, it would change for the instructor, too."""
    printed = by_step(run(OUTSIDE))[0]["printed"].splitlines()
    assert len(printed) == 9
    assert [line for line in printed if not line.startswith("held")] == []


LOCKS = """
import fcntl, os
file = open({path!r})
fcntl.flock(file, fcntl.LOCK_EX)
fcntl.lockf(file, fcntl.LOCK_SH)
fcntl.fcntl(file, 1024, fcntl.F_RDLCK)  # a lease: whoever opens the file for writing has to wait
open("/tmp/locked", "w").close()
import time; time.sleep(3)
"""


@pytest.mark.sandbox
def test_a_submission_locks_no_file_of_this_machine():
    """A package's files are in reach. Locks on them would hold up the instructor's programs."""
    path = exercises.__file__
    running = threading.Thread(target=run, args=(LOCKS.format(path=path),), kwargs={"limits": Limits()})
    running.start()
    while running.is_alive():
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError if another has the lock
        held = [lock for lock in Path("/proc/locks").read_text().splitlines() if "FLOCK" not in lock]
        assert not [lock for lock in held if f":{os.stat(path).st_ino} " in lock]
        time.sleep(0.05)


FORBIDDEN = """
import ctypes, os, pathlib, shutil
libc = ctypes.CDLL(None, use_errno=True)
made = pathlib.Path("made")
made.touch(0o640)
made.chmod(0o4777), os.fchmod(os.open(made, os.O_RDONLY), 0o4777), shutil.copymode("/usr/bin/env", made)
print("rights", oct(made.stat().st_mode & 0o7777))
print("shmget", libc.shmget(0, 4096, 0o1600), "ptrace", libc.ptrace(16, 1, 0, 0))
clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
print("unshare", libc.unshare(1 << 28), "clone", libc.syscall(clone, 1 << 28, 0, 0, 0, 0))
try:
    os.memfd_create("hidden")
except OSError as error:
    print(error.strerror)
import socket
for family in (socket.AF_VSOCK, socket.AF_ALG):
    try:
        socket.socket(family, socket.SOCK_SEQPACKET)
    except OSError as error:
        print(error.strerror)
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("to oneself")
states = [open(f"/proc/{process}/status").read() for process in os.listdir("/proc") if process.isdigit()]
print("filtered", len(states) > 2, {state.split("Seccomp:")[1].split()[0] for state in states})
"""


@pytest.mark.sandbox
def test_no_process_inside_may_change_rights_or_hide_memory():
    """A running program is a file of the host, whose permissions the instructor may change."""
    loader = "from torch.utils.data import DataLoader\nprint(len([*DataLoader(range(8), num_workers=2)]))"
    steps = by_step(run(FORBIDDEN, loader))
    assert steps[0]["printed"].splitlines() == [
        "rights 0o640",
        "shmget -1 ptrace -1",
        "unshare -1 clone -1",
        "Function not implemented",
        "Address family not supported by protocol",
        "Address family not supported by protocol",
        "to oneself",
        "filtered True {'2'}",
    ]
    assert steps[1]["printed"] == "8\n"


ORPHANS = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(100):
    if not os.fork():
        os.fork()
        os._exit(0)
    time.sleep(0.001)
"""


@pytest.mark.sandbox
def test_a_sandbox_leaves_no_process_and_no_zombie(monkeypatch):
    """A container may have no process that reaps orphans."""
    made = []

    class Recorded(runner.SandboxProcess):
        def __init__(self, *given) -> None:
            super().__init__(*given)
            made.append(self.pid)

    monkeypatch.setattr(runner, "SandboxProcess", Recorded)
    done = run(ORPHANS, "if not os.fork():\n    os.setsid(); time.sleep(99)", limits=Limits(processes=64))
    assert [step["status"] for step in by_step(done).values()] == ["ran", "ran"]
    assert not psutil.pid_exists(made[0])


@pytest.mark.sandbox
def test_the_environment_of_the_instructor_stays_outside(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "hunter2")
    assert "hunter2" not in by_step(run("import os; print(dict(os.environ))"))[0]["printed"]


@pytest.mark.sandbox
def test_loops_crashes_and_kills_cost_their_own_cell_only():
    done = run(
        "import os, torch\nkept = 1",
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
        "os.kill(os.getpid(), 9)",
        RIGHT["iou_per_class"],
        "iou_per_class",
        "print(kept)",
        "def mean_iou(matrix):\n    if matrix[0, 1]:\n        os._exit(0)\n    return 1.0",
        "mean_iou",
        "def dice_score(prediction, target):\n    while True: pass",
        "dice_score",
        "print('the end')",
    )
    steps = by_step(done)
    assert [steps[i]["status"] for i in (1, 2, 3)] == ["too slow", "too slow", "died"]
    cases = draw(exercises.get("iou_per_class"), 1)
    assert judge(exercises.get("iou_per_class"), seen(done, 5), cases).passed
    assert steps[6]["printed"] == "1\n"
    assert {record["error"] for record in seen(done, 8) if "error" in record} == {"crash"}
    slow = seen(done, 10)
    assert len(slow) == len(draw(exercises.get("dice_score"), 1))
    assert {record["error"] for record in slow} == {"timeout"}
    assert steps[11]["printed"] == "the end\n"
    assert done.events[-1] == {"finished": True}
    assert done.ended is None


@pytest.mark.sandbox
def test_an_observer_that_ends_before_it_begins_is_not_restarted_forever():
    done = run("import os, torch\nos.setpgid = None", RIGHT["iou_per_class"], "iou_per_class", "print('on')")
    assert {record["error"] for record in seen(done, 2)} == {"crash"}
    assert by_step(done)[3]["printed"] == "on\n"


@pytest.mark.sandbox
def test_memory_processes_output_and_records_are_bounded():
    limits = Limits(cell_seconds=20, total_seconds=300, memory_gb=2, processes=40, record_mb=1, output_kb=1)
    done = run(
        "with open('big', 'wb') as file:\n    for _ in range(100): file.write(bytes(1_000_000))",
        "import torch; print('x' * 10_000_000)",
        "def fill(hoard):\n    while True: hoard.append(bytearray(50_000_000))\nfill([])",
        "def iou_per_class(matrix):\n    return torch.zeros(1 << 20)",
        "iou_per_class",
        limits=limits,
    )
    steps = by_step(done)
    assert "No space left" in steps[0]["error"]
    assert len(steps[1]["printed"]) < 1100
    assert "MemoryError" in steps[2].get("error", "") or steps[2]["status"] == "died"
    assert done.ended == "it returned more than 1 MB"
    children = "for _ in range(60):\n    if os.fork() == 0:\n        import time; time.sleep(30); os._exit(0)"
    done = run("import os", children, "import time; time.sleep(5)", limits=limits)
    assert "processes" in (done.ended or "") or "Error" in by_step(done)[1].get("error", "")


@pytest.mark.sandbox
def test_printing_magics_await_and_input():
    done = run(
        "1 + 1",
        "%pip install x",
        "!echo shell",
        "import asyncio; await asyncio.sleep(0)",
        "input()",
        "def f(:",
    )
    steps = by_step(done)
    assert steps[0]["printed"] == "Out[1]: 2\n"
    assert "shell" in steps[2]["printed"]
    assert steps[3]["status"] == "ran"
    assert steps[4]["error"].startswith("EOFError")
    assert steps[5]["error"] == "SyntaxError: invalid syntax (line 1)"


@pytest.fixture
def programs(monkeypatch, tmp_path, backends_untested):
    """Return a function that makes this a machine with only the given sandbox programs."""

    def found(**scripts: str) -> None:
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        where = {name: str(tmp_path / name) for name in scripts}
        monkeypatch.setattr(bubblewrap.shutil, "which", where.get)

    return found


@pytest.mark.sandbox
def test_a_fork_server_without_a_client_ends_silently():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()  # a grader that found everything graded has ended long before PyTorch is imported
    with theirs:
        command = [*bubblewrap.command_line(), "--", sys.executable, "-m", ForkServer.__module__]
        done = subprocess.run(command, stdin=theirs, env={}, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_without_a_backend_it_refuses_in_a_sentence(programs):
    programs()
    with pytest.raises(backend.NoSandboxError, match=r"apt install bubblewrap.*Docker.*--trust-submissions"):
        run("1")


@pytest.mark.sandbox
def test_this_python_may_lie_below_a_folder_that_the_sandbox_empties():
    """Each submission mounts an empty /tmp. A clone in /tmp must be there, without its secrets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shutil.copytree(PACKAGE, f"{folder}/segcourse", ignore=shutil.ignore_patterns("*.pyc"))
        Path(folder, "course.secret").write_text("seed")
        cell = f"import os, segcourse; print(segcourse.__file__, os.listdir({folder!r}))"
        code = f"from {__name__} import run; print(run({cell!r}).events[0]['printed'])"
        done = python(code, PYTHONPATH=os.pathsep.join([folder, *sys.path]))
    assert done.stdout == f"{folder}/segcourse/__init__.py ['segcourse']\n\n", done.stderr


def python(code: str, **variables: str) -> subprocess.CompletedProcess:
    options = {"env": os.environ | variables, "cwd": "/", "capture_output": True, "text": True}
    return subprocess.run([sys.executable, "-c", code], **options)


@pytest.mark.sandbox
def test_an_ordinary_user_has_the_same_walls(tmp_path_factory):
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        become = "import os; os.setgroups([]), os.setgid(65534), os.setuid(65534); "
        if os.geteuid() != 0 or python(f"{become}import torch, segcourse", PYTHONPATH="").returncode:
            pytest.skip("needs root, and a Python and a repository that other users can read")
        code = f"{become}from {__name__} import run; print(run({OUTSIDE!r}).events[0]['printed'])"
        done = python(code, PYTHONPATH=os.pathsep.join(sys.path), HOME=home)
    assert [line for line in done.stdout.splitlines() if not line.startswith("held")] == [""], done.stderr
    assert done.stdout.count("held") == 9


def test_a_bubblewrap_that_fails_is_reported_with_its_reason(programs):
    programs(bwrap="echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    with pytest.raises(backend.NoSandboxError, match="No permissions to create new namespace"):
        run("1")


def test_trusted_submissions_run_without_a_sandbox(monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    done = run(
        "import torch",
        RIGHT["iou_per_class"],
        "iou_per_class",
        "print(__import__('os').getcwd())",
        trust=True,
    )
    cases = draw(exercises.get("iou_per_class"), 1)
    assert judge(exercises.get("iou_per_class"), seen(done, 2), cases).passed
    assert not Path(by_step(done)[3]["printed"].strip()).exists()  # its folder was its own, and is gone
    assert not [name for name in os.listdir() if name.startswith("segcourse-")]
