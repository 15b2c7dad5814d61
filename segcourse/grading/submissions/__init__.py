"""Step 1: from what was handed in to cells that can be run.

`collect` finds the notebook in a student's folder and `reading` makes plain cells of its bytes. `admit` tells
which of the lesson's cells they are, with what patterns find in the `source`, and puts right what can be
(`repair`, `locked`); `needed` says which of the lesson's own cells the answers need.
"""
