"""Whose file is it? The file names of learning platforms, Colab and people."""

from datetime import datetime
from pathlib import PurePosixPath

import pytest
from grading_class import LESSON

from segcourse.grading.senders import Received, find_senders

TIME = "2026-05-01-12-30-00"
NAMES = {  # path inside a download: student, number, file
    f"Ada Lovelace_12345_assignsubmission_file_/{LESSON}.ipynb": ("Ada Lovelace", "12345", f"{LESSON}.ipynb"),
    f"Ada Lovelace_12345_assignsubmission_file_{LESSON}.ipynb": ("Ada Lovelace", "12345", f"{LESSON}.ipynb"),
    "Ada Lovelace_12345_assignsubmission_file/a/b.pdf": ("Ada Lovelace", "12345", "a/b.pdf"),
    "अदिति_12_assignsubmission_onlinetext_/onlinetext.html": ("अदिति", "12", "onlinetext.html"),
    f"lovelaceada_123_456_{LESSON}-1.ipynb": ("lovelaceada", "123", f"{LESSON}-1.ipynb"),
    "lovelaceada_LATE_123_456_answer.zip": ("lovelaceada", "123", "answer.zip"),
    "lovelaceada_123_text.html": ("lovelaceada", "123", "text.html"),
    f"{LESSON}_ada_attempt_{TIME}.ipynb": ("ada", "", f"{LESSON}.ipynb"),
    f"{LESSON}_a_da_attempt_{TIME}_work.ipynb": ("a_da", "", "work.ipynb"),
    f"Lesson 5_a.lovelace_attempt_{TIME}_work.ipynb": ("a.lovelace", "", "work.ipynb"),
    f"{LESSON} (ada).ipynb": ("ada", "", f"{LESSON}.ipynb"),
    f"Copy of {LESSON}(ada).ipynb": ("ada", "", f"{LESSON}.ipynb"),
    f"{LESSON} (1234567).ipynb": ("1234567", "", f"{LESSON}.ipynb"),
    f"Ada Lovelace - Copy of {LESSON}.ipynb": ("Ada Lovelace", "", f"{LESSON}.ipynb"),
    f"{LESSON} - Ada Lovelace.ipynb": ("Ada Lovelace", "", f"{LESSON}.ipynb"),
    f"{LESSON}_ada.ipynb": ("ada", "", f"{LESSON}.ipynb"),
    f"ada_{LESSON}.ipynb": ("ada", "", f"{LESSON}.ipynb"),
    f"ada/{LESSON}/answer.ipynb": ("ada", "", "answer.ipynb"),
    # what stands behind the platform's part is the student's, even if it looks like a classmate
    f"Ada L_1_assignsubmission_file_/Ben B_2_assignsubmission_file_/{LESSON}.ipynb": (
        "Ada L", "1", f"Ben B_2_assignsubmission_file_/{LESSON}.ipynb",
    ),
    "Ada L_1_assignsubmission_file_Ben B_2_assignsubmission_file_x.ipynb": (
        "Ada L", "1", "Ben B_2_assignsubmission_file_x.ipynb",
    ),
    f"Ada L_1_assignsubmission_file_/{LESSON} (ben).ipynb": ("Ada L", "1", f"{LESSON} (ben).ipynb"),
    f"Ada L_1_assignsubmission_file_L_ben_attempt_{TIME}_x.ipynb": (
        "Ada L", "1", f"L_ben_attempt_{TIME}_x.ipynb",
    ),
    "adal_1_2_ben_3_4_x.ipynb": ("adal", "1", "ben_3_4_x.ipynb"),
    f"L_ada_attempt_{TIME}_L_ben_attempt_2026-06-01-12-30-00_x.ipynb": (
        "ada", "", "L_ben_attempt_2026-06-01-12-30-00_x.ipynb",
    ),
    f"ada/ben/{LESSON}.ipynb": ("ada", "", f"ben/{LESSON}.ipynb"),
    f"ada/{LESSON} (ben).ipynb": ("ada", "", f"{LESSON} (ben).ipynb"),
}  # fmt: skip
ASKED = [
    f"{LESSON}.ipynb",
    f"{LESSON} (1).ipynb",
    f"Copy of {LESSON}.ipynb",
    f"{LESSON}/x.ipynb",
    "x.ipynb",
    "ada/ben_1_2_x.ipynb",  # is "ada" a student, or a folder with a download in it?
    "ada/Ben B_2_assignsubmission_file_/x.ipynb",
    f"adal_1_2_L_ben_attempt_{TIME}_x.ipynb",  # Canvas or Blackboard?
    "ben_77_123_456_x.ipynb",  # Canvas: from "ben" with the file 456_x, or from "ben_77"?
    "ben_77_123_text.html",
    f"Lesson_5_ada_attempt_{TIME}_x.ipynb",  # Blackboard: from "ada" or from "5_ada"?
    "L_ada_attempt_2026-99-99-99-99-99_x.ipynb",
]


def sender(path: str) -> Received | str:
    return find_senders([PurePosixPath(path)], LESSON).popitem()[1]


@pytest.mark.parametrize("path", NAMES)
def test_a_file_name_shows_who_handed_it_in(path):
    found = sender(path)
    assert (found.sender.name, found.sender.number, found.file) == NAMES[path]


@pytest.mark.parametrize("path", ASKED)
def test_a_doubtful_file_name_is_a_question(path):
    assert isinstance(sender(path), str)


def test_only_blackboards_part_of_a_name_has_a_time_in_this_machines_time_zone():
    path = f"{LESSON}_ada_attempt_{TIME}_x_ben_attempt_2026-01-01-00-00-00_y.ipynb"
    assert sender(path).time == datetime(2026, 5, 1, 12, 30).astimezone()
    assert sender(f"Ada_1_assignsubmission_file_/{path}").time is None
    assert sender("lovelaceada_LATE_1_2_x.ipynb").late


def test_other_files_of_a_download_tell_the_platform():
    both = PurePosixPath(f"adal_1_2_L_ben_attempt_{TIME}_x.ipynb")
    canvas = find_senders([both, PurePosixPath("benb_3_4_x.ipynb")], LESSON)
    assert canvas[both].sender.name == "adal"
    names = [PurePosixPath(f"Lesson_5_{user}_attempt_{TIME}_x.ipynb") for user in ("ada", "b_ada")]
    assert [found.sender.name for found in find_senders(names, LESSON).values()] == ["ada", "b_ada"]


def test_the_only_folder_of_a_zip_archive_is_a_question():
    paths = [PurePosixPath("Week 5/ada/x.ipynb"), PurePosixPath("Week 5/ben/x.ipynb")]
    assert all(isinstance(found, str) for found in find_senders(paths, LESSON, zipped=True).values())
    paths = [path.relative_to("Week 5") for path in paths]
    assert [found.sender.name for found in find_senders(paths, LESSON, zipped=True).values()] == [
        "ada",
        "ben",
    ]
