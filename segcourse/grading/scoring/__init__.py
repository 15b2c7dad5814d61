"""Step 3: turn what was observed into a `result`, in a process that never runs a student's code.

`grade` performs steps 1 to 3 for one submission. `events` sorts the sandbox's record by cell, and
`instructor_cells` scores the cells that an instructor added.
"""
