"""Downloads that would end a collection, merge two students, or give a student another's work or time."""

import io
import os
import zipfile
from pathlib import Path

import pytest
from grading_class import LESSON
from nbgrader.api import Gradebook
from nbgrader.apps.zipcollectapp import ZipCollectApp
from nbgrader.coursedir import CourseDirectory

from segcourse.grading import zip_collect
from segcourse.grading.course import Course

NAME = f"{LESSON}.ipynb"


@pytest.fixture
def course(tmp_path) -> Path:
    folder = tmp_path / "grading"
    (folder / "downloaded" / LESSON / "archive").mkdir(parents=True)
    return folder


def inbox(course: Path) -> Path:
    return course / "downloaded" / LESSON / "archive"


def download(course: Path, members: dict[str, bytes], name: str = "submissions.zip") -> Path:
    with zipfile.ZipFile(inbox(course) / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return inbox(course) / name


def collect(course: Path) -> dict[str, bytes]:
    """Collect as `nbgrader zip_collect --force` does; return all submitted files."""
    app = ZipCollectApp(downloaded_directory="grading/downloaded", force=True)
    about = {"root": str(course.parent), "submitted_directory": "grading/submitted", "assignment_id": LESSON}
    app.coursedir = CourseDirectory(parent=app, **about)
    app.extractor_plugin_inst = zip_collect.UnpackDownload(parent=app, course=str(course))
    app.collector_plugin_inst = zip_collect.SortByName(parent=app)
    app.extract_archive_files()
    app.process_extracted_files()
    below = course / "submitted"
    return {
        str(path.relative_to(below)).replace(f"/{LESSON}/", ": "): path.read_bytes()
        for path in sorted(below.rglob("*"))
        if path.is_file()
    }


def questions(course: Path) -> str:
    path = Course(course).questions(LESSON)
    return path.read_text() if path.exists() else ""


def test_a_file_called_like_a_classmate_stays_its_senders(course):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(f"Ben B_2_assignsubmission_file_/{NAME}", b"ada's")
    download(course, {
        f"Ada L_1_assignsubmission_file_/{LESSON} (Ben B).ipynb": b"ada's",
        f"Ada L_1_assignsubmission_file_/Ben B_2_assignsubmission_file_/{NAME}": b"ada's",
        "Ada L_1_assignsubmission_file_/Ben B_2_assignsubmission_file_x.zip": inner.getvalue(),
        f"Ben B_2_assignsubmission_file_/{NAME}": b"ben's",
    })  # fmt: skip
    files = collect(course)
    assert {name for name in files if name.startswith("Ben")} == {f"Ben B: {NAME}"}
    assert files[f"Ben B: {NAME}"] == b"ben's"
    assert len(files) == 4
    assert questions(course) == ""


def test_a_students_own_zip_with_a_platforms_names_is_a_question(course):
    download(course, {"benb_1_2_x.ipynb": b"ada's"}, f"{LESSON} (ada).zip")
    assert collect(course) == {}
    assert f"Is {LESSON} (ada).zip from one student, or is it a download?" in questions(course)


def test_two_students_of_one_name_are_not_merged(course):
    download(course, {
        f"Ada L_1_assignsubmission_file_/{NAME}": b"first",
        f"Ada L_2_assignsubmission_file_/{NAME}": b"second",
        f"Ben B_3_assignsubmission_file_/{NAME}": b"ben's",
        f"lovelaceada_5_6_{NAME}": b"third",
        f"lovelaceada_7_8_{NAME}": b"fourth",
    })  # fmt: skip
    earlier = course / "submitted" / "Ada L" / LESSON
    earlier.mkdir(parents=True)
    files = collect(course)
    assert files == {
        f"Ada L (Moodle 1): {NAME}": b"first",
        f"Ada L (Moodle 2): {NAME}": b"second",
        f"Ben B: {NAME}": b"ben's",
        f"lovelaceada_5: {NAME}": b"third",
        f"lovelaceada_7: {NAME}": b"fourth",
    }
    assert f"Whose is {earlier}, from an earlier collection?" in questions(course)


def test_names_that_differ_only_in_signs_are_a_question(course):
    for name in ("a*", "a?", "ben"):
        (inbox(course) / name).mkdir()
        (inbox(course) / name / NAME).write_bytes(name.encode())
    assert collect(course) == {f"ben: {NAME}": b"ben"}
    assert "Whose are the files of a* or a?" in questions(course)


def test_only_the_platform_sets_the_time_of_handing_in(course):
    download(course, {
        f"Ada L_1_assignsubmission_file_/{NAME}": b"",
        "Ada L_1_assignsubmission_file_/Timestamp.txt": b"2020-01-01 00:00:00 UTC",
        "Ada L_1_assignsubmission_file_/submission_secret.txt": b"ben's secret",
        "Ada L_1_assignsubmission_file_/x_ada_attempt_2020-01-01-00-00-00_y.txt": b"",
    })  # fmt: skip
    for day in ("02", "03", "01"):
        (inbox(course) / f"L_ben_attempt_2026-05-{day}-12-00-00_work{day}.ipynb").write_text(day)
    files = collect(course)
    assert set(files) == {
        f"Ada L: {NAME}",
        "Ada L: x_ada_attempt_2020-01-01-00-00-00_y.txt",
        "ben: work03.ipynb",
        "ben: timestamp.txt",
    }
    assert b"2026-05-03" in files["ben: timestamp.txt"]


def test_odd_members_do_not_end_the_collection(course, monkeypatch):
    monkeypatch.setattr(zip_collect, "MAX_BYTES", 3_000_000)
    monkeypatch.setattr(zip_collect, "MAX_FILES", 5)
    link = zipfile.ZipInfo(f"Link L_5_assignsubmission_file_/{NAME}")
    link.external_attr = 0o120777 << 16
    lzma = zipfile.ZipInfo(f"Lzma L_6_assignsubmission_file_/{NAME}")
    lzma.compress_type = zipfile.ZIP_LZMA
    path = download(course, {
        f"Ada A_1_assignsubmission_file_/{NAME}": b"ada's",
        f"Bomb B_2_assignsubmission_file_/{NAME}": bytes(10_000_000),
        f"Deep D_3_assignsubmission_file_/{'x' * 300}.ipynb": b"",
        f"Dots D_4_assignsubmission_file_/../../{NAME}": b"escaped",
        **{f"Many M_7_assignsubmission_file_/{i}.ipynb": b"" for i in range(9)},
        f"Pass P_8_assignsubmission_file_/{NAME}": b"secret",
        f"Torn T_9_assignsubmission_file_/{NAME}": os.urandom(999),
        f"{'n' * 300}_10_assignsubmission_file_/{NAME}": b"",
        f"/absolute/{NAME}": b"escaped",
        f"../up/{NAME}": b"escaped",
        "no one's.ipynb": b"",
        f"Zoe Z_11_assignsubmission_file_/{NAME}": b"zoe's",
    })  # fmt: skip
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, b"/etc/passwd")
        archive.writestr(lzma, b"x" * 99)
        torn = archive.getinfo(f"Torn T_9_assignsubmission_file_/{NAME}")
    data = bytearray(path.read_bytes())
    data[torn.header_offset + 200] ^= 255
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag for a password, in both headers
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            if b"Pass P" in data[at : at + 60]:
                data[at + flags] |= 1
    path.write_bytes(data)
    (inbox(course) / "broken.zip").write_bytes(b"PK\x03\x04 not a zip")
    (inbox(course) / f"{LESSON} (link).ipynb").symlink_to("/etc/passwd")
    files = collect(course)
    assert (files[f"Ada A: {NAME}"], files[f"Zoe Z: {NAME}"]) == (b"ada's", b"zoe's")
    reasons = {
        name.partition(":")[0]: text.decode() for name, text in files.items() if "not collected" in name
    }
    assert {name: reason.rpartition("collected: ")[2] for name, reason in reasons.items()} == {
        "Bomb B": "all files together exceed 3 MB, or the disk is nearly full.",
        "Deep D": reasons["Deep D"].rpartition("collected: ")[2],
        "Dots D": "its path leads out of the student's folder.",
        "Link L": "it is a link, not a file.",
        "Lzma L": "its kind of compression is not supported.",
        "Many M": "the student handed in more than 5 files.",
        "Pass P": "it has a password.",
        "Torn T": reasons["Torn T"].rpartition("collected: ")[2],
        "link": "it is a link or not a plain file.",
    }
    assert "File name too long" in reasons["Deep D"]
    assert len([name for name in files if name.startswith("Many M")]) == 6
    assert not any(b"escaped" in content for content in files.values())
    asked = questions(course)
    for words in (
        "broken.zip cannot be read",
        "/absolute/",
        "../up/",
        "Who handed in no one's.ipynb?",
        "nnnn",
    ):
        assert words in asked


