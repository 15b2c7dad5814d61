"""Attacks without cells: names and kinds of files and folders in submitted/."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

from grading_class import LESSON, RIGHT, STUBS, about, as_bytes, hand_in, notebook

NAME = f"{LESSON}.ipynb"
HONEST = "a_honest"  # the student whose work and name others try to use
CONTROLS = "\x1b[2J\x1b]0;pwned\x07\u202eb\u200bc\x9b"
RULES: dict[str, tuple[float | None, str]] = {}
MAKERS: dict[str, Callable[[Path, str], object]] = {}
BUILT_IN = as_bytes(notebook(RIGHT))


def attack(score: float | None, says: str = "", name: str | None = None):
    """Register a function that makes a student's folder, with the right score and words of the report."""

    def register(make):
        MAKERS[name or make.__name__] = make
        RULES[name or make.__name__] = (score, says)
        return make

    return register


def folder(course: Path, student: str) -> Path:
    made = course / "submitted" / student / LESSON
    made.mkdir(parents=True)
    return made


def anothers(course: Path) -> Path:
    return course / "submitted" / HONEST / LESSON


@attack(None, "is a link, not a file")
def links_to_anothers_notebook(course, student):
    (folder(course, student) / NAME).symlink_to(anothers(course) / NAME)


@attack(None, "is a link, not a file")
def links_to_the_secret(course, student):
    (folder(course, student) / NAME).symlink_to(course / "course.secret")


@attack(None, "is not a folder")
def links_to_anothers_folder(course, student):
    (course / "submitted" / student).mkdir()
    (course / "submitted" / student / LESSON).symlink_to(anothers(course))


@attack(None, "is not a folder")
def is_a_link_to_another_student(course, student):
    (course / "submitted" / student).symlink_to(anothers(course).parent)


@attack(None, "is not a folder")
def links_to_nothing(course, student):
    (course / "submitted" / student).mkdir()
    (course / "submitted" / student / LESSON).symlink_to("/nowhere/at/all")


@attack(None, "is of an unknown type, not a Jupyter notebook")
def is_the_secret_by_hard_link(course, student):
    os.link(course / "course.secret", folder(course, student) / NAME)


@attack(None, "is not a plain file")
def is_a_pipe(course, student):
    os.mkfifo(folder(course, student) / NAME)


@attack(None, "05_losses_metrics.ipynb")
def is_a_socket(course, student):
    here = os.getcwd()
    os.chdir(folder(course, student))  # a socket's path may be 107 bytes long at most
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(NAME)
    os.chdir(here)


@attack(None, "05_losses_metrics.ipynb was expected")
def is_a_folder(course, student):
    (folder(course, student) / NAME).mkdir()


@attack(None, "larger than the limit of 50 MB")
def carries_300_megabytes_of_outputs(course, student):
    with open(folder(course, student) / NAME, "wb") as file:
        file.write(b'{"cells": [{"cell_type": "code", "source": "", "outputs": [{"text": "')
        for _ in range(300):
            file.write(b"x" * 1_000_000)
        file.write(b'"}]}]}')


@attack(7)
def carries_40_megabytes_of_script(course, student):
    made = notebook(RIGHT)
    page = "<script>alert(1)</script>" * 40_000
    made.cells[2]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": page}}
    ] * 40
    made.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": page}}
    hand_in(course, student, as_bytes(made))


@attack(None, "millions of values")
def nests_without_end(course, student):
    hand_in(course, student, b'{"cells": ' + b'[{"a": ' * 1_000_000)


@attack(None, "400000 cells, but at most 2000 are allowed")
def has_400_thousand_cells(course, student):
    hand_in(course, student, b'{"cells": [' + b"{}," * 399_999 + b"{}]}")


@attack(None, "not a Jupyter notebook")
def is_a_number_of_ten_million_digits(course, student):
    hand_in(course, student, b'{"cells": ' + b"9" * 10_000_000 + b"}")


