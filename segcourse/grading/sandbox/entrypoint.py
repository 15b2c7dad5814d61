"""What runs inside the sandbox: the student's cells in order, and their answers on the grader's cases.

There are four kinds of process, each a fork, so that PyTorch is imported once:

- The zygote draws the cases and forks the workers. It never reads the job, so that workers cannot find the
  coming cells in their memory.
- The supervisor hands out the steps, enforces the time limits and writes the record. It never runs a
  student's code. When a cell hangs or kills its worker, the supervisor has a new worker run the notebook
  without that cell.
- The worker runs the cells.
- An observer, a fork of the worker at each check, records what the answer returns. Its loops and crashes do
  not harm the worker.

The job is JSON. The record is written as lines of JSON while the notebook runs, so that a submission that is
killed from outside leaves what it recorded until then.
"""

import base64
import contextlib
import json
import os
import resource
import signal
from pathlib import Path

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.grading.sandbox.isolation import set_dumpable, volunteer
from segcourse.grading.sandbox.supervisor import Supervisor
from segcourse.grading.sandbox.worker import Worker

RESTARTS = 3  # a notebook may lose this many workers; after the next loss its remaining cells are given up


def main() -> None:
    """Run the job from stdin, with the record on stdout."""
    job, record = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    run_zygote(job, record, make_shell())


def make_shell():
    """Return an IPython shell like that of a notebook's kernel."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # its thread would not survive a fork
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autoawait = True
    return InteractiveShell.instance(config=config)


def run_zygote(job: int, record: int, shell) -> None:
    """Fork the supervisor, then serve its requests until it ends.

    Args:
        job: The descriptor from which the supervisor reads the job.
        record: The descriptor to which the supervisor writes the record.
        shell: The IPython shell that runs the cells.
    """
    (requests, requests_end), (replies_end, replies) = os.pipe(), os.pipe()
    # for each worker: the pipe of its answers and the pipe of its orders, both as (reading, writing) end
    pipes = [(os.pipe(), os.pipe()) for _ in range(RESTARTS + 1)]
    workers_ends = [(answers, orders) for (_, answers), (orders, _) in pipes]
    supervisors_ends = [(answers, orders) for (answers, _), (_, orders) in pipes]
    set_dumpable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # process 1 has to reap all orphans
    supervisor = os.fork()
    if supervisor == 0:
        try:
            _close(requests, replies, *sum(workers_ends, ()))
            _run_supervisor(job, record, requests_end, replies_end, supervisors_ends)
        finally:
            os._exit(0)
    _close(job, record, requests_end, replies_end, *sum(supervisors_ends, ()))
    with os.fdopen(requests) as lines:
        for request in map(json.loads, lines):
            if "draw" in request:
                counts = {n: len(draw(exercises.get(n), request["seed"])) for n in request["draw"]}
                draw.cache_clear()  # otherwise every worker would inherit the cases
                os.write(replies, json.dumps(counts).encode() + b"\n")
                continue
            number, limits = request["worker"], request["limits"]
            answers, orders = workers_ends[number]
            worker = os.fork()
            if worker == 0:
                try:
                    _close(requests, replies, *sum(workers_ends[number + 1 :], ()))
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    volunteer()
                    set_dumpable(True)
                    limit_resources(limits)
                    Worker(shell, answers, orders, int(limits["output_kb"] * 1000)).run()
                finally:
                    os._exit(1)
            _close(answers, orders)
            os.write(replies, b"%d\n" % worker)
            _wait(worker)
            os.write(replies, b"exited\n")
    _wait(supervisor)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # the kernel has reaped it
        os.waitpid(pid, 0)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _run_supervisor(job: int, record: int, requests: int, replies: int, pipes: list[tuple[int, int]]) -> None:
    with os.fdopen(job, "rb") as file:
        given = json.load(file)
    limit_resources(given["limits"])
    for name, content in given.get("files", {}).items():
        Path(Path(name).name).write_bytes(base64.b64decode(content))
    Supervisor(given, os.fdopen(record, "w"), requests, replies, pipes).run()


def limit_resources(limits: dict) -> None:
    """Set the kernel's limits on this process; the watchdog enforces those on the whole sandbox."""
    wanted = {
        resource.RLIMIT_DATA: int(limits["memory_gb"] * 2**30),  # RLIMIT_AS would break PyTorch
        resource.RLIMIT_FSIZE: 1 << 28,
        resource.RLIMIT_CPU: int(limits["total_seconds"]) + 10,
        resource.RLIMIT_CORE: 0,
    }
    # the kernel counts per user; where users are not separate, the instructor's own programs would count too
    if limits["own_users"]:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