def test_a_zip_archive_with_too_many_files_is_a_question(course, monkeypatch):
    monkeypatch.setattr(zip_collect, "MAX_MEMBERS", 2)
    download(course, {f"Ada A_1_assignsubmission_file_/{i}": b"" for i in range(3)})
    (inbox(course) / f"{LESSON} (ben).ipynb").write_bytes(b"ben's")
    assert collect(course) == {f"ben: {NAME}": b"ben's"}
    assert "submissions.zip contains 3 files, more than 2" in questions(course)


def test_files_that_canvas_numbers_keep_the_lessons_name(course):
    download(course, {
        f"adal_1_2_{LESSON}-1.ipynb": b"again",
        f"benb_3_4_{NAME}": b"right",
        f"benb_3_5_{LESSON}-2.ipynb": b"other",
    })  # fmt: skip
    assert collect(course) == {
        f"adal_1: {NAME}": b"again",
        f"benb_3: {NAME}": b"right",
        f"benb_3: {LESSON}-2.ipynb": b"other",
    }


def test_the_roster_gives_its_ids_where_they_are_certain(course):
    with Gradebook(Course(course).db_url) as book:
        book.add_student("s1", first_name="Ada", last_name="Lovelace", email="ada@uni.edu")
        book.add_student("s2", first_name="Ben", last_name="Braun", lms_user_id="77")
        book.add_student("s3", first_name="Cleo", last_name="Clark")
    members = {
        f"LOVELACE Ada_1_assignsubmission_file_/{NAME}": b"ada's",
        f"braunben_LATE_77_8_{NAME}": b"ben's",
        f"Cleo Clark_2_assignsubmission_file_/{NAME}": b"cleo's",
        f"s3_3_assignsubmission_file_/{NAME}": b"a student whose name on the platform is Cleo's id",
    }
    download(course, members)
    assert collect(course) == {
        f"s1: {NAME}": b"ada's",
        f"s2: {NAME}": b"ben's",
        f"Cleo Clark: {NAME}": b"cleo's",
        f"s3 (asked): {NAME}": b"a student whose name on the platform is Cleo's id",
    }