@attack(7)
def says_everything_twice(course, student):
    """Python reads NaN and duplicate keys, which are not valid JSON; the last duplicate counts."""
    text = BUILT_IN.decode().replace('"metadata": {"', '"metadata": {"a": NaN, "a": 1e999, "')
    hand_in(course, student, text.replace('{"cells"', '{"cells": [], "nbformat": NaN, "cells"', 1).encode())


@attack(7)
def has_paths_for_names(course, student):
    made = json.loads(BUILT_IN)
    for cell in made["cells"]:
        cell["id"] = "../../../../course.secret"
        cell["attachments"] = {"../../x": {"text/html": "<script>alert(1)</script>"}}
    made["metadata"] |= {"kernelspec": {"name": "../../evil", "argv": ["/bin/sh"]}, "title": "<script>"}
    hand_in(course, student, json.dumps(made).encode())


@attack(4, "dice_score")
def labels_one_answer_as_another(course, student):
    """The answer to one exercise has the label of another that gives more points."""
    made = notebook({"iou_per_class": RIGHT["iou_per_class"], "mean_iou": RIGHT["mean_iou"]})
    made.cells[2].metadata = about("mean_iou")
    made.cells[4].metadata = about("dice_score")
    made.cells[3].metadata = about("check_mean_iou", 1000)
    hand_in(course, student, as_bytes(made))


@attack(4)
def gives_itself_points(course, student):
    made = json.loads(as_bytes(notebook(RIGHT | {"dice_score": STUBS["dice_score"] + "  # mine"})))
    for cell in made["cells"]:
        if about_it := cell["metadata"].get("nbgrader"):
            about_it |= {"points": 1e9, "max_score": -1, "locked": False, "checksum": "0"}
            about_it |= {"grade": True, "solution": True}
    hand_in(course, student, json.dumps(made).encode())


@attack(7)
def dates_by_link(course, student):
    path = hand_in(course, student, BUILT_IN)
    path.with_name("timestamp.txt").symlink_to(course / "course.secret")


@attack(7, "timestamp.txt does not contain a date")
def dates_without_end(course, student):
    path = hand_in(course, student, BUILT_IN).with_name("timestamp.txt")
    path.touch()
    os.truncate(path, 1 << 33)


@attack(7)
def dates_in_another_era(course, student):
    hand_in(course, student, BUILT_IN).with_name("timestamp.txt").write_text("9999-12-31 23:59:59 -23:59")


@attack(None, "it is not clear which of")
def names_its_files_for_the_terminal(course, student):
    for name in (f"{CONTROLS}<script>.ipynb", "=cmd|' 'A0.ipynb", "-rf.ipynb"):
        hand_in(course, student, BUILT_IN, name)


@attack(7, "was called")
def names_its_notebook_for_the_terminal(course, student):
    hand_in(course, student, BUILT_IN, f"{CONTROLS}<script>alert(1)<.ipynb")


NO_TEXT = b"\xff\xfe".decode("utf-8", "surrogateescape")


@attack(None, "the folder's name is not text", NO_TEXT)
def has_a_name_that_is_no_text(course, student):
    hand_in(course, student, BUILT_IN)


# names of students: folders that a careless collection has made; an empty file says whose row is whose
for called in (
    "A_HONEST", "a_honest ", "a_honest.", "a_honest\u200b", "jos\u00e9", "jose\u0301", "a..%2fa_honest",
    "%2e%2e", "a...", "*", "~", "n" * 255, "two\nlines", CONTROLS, "<script>alert(1)<", "=cmd|' C calc'!A0",
    "+1", "-1", "@SUM(A1)", "'; drop table grade;--", "{{7*7}}", "$(touch pwned)", "\ud7ff\U0010ffff",
):  # fmt: skip
    attack(None, "the file is empty", called)(lambda course, student: hand_in(course, student, b""))
