"""Atomic writes: a file is either complete or unchanged."""

import errno
import os
import stat

import pytest

from segcourse.errors import SaveError
from segcourse.files import replacing


def test_a_file_is_replaced_without_leftovers(tmp_path):
    path = tmp_path / "new folder" / "model.safetensors"
    for text in ("first", "second"):
        with replacing(path) as temporary:
            assert temporary.parent == path.parent  # a rename is atomic on one file system only
            assert temporary.suffix == path.suffix
            temporary.write_text(text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_readers_see_the_old_file_until_the_new_file_is_complete(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"


def test_writing_in_place_loses_the_old_file_when_the_disk_fills_up(tmp_path):
    wrong, right = tmp_path / "wrong.bin", tmp_path / "right.bin"
    for path in (wrong, right):
        path.write_bytes(b"old")

    def fill(path):
        with path.open("wb") as file:
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        fill(wrong)
    assert wrong.read_bytes() == b"half"
    sentence = r"right\.bin could not be written \(No space left on device\).*unchanged"
    with pytest.raises(SaveError, match=sentence), replacing(right) as temporary:
        fill(temporary)
    assert right.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [right, wrong]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_any_other_failure_passes_through_and_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_created_raises_a_save_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SaveError, match="could not be written"), replacing(tmp_path / "file" / "a.txt"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_files_have_the_permissions_of_ordinary_files(tmp_path):
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("a")
    (tmp_path / "b.txt").write_text("b")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "b.txt")}
    assert len(modes) == 1
