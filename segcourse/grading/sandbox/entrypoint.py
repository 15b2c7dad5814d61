"""What runs inside the sandbox: the student's cells, one after another, and what their answers do on the
grader's cases.

Four kinds of process, each a fork, so that PyTorch is imported once. The nursery never reads the job: it
draws the cases and forks workers that know nothing of what lies ahead. The supervisor never runs a student's
line: it gives out the steps, keeps the time, and writes the record. The worker runs the cells. At each check
it forks a witness, which observes the answer as it stands there, and whose loops and crashes cost the worker
nothing. When a cell hangs or kills the worker, the supervisor has a new one run the notebook again without
that cell.

The job is JSON, the record goes out as lines of JSON, while it grows: a submission that is killed from
outside leaves what it had shown by then.
"""

import base64
import json
import os
import resource
import sys
from pathlib import Path

from segcourse import exercises
from segcourse.exercises import engine
from segcourse.grading.sandbox.nsenter import set_readable
from segcourse.grading.sandbox.supervisor import Supervisor
from segcourse.grading.sandbox.worker import Worker

RESTARTS = 3  # workers that may be lost before the rest of a notebook is given up


def main() -> None:
    """Take the job from stdin and write the record to stdout, or do so with the descriptors that are given.

    bubblewrap's own first process keeps 0 to 2, and a submission may look into that one.
    """
    job, record = map(int, sys.argv[1:]) if len(sys.argv) > 1 else (os.dup(0), os.dup(1))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    serve(job, record, shell())


def shell():
    """IPython, as a notebook's kernel has it."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # its thread would not survive a fork
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autoawait = True
    return InteractiveShell.instance(config=config)


def serve(job: int, record: int, shell) -> None:
    """Be the nursery for the job that lies behind the descriptor `job`; returns when the supervisor ends."""
    (asked, ask), (told, tell) = os.pipe(), os.pipe()
    pipes = [(os.pipe(), os.pipe()) for _ in range(RESTARTS + 1)]
    set_readable(False)
    supervisor = os.fork()
    if supervisor == 0:
        try:
            for descriptor in (asked, tell, *_ends(pipes)):
                os.close(descriptor)
            _supervise(job, record, ask, told, [(r, w) for (r, _), (_, w) in pipes])
        finally:
            os._exit(0)
    for descriptor in (job, record, ask, told, *(fd for (r, _), (_, w) in pipes for fd in (r, w))):
        os.close(descriptor)
    with os.fdopen(asked) as orders:
        for order in map(json.loads, orders):
            if "draw" in order:
                counts = {
                    name: len(engine.draw(exercises.get(name), order["seed"])) for name in order["draw"]
                }
                engine.draw.cache_clear()  # or every worker would be born with the cases in its memory
                os.write(tell, json.dumps(counts).encode() + b"\n")
                continue
            (_, writing), (listening, _) = pipes[order["worker"]]
            worker = os.fork()
            if worker == 0:
                try:
                    for descriptor in (tell, asked, *_ends(pipes[order["worker"] + 1 :])):
                        os.close(descriptor)
                    set_readable(True)
                    limit_resources(order["limits"])
                    Worker(shell, writing, listening, int(order["limits"]["output_kb"] * 1000)).run()
                finally:
                    os._exit(1)
            os.close(writing), os.close(listening)
            os.write(tell, b"%d\n" % worker)
            os.waitpid(worker, 0)
            os.write(tell, b"gone\n")
    os.waitpid(supervisor, 0)


def _ends(pipes: list[tuple]) -> list[int]:
    """The workers' ends."""
    return [descriptor for (_, writing), (listening, _) in pipes for descriptor in (writing, listening)]


def _supervise(job: int, record: int, ask: int, told: int, pipes: list[tuple[int, int]]) -> None:
    with os.fdopen(job, "rb") as file:
        given = json.load(file)
    limit_resources(given["limits"])
    for name, content in given.get("files", {}).items():
        Path(Path(name).name).write_bytes(base64.b64decode(content))
    Supervisor(given, os.fdopen(record, "w"), ask, told, pipes).run()


def limit_resources(limits: dict) -> None:
    """Ask the kernel for what it can hold for one process; what it cannot, the watch outside does."""
    wanted = {
        resource.RLIMIT_DATA: int(limits["memory_gb"] * 2**30),  # RLIMIT_AS would break PyTorch
        resource.RLIMIT_FSIZE: 1 << 28,
        resource.RLIMIT_CPU: int(limits["total_seconds"]) + 10,
        resource.RLIMIT_CORE: 0,
    }
    # the kernel counts by user: without, others' programs on this machine would count
    if limits["own_users"]:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
