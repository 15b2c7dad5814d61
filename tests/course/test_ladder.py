"""The ladder's held-out lesions, and shipped results that belong to the code of today."""

import numpy as np
import pytest
import torch

from segcourse import dice_score
from segcourse.classical import otsu
from segcourse.course import ladder
from segcourse.errors import DataError


@pytest.fixture(scope="module")
def pictures():
    return ladder.pictures()


def test_held_out_lesions_are_the_same_for_all_lessons(pictures):
    assert (len(pictures.train), len(pictures.val), len(pictures.test), len(pictures.tiny)) == (
        400,
        60,
        120,
        50,
    )
    assert min(sample.mask.float().mean() for sample in pictures.test) >= ladder.TINY
    assert max(sample.mask.float().mean() for sample in pictures.tiny) < ladder.TINY


def test_the_shipped_table_is_what_the_threshold_gives_today(pictures):
    """A changed generator, threshold or score makes the shipped results stale; run `ladder` again then."""
    today = [dice_score(otsu(image), mask).item() for image, mask, _ in pictures.test]
    np.testing.assert_allclose(ladder.results()["Otsu's threshold"], today, atol=1e-4)


def test_photographs_have_a_table_of_their_own():
    drawn, photographs = ladder.results(), ladder.results("photographs.csv")
    assert set(photographs) == set(ladder.RUNGS) | {name for name in drawn if name not in ladder.VARIANTS}
    assert {len(scores) for scores in photographs.values()} == {120}
    assert "Otsu's threshold" in ladder.show_photographs().alt


def test_held_out_photographs_are_of_the_other_split():
    try:
        train, val, test, tiny = ladder.photographs()
    except DataError as missing:
        pytest.skip(str(missing))
    assert (len(train), len(val), len(test), len(tiny)) == (400, 60, 120, 0)
    learned = {train[i][2] for i in range(400)} | {val[i][2] for i in range(60)}
    assert len(learned) == 460
    assert learned.isdisjoint(sample.name for sample in test)
    today = [dice_score(otsu(sample.image), sample.mask).item() for sample in test]
    np.testing.assert_allclose(ladder.results("photographs.csv")["Otsu's threshold"], today, atol=1e-4)


def test_classical_methods_give_one_mask_per_picture_and_repeat_themselves(pictures):
    train = [pictures.train[i] for i in range(10)]
    one, other = (ladder.classical_masks(train, pictures.test[:3]) for _ in range(2))
    assert [*one] == ["Otsu's threshold", "region growing", "k-means", "GrabCut", "random forest"]
    for name, masks in one.items():
        assert masks.shape == (3, 64, 64)
        assert masks.unique().tolist() == [0, 1], name
        assert torch.equal(masks, other[name]), name


def test_shipped_results_hold_every_variant_and_ten_starts():
    rows = ladder.starts()
    assert {row["variant"] for row in rows} == set(ladder.VARIANTS)
    assert len(rows) == 10 * len(ladder.VARIANTS)
    for row in rows:
        assert 0 <= row["missed"] <= 50
        assert all(0 <= row[score] <= 1 for score in ("ordinary", "tiny", "smallest", "middle", "largest"))
    per_image = {name: scores.mean() for name, scores in ladder.results().items()}
    for name, starts in ladder.spread("ordinary", "U-Net", "U-Net without skips").items():
        assert per_image[name] == pytest.approx(np.mean(starts), abs=1e-3)


def test_thirds_are_sorted_by_area():
    masks = torch.stack([(torch.arange(16) < count).reshape(4, 4) for count in (9, 1, 5)]).long()
    assert {name: one.tolist() for name, one in ladder.thirds(masks).items()} == {
        "smallest": [1],
        "middle": [2],
        "largest": [0],
    }


def test_yours_stand_below_the_shipped_methods():
    figure = ladder.show({"yours": torch.full((120,), 0.5)}, "U-Net")
    assert "U-Net: median" in figure.alt
    assert "yours: median 0.50" in figure.alt
    assert "Otsu" not in figure.alt
