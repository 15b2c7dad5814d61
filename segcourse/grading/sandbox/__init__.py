"""Step 2: run a submission's cells in a sandbox and record what its answers return.

Outside the sandbox, in the grader:

- `backend` chooses the technology: `bubblewrap`, `docker`, or none.
- `runner` starts a sandbox and collects its record. `watchdog` enforces the `limits`, `cgroup` asks the
  kernel to do the same. `process` is the handle of a running sandbox.

In a read-only sandbox of bubblewrap, which runs no student's code:

- `fork_server` imports PyTorch once. Each submission runs in a fork, which `isolation` moves into its own
  sandbox, with a `seccomp` filter.

Inside that sandbox:

- `entrypoint` is the first process and the zygote of all others.
- `supervisor` hands out the cells, enforces the time limits (`cpu_time`) and writes the record.
- `worker` runs the student's code. `snapshot` restores the trusted modules before each observation.
"""
