"""Frames and `play`: one picture at a time, its caption with it."""

import numpy as np
import pytest

from segcourse.errors import DataError
from segcourse.widgets import play

PICTURES = [np.full((4, 4, 3), value, dtype=np.uint8) for value in (0, 100, 200)]


def test_each_position_has_its_picture_and_caption(frame):
    page = play(PICTURES, [1, 2, 4], name="epoch").html()
    for i, (label, value) in enumerate([("1", 0), ("2", 100), ("4", 200)]):
        one = frame(page, i)
        assert (one.label, one.caption, one.alts) == (label, f"epoch {label}", [f"epoch {label}"])
        assert (one.pictures[0] == value).all()


def test_only_the_last_frame_is_seen_at_first():
    page = play({"left": PICTURES, "right": PICTURES}, "abc", name="step").html()
    hidden = [tag for tag in page.split("<") if "data-frame=" in tag and tag.split(">")[0].endswith("hidden")]
    assert len(hidden) == 2 * 4  # label, two pictures and caption of the two other frames
    assert not any('data-frame="2"' in tag for tag in hidden)
    assert '<input type="range" min="0" max="2" value="2"' in page


def test_captions_can_say_more():
    assert (
        play(PICTURES, "abc", ["Dice 0.1", "Dice 0.2", "Dice <0.3>"], name="step").text()
        == "step c: Dice <0.3>"
    )


@pytest.mark.parametrize(
    ("pictures", "labels", "says"), [(PICTURES, "ab", "2 labels"), ({}, "", "no picture")]
)
def test_pictures_and_labels_must_match(pictures, labels, says):
    with pytest.raises(DataError, match=says):
        play(pictures, labels, name="step")
