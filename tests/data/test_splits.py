"""Splits at random, in blocks and by group, and the list of files."""

from pathlib import Path

import pytest

from segcourse.data.pairing import Pair, pairs_from_csv
from segcourse.data.splits import has_splits, held_out, write_split
from segcourse.errors import DataError


def pairs(*paths):
    return [Pair(Path("/data") / path, Path("/data") / path, Path(path).stem) for path in paths]


FRAMES = pairs(*(f"{i:03}.png" for i in range(50)))


def test_a_random_split_holds_out_a_fifth_and_depends_on_the_seed():
    assert len(held_out(FRAMES)) == 10
    assert held_out(FRAMES) == held_out(FRAMES) == sorted(held_out(FRAMES))
    assert held_out(FRAMES, seed=1) != held_out(FRAMES)


def test_blocks_are_runs_of_neighbouring_frames():
    for seed in range(5):
        chosen = held_out(FRAMES, "blocks", seed)
        assert len(chosen) == 10
        assert {chosen[0] % 5, chosen[5] % 5} == {0}  # two blocks of five frames
        assert chosen == [*range(chosen[0], chosen[0] + 5), *range(chosen[5], chosen[5] + 5)]


@pytest.mark.parametrize(
    ("paths", "expression"),
    [
        ([f"patient{i % 7:02}_{i}.png" for i in range(35)], r"^(patient\d+)"),
        ([f"patient{i % 7:02}/slice{i}.png" for i in range(35)], r"^(patient\d+)/"),
        ([f"{i}_patient{i % 7:02}.png" for i in range(35)], r"patient\d+"),
    ],
)
def test_no_group_is_in_both_parts(paths, expression):
    chosen = held_out(pairs(*paths), expression)
    inside = {i % 7 for i in chosen}
    assert len(chosen) == 5 * len(inside)
    assert 5 <= len(chosen) <= 10


def test_one_large_group_is_left_for_training():
    everything = pairs(*["a_1.png"], *(f"b_{i}.png" for i in range(19)))
    for seed in range(4):
        assert len(held_out(everything, "^(.)_", seed)) in (1, 19)


@pytest.mark.parametrize(
    ("count", "how", "sentence"),
    [
        (4, "random", "there are 4 pairs; give at least 5"),
        (50, "(", "is not a regular expression"),
        (50, "patient", "finds no group in 50 of 50 names: 000.png"),
        (50, "png", "all 50 pairs belong to the group 'png'"),
    ],
)
def test_a_split_that_cannot_be_made(count, how, sentence):
    with pytest.raises(DataError) as error:
        held_out(FRAMES[:count], how)
    assert sentence in str(error.value)


def test_a_written_split_is_read_again(tmp_path):
    write_split(tmp_path / "split.csv", FRAMES[:3], FRAMES[3:5])
    assert has_splits(tmp_path / "split.csv")
    assert pairs_from_csv(tmp_path / "split.csv", split="val") == FRAMES[3:5]
    (tmp_path / "plain.csv").write_text("image,mask\na,b\n")
    assert not has_splits(tmp_path / "plain.csv")
    (tmp_path / "odd.csv").write_text("image,mask,split\na,b,test\n")
    with pytest.raises(DataError, match="holds test; expected train and val"):
        has_splits(tmp_path / "odd.csv")
