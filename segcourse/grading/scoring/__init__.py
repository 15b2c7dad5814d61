"""Step 3: from what was observed to a `result`, in a process that never runs a student's code.

`verdict` does steps 1 to 3 for one submission; `events` sorts what the sandbox told, `instructor_tests`
scores the cells that an instructor added.
"""
