"""A fake `docker` program that behaves like the real client: one process per container, no isolation.

It does what the grader relies on: a container outlives a client that is killed, `--rm` and `rm --force`
remove it, its environment is the one on the command line, and folders are found where they are mounted. Its
arguments are written to a file, so that a test can check every flag.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

STATE = Path(__file__).parent / "state"  # the fake lies in a folder of its own
VALUED = {
    "--name", "--label", "--network", "--hostname", "--user", "--cap-drop", "--security-opt", "--memory",
    "--memory-swap", "--pids-limit", "--shm-size", "--tmpfs", "--env", "--mount", "--workdir", "--pull",
    "--log-driver",
}  # fmt: skip


def install(folder: Path) -> Path:
    """Install the stand-in as a program called docker; return its folder of containers."""
    program = folder / "docker"
    program.write_text(f"#!{sys.executable}\n" + Path(__file__).read_text())
    program.chmod(0o755)
    (folder / "state").mkdir()
    return folder / "state"


def calls(state: Path, kind: str) -> list[list[str]]:
    """Return the arguments of all calls so far that began with `kind`."""
    noted = map(json.loads, (state.parent / "calls").read_text().splitlines())
    return [arguments[1:] for arguments in noted if arguments[0] == kind]


def options(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the flags of `docker run` with their values, and the image with its command."""
    found, rest = {}, list(arguments)
    while rest[0].startswith("--"):
        flag = rest.pop(0)
        found.setdefault(flag, []).append(rest.pop(0) if flag in VALUED else "")
    return found, rest


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def main(kind: str, *arguments: str) -> int:
    with open(STATE.parent / "calls", "a") as log:
        log.write(json.dumps([kind, *arguments]) + "\n")
    if complaint := os.environ.get(f"FAKE_DOCKER_{kind.upper()}"):
        print(complaint, file=sys.stderr)
        return 1
    return {"run": run, "rm": remove, "ps": show}.get(kind, lambda *_: 0)(*arguments)


def run(*arguments: str) -> int:
    flags, (_, *command) = options(list(arguments))
    if "-c" in command and (versions := os.environ.get("FAKE_DOCKER_VERSIONS")):
        print(versions)
        return 0
    home, [name] = tempfile.mkdtemp(), flags["--name"]
    mounts = [dict(part.split("=", 1) for part in m.split(",") if "=" in part) for m in flags["--mount"]]
    [course] = {str(Path(m["source"]).parent) for m in mounts}
    variables = dict(variable.split("=", 1) for variable in flags["--env"])
    variables = {
        key: value.replace("/home/s", home).replace("/course", course) for key, value in variables.items()
    }
    command[0] = {"python": sys.executable}[command[0]]
    started = subprocess.Popen(command, env=variables, cwd=home, start_new_session=True)
    (STATE / name).write_text(json.dumps({"pid": started.pid, "label": flags["--label"][0]}))
    code = started.wait()
    (STATE / name).unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    return code


def remove(_: str, name: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        pid = json.loads((STATE / name).read_text())["pid"]
        (STATE / name).unlink()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return 0


def show(*arguments: str) -> int:
    if "--format" in arguments:
        for container in STATE.iterdir():
            print(container.name, json.loads(container.read_text())["label"].partition("=")[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
