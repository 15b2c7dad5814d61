"""Procedural lesions: reproducible, with each difficulty visible when it is switched on."""

import numpy as np
import pytest

from segcourse.data.lesions import APPEARANCE, DIFFICULTIES, Lesions, make_lesion
from segcourse.errors import DataError


@pytest.fixture(scope="module")
def bare():
    """Lesions without any difficulty, each painted once for all tests of this file."""
    return Lesions(150, size=64, difficulties=[])


def areas(lesions: Lesions) -> np.ndarray:
    return np.array([lesions.picture(i)[1].mean() for i in range(len(lesions))])


def test_an_item_depends_only_on_the_arguments():
    one, other = Lesions(20, size=32, seed=3), Lesions(20, size=32, seed=3, cache=False)
    first_to_last = [one[i] for i in range(20)]
    last_to_first = [other[i] for i in reversed(range(20))][::-1]
    for a, b in zip(first_to_last, last_to_first, strict=True):
        assert a.name == b.name
        assert a.image.equal(b.image)
        assert a.mask.equal(b.mask)


def test_another_seed_shares_no_image():
    pictures = {Lesions(30, size=32, seed=s).picture(i)[0].tobytes() for s in (0, 1) for i in range(30)}
    assert len(pictures) == 60


def test_images_and_masks_have_the_types_that_every_data_set_has():
    image, mask, _ = Lesions(1, size=(48, 64))[0]
    assert image.shape == (3, 48, 64)
    assert str(image.dtype) == "torch.float32"
    assert mask.shape == (48, 64)
    assert str(mask.dtype) == "torch.int64"
    assert 0 <= image.min() < image.max() <= 1


def test_an_image_looks_the_same_at_any_size():
    """Lengths are in half-widths, so a lesion covers the same fraction of small and large images."""
    small = areas(Lesions(60, size=32, seed=1))
    large = areas(Lesions(60, size=128, seed=1))
    assert abs(np.median(small) - np.median(large)) < 0.06


def test_pigment_absorbs_light():
    """In nearly every image the lesion is darker than the skin, and least so in red: it is brown."""
    darker, browner = 0, 0
    for i in range(60):
        image, mask = Lesions(60, size=64, seed=2, difficulties=[]).picture(i)
        inside, outside = image[mask == 1].mean(0), image[mask == 0].mean(0)
        darker += inside.mean() < outside.mean()
        browner += inside[0] / outside[0] > inside[2] / outside[2]
    assert darker >= 58
    assert browner >= 45


def test_skin_tones_cover_the_range():
    skin = [image[mask == 0].mean() for image, mask in (Lesions(200, size=32).picture(i) for i in range(200))]
    assert np.percentile(skin, 2) < 80
    assert np.percentile(skin, 98) > 190


def test_empty_masks_only_if_requested():
    assert areas(Lesions(150, size=32)).min() > 0
    share = (areas(Lesions(300, size=32, difficulties=["empty masks"])) == 0).mean()
    assert 0.04 < share < 0.14


def test_tiny_lesions_only_if_requested(bare):
    assert (areas(bare) < 0.012).sum() == 0
    assert (areas(Lesions(300, size=64, difficulties=["tiny lesions"])) < 0.02).mean() > 0.03


def test_lesions_cut_by_the_frame_touch_it():
    def on_border(lesions):
        return np.mean(
            [np.r_[m[0], m[-1], m[:, 0], m[:, -1]].any() for _, m in map(lesions.picture, range(150))]
        )

    assert on_border(Lesions(150, size=32, difficulties=["cut by the frame"])) > on_border(
        Lesions(150, size=32, difficulties=[])
    )


def test_label_noise_moves_the_outline_of_the_listed_masks_and_of_no_other(bare):
    noisy = Lesions(100, size=64, difficulties=["label noise"])
    moved = [i for i in range(100) if (bare.picture(i)[1] != noisy.picture(i)[1]).any()]
    assert moved == noisy.noisy
    assert 8 <= len(moved) <= 35


def test_a_generous_outline_only_adds_to_the_mask(bare):
    generous = Lesions(100, size=64, difficulties=["generous outlines"])
    pairs = [(bare.picture(i), generous.picture(i)) for i in range(100)]
    assert all((image == same).all() and (mask <= wider).all() for (image, mask), (same, wider) in pairs)
    assert 25 <= sum((mask < wider).any() for (_, mask), (_, wider) in pairs) <= 55


def test_wrong_pairs_have_the_next_images_mask():
    clean, wrong = (Lesions(100, size=32, difficulties=d) for d in ([], ["wrong pairs"]))
    assert 1 <= len(wrong.swapped) <= 15
    for i in range(100):
        expected = clean[(i + 1) % 100].mask if i in wrong.swapped else clean[i].mask
        assert wrong[i].mask.equal(expected)


def test_images_of_one_patient_are_similar():
    lesions = Lesions(90, size=32, seed=5, difficulties=["patients"])
    assert lesions.patients[:7] == [0, 0, 0, 1, 1, 1, 2]
    skin = np.array([np.median(image[mask == 0], 0) for image, mask in map(lesions.picture, range(90))])
    within = np.linalg.norm(skin[0::3] - skin[1::3], axis=1).mean()
    between = np.linalg.norm(skin[0:-3:3] - skin[3::3], axis=1).mean()
    assert within < 0.75 * between


@pytest.mark.parametrize(
    ("name", "most"),  # largest fraction of an image that it may change
    [
        *[("hairs", 0.6), ("rulers", 0.2), ("bubbles", 0.9), ("ink", 0.3), ("stickers", 0.6)],
        *[("dark corners", 1), ("blur", 1), ("uneven light", 1), ("pale spots", 1)],
        *[("mottled skin", 1), ("contact disc", 1), ("pen marks", 0.6)],
    ],
)
def test_an_artefact_changes_its_own_pixels_and_no_mask(bare, name, most):
    covered = Lesions(60, size=64, difficulties=[name])
    touched = []
    for (image, mask), (other, same) in zip(
        map(bare.picture, range(60)), map(covered.picture, range(60)), strict=True
    ):
        assert (mask == same).all()
        touched.append((image != other).any(2).mean())
    assert 0.02 < np.mean(np.array(touched) > 0) < 0.9
    assert 0 < max(touched) <= most


def test_all_names_can_be_switched_on():
    everything = Lesions(1, size=32, difficulties="all")
    assert everything.difficulties == DIFFICULTIES.keys()
    assert Lesions(1, size=32).difficulties == APPEARANCE.keys()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"count": 0}, "a count of at least 1"),
        ({"count": 5, "size": 8}, "at least 16 × 16 pixels"),
        ({"count": 5, "difficulties": ["hair"]}, r"\['hair'\] are not difficulties"),
        ({"count": 5, "difficulties": "hair"}, "choose from hairs"),
    ],
)
def test_bad_arguments_are_explained(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        Lesions(**arguments)


def test_an_index_out_of_range_ends_iteration():
    assert len(list(Lesions(3, size=32))) == 3
    assert Lesions(3, size=32)[-1].name == "lesion-0-00002"


def test_one_image_without_a_data_set():
    image, mask = make_lesion(np.random.default_rng(0), size=40)
    assert image.shape == (40, 40, 3)
    assert set(np.unique(mask)) <= {0, 1}
