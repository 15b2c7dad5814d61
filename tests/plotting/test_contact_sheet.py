"""The contact sheet: rows of small pictures with their names."""

import numpy as np
import pytest
from PIL import Image

from segcourse.plotting.contact_sheet import GAP, SIDE, contact_sheet, thumbnail


def test_pictures_stand_in_rows_at_their_own_proportions():
    red, wide = Image.new("RGB", (50, 50), "red"), Image.new("RGB", (400, 100), "blue")
    sheet = np.array(contact_sheet([("a", red), ("b", wide), ("c", red)], columns=2))
    assert sheet.shape[1] == 2 * (SIDE + GAP) + GAP
    is_red, is_blue = ((sheet == colour).all(-1) for colour in ((255, 0, 0), (0, 0, 255)))
    assert is_red.sum() == 2 * SIDE * SIDE
    assert is_blue.sum() == SIDE * SIDE // 4
    assert is_red[GAP : GAP + SIDE, GAP : GAP + SIDE].all()
    assert is_red[GAP + SIDE + 10 :, GAP : GAP + SIDE].any()  # the second row


def test_transparent_pixels_become_a_chequerboard():
    sheet = np.array(contact_sheet([("a", Image.new("RGBA", (64, 64), (9, 9, 9, 0)))]))
    inside = sheet[GAP : GAP + SIDE, GAP : GAP + SIDE]
    assert set(np.unique(inside)) == {200, 255}


def test_a_long_name_keeps_its_end_and_stays_below_its_picture():
    picture = Image.new("RGB", (8, 8), "white")
    sheet = np.array(contact_sheet([(f"{'photograph_' * 20}1.jpg", picture)] * 2))
    assert (sheet[:, SIDE + GAP : SIDE + GAP + GAP // 2] == 255).all()


def test_a_name_can_hold_a_line_break():
    assert contact_sheet([("two\nlines.jpg", Image.new("RGB", (8, 8)))]).width == SIDE + 2 * GAP


@pytest.mark.parametrize(("mode", "kept"), [("RGBA", "RGBA"), ("P", "RGB"), ("L", "RGB")])
def test_a_thumbnail_is_small_and_keeps_transparency(mode, kept, tmp_path):
    Image.new(mode, (900, 300)).save(tmp_path / "a.png")
    made = thumbnail(tmp_path / "a.png")
    assert (made.mode, made.size) == (kept, (SIDE, SIDE // 3))