def test_two_downloads_of_the_same_students_are_a_question(course):
    ada, ben = (f"{name}_assignsubmission_file_/{NAME}" for name in ("Ada L_1", "Ben B_2"))
    download(course, {ada: b"old", ben: b"old"}, "b.zip")
    download(course, {ada: b"new"}, "a.zip")
    assert collect(course) == {f"Ben B: {NAME}": b"old"}
    assert (
        questions(course)
        == "Which is newer, a.zip or b.zip? Some students are in each; remove the older files.\n"
    )


def test_two_senders_of_one_folder_are_a_question(course):
    download(course, {f"adal_1_2_{NAME}": b"ada's"})
    (inbox(course) / f"{LESSON} (adal_1).ipynb").write_bytes(b"another's")
    (inbox(course) / f"{LESSON} (ben).ipynb").write_bytes(b"ben's")
    assert collect(course) == {f"ben: {NAME}": b"ben's"}
    assert "Whose are the files of adal? There is another adal_1" in questions(course)


def test_moodles_number_is_not_a_students_id(course):
    with Gradebook(Course(course).db_url) as book:
        book.add_student("s1", first_name="Ben", last_name="Braun", lms_user_id="7")
        book.add_student("s2", first_name="Ben", last_name="Braun", lms_user_id="8")
        book.add_student("s3", first_name="Cleo", last_name="Clark", lms_user_id="9")
    names = ("Ben Braun_7", "Cleo Clark_1")
    download(course, {f"{name}_assignsubmission_file_/{NAME}": name.encode() for name in names})
    assert collect(course) == {
        f"Ben Braun (Moodle 7): {NAME}": b"Ben Braun_7",
        f"s3: {NAME}": b"Cleo Clark_1",
    }
