"""Step 2: a submission's cells run in a sandbox, which tells what was observed and is believed no further.

Outside: `sandbox` begins a run and `watch` follows it, behind the wall that this machine has (`isolation`:
`bubblewrap` or `docker`, with `surroundings`, `system_calls`, `cgroup`). It starts cold, or from a process
that has imported all (`warm`), a fork of which goes in (`entering`).

Inside: `probe` is the first process, `supervisor` keeps the time (`clocks`) and the record, `worker` runs the
student's code, and `pristine` gives each observation modules as the student's code has not touched them.
"""
