"""Legends below pictures."""

import numpy as np
import pytest

from segcourse.plotting.legend import add_legend

ENTRIES = [(f"class number {i}", (10 * i, 200, 30)) for i in range(6)]


@pytest.mark.parametrize("shape", [(4, 6), (90, 40), (120, 160), (700, 2000)])
def test_the_picture_stays_and_every_colour_is_named(shape):
    picture = np.random.default_rng(0).integers(0, 10, (*shape, 3), dtype=np.uint8)
    drawn = add_legend(picture, ENTRIES)
    np.testing.assert_array_equal(drawn[: shape[0], : shape[1]], picture)
    assert drawn.shape[1] >= shape[1]
    below = {tuple(colour) for colour in drawn[shape[0] :].reshape(-1, 3).tolist()}
    assert {colour for _, colour in ENTRIES} <= below
    assert (drawn[:, -1] == 255).all() or drawn.shape[1] == shape[1]  # no entry is cut off


def test_without_entries_there_is_no_strip():
    picture = np.zeros((4, 6, 3), np.uint8)
    assert add_legend(picture, []) is picture
