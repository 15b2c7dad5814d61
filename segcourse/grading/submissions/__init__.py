"""Step 1: turn what a student handed in into cells that can run.

`find` locates the notebook in a student's folder, `read` parses its bytes into plain cells, and `recognise`
matches them with the lesson's cells. `repair` and `locked_cells` fix what can be fixed, with `patterns` for
source code. `dependencies` finds the lesson's own cells that the answers need. `preview` shows a student all
of this, and `mend` writes it into a copy of the notebook.
"""
