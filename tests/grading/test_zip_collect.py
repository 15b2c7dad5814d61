"""Whose file is it? The file names of learning platforms, Colab and people."""

from datetime import datetime

import pytest
from grading_class import LESSON

from segcourse.grading.zip_collect import find_sender

NAMES = {  # path inside a download: student, file
    f"Ada Lovelace_12345_assignsubmission_file_/{LESSON}.ipynb": ("Ada Lovelace", f"{LESSON}.ipynb"),
    f"Ada Lovelace_12345_assignsubmission_file_{LESSON}.ipynb": ("Ada Lovelace", f"{LESSON}.ipynb"),
    "Ada Lovelace_12345_assignsubmission_file/a/b.pdf": ("Ada Lovelace", "b.pdf"),
    "Ada Lovelace_12345_assignsubmission_onlinetext_/onlinetext.html": ("Ada Lovelace", "onlinetext.html"),
    f"lovelaceada_123_456_{LESSON}-1.ipynb": ("lovelaceada_123", f"{LESSON}.ipynb"),
    "lovelaceada_LATE_123_456_answer.zip": ("lovelaceada_123", "answer.zip"),
    f"{LESSON}_ada_attempt_2026-05-01-12-30-00.ipynb": ("ada", f"{LESSON}.ipynb"),
    "Lesson 5_a.lovelace_attempt_2026-05-01-12-30-00_work.ipynb": ("a.lovelace", "work.ipynb"),
    f"{LESSON} (ada).ipynb": ("ada", f"{LESSON}.ipynb"),
    f"Copy of {LESSON}(ada).ipynb": ("ada", f"{LESSON}.ipynb"),
    f"{LESSON} (1234567).ipynb": ("1234567", f"{LESSON}.ipynb"),
    f"Ada Lovelace - Copy of {LESSON}.ipynb": ("Ada Lovelace", f"{LESSON}.ipynb"),
    f"{LESSON} - Ada Lovelace.ipynb": ("Ada Lovelace", f"{LESSON}.ipynb"),
    f"{LESSON}_ada.ipynb": ("ada", f"{LESSON}.ipynb"),
    f"ada_{LESSON}.ipynb": ("ada", f"{LESSON}.ipynb"),
    f"Lesson 5/Submissions/Lovelace_Ada_12/{LESSON}.ipynb": ("Lovelace_Ada_12", f"{LESSON}.ipynb"),
    f"ada/{LESSON}/answer.ipynb": ("ada", "answer.ipynb"),
    f"a[d]a*/{LESSON}.ipynb": ("a_d_a_", f"{LESSON}.ipynb"),  # nbgrader searches folders with such signs
}


@pytest.mark.parametrize("path", NAMES)
def test_a_file_name_shows_who_handed_it_in(path):
    found = find_sender(path, LESSON)
    assert (found.student, found.file) == NAMES[path]


@pytest.mark.parametrize(
    "path",
    [f"{LESSON}.ipynb", f"{LESSON} (1).ipynb", f"Copy of {LESSON}.ipynb", f"../{LESSON}.ipynb", "x.ipynb"],
)
def test_a_file_name_without_a_student_is_not_assigned(path):
    assert find_sender(path, LESSON) is None


def test_a_time_in_a_file_name_is_in_this_machines_time_zone():
    found = find_sender(f"{LESSON}_ada_attempt_2026-05-01-12-30-00.ipynb", LESSON)
    assert found.time == datetime(2026, 5, 1, 12, 30).astimezone()
    assert find_sender(f"ada/{LESSON}.ipynb", LESSON).time is None
