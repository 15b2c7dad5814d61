"""An autograder for Gradescope, as https://gradescope-autograders.readthedocs.io/ specifies it.

`package` writes the zip file. Gradescope runs its `setup.sh` once and its `run_autograder` for each
submission, which starts `autograder`. Gradescope's container is the sandbox. In it, students' code runs as a
separate user, who can neither read the course's secret nor write the results.
"""
