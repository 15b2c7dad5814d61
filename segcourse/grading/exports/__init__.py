"""Marks and rubrics in the shape that learning platforms import.

`scores` reads the final scores of a lesson. `moodle` and `canvas` write them in the columns that those
platforms document. `rubric` writes the lesson's exercises and groups of cases as a rubric.
"""
