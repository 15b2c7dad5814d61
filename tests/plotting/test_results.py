"""`show_results`: panels, titles and alt text, for every format."""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from segcourse.errors import DataError
from segcourse.metrics import dice_score, iou_score
from segcourse.palette import Palette
from segcourse.plotting.arrays import error_map, outline, overlay
from segcourse.plotting.display import figure_html
from segcourse.plotting.results import show_image, show_results

IMAGE = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
TRUE = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]], dtype=np.uint8
)
PRED = np.roll(TRUE, 1, axis=1)  # shares 4 of 6 and 6 pixels: Dice 8/12, IoU 4/8


def panels(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def titles(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_four_panels_with_scores_in_the_title():
    figure = show_results(IMAGE, TRUE, PRED)
    expected = [IMAGE, outline(IMAGE, TRUE), outline(IMAGE, PRED), error_map(TRUE, PRED)]
    for panel, picture in zip(panels(figure), expected, strict=True):
        np.testing.assert_array_equal(panel, picture)
    assert titles(figure) == ["image 1", "truth", "prediction", "Dice 0.67 · IoU 0.50"]
    assert legend(figure) == ["foreground", "true positive", "false positive", "false negative"]
    assert "image 1: Dice 0.67 · IoU 0.50" in figure.alt


def test_an_opacity_asks_for_filled_masks():
    figure = show_results(IMAGE, TRUE, alpha=0.3)
    np.testing.assert_array_equal(panels(figure)[1], overlay(IMAGE, TRUE, alpha=0.3))


def test_zoom_shows_the_part_around_the_masks_and_keeps_the_scores():
    image = np.zeros((100, 80, 3), dtype=np.uint8)
    true, pred = np.zeros((2, 100, 80), dtype=np.uint8)
    true[90:95, 10:14], pred[88:93, 10:14] = 1, 1
    figure = show_results(image, true, pred, zoom=True)
    assert panels(figure)[0].shape == (24, 24, 3)
    np.testing.assert_array_equal(panels(figure)[3], error_map(true, pred)[76:100, 0:24])
    assert titles(figure)[3] == "Dice 0.60 · IoU 0.43"
    assert panels(show_results(image, 0 * true, zoom=True))[0].shape == (100, 80, 3)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


UNIT = tensor(np.moveaxis(IMAGE, -1, 0)).float() / 255
LOGITS = torch.stack([tensor(1 - PRED), tensor(PRED)]).float() * 4 - 2
FORMATS = {
    "arrays 0/255": (IMAGE, TRUE * 255, PRED * 255),
    "tensors N": (UNIT[None], tensor(TRUE)[None].long(), LOGITS[None]),
    "half, with a graph": (UNIT.half(), tensor(TRUE).bool(), LOGITS.half().requires_grad_()),
    "lists": ([IMAGE / 255], [TRUE.astype(float)], [PRED[None]]),
    "one-hot": (IMAGE, np.stack([TRUE == 0, TRUE == 1]), np.stack([PRED == 0, PRED == 1])),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_picture(name):
    expected, figure = show_results(IMAGE, TRUE, PRED), show_results(*FORMATS[name])
    for panel, picture in zip(panels(figure), panels(expected), strict=True):
        np.testing.assert_array_equal(panel, picture)
    assert titles(figure) == titles(expected)
    assert figure.alt == expected.alt


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_tensors_on_a_gpu_give_the_same_picture():
    figure = show_results(UNIT.cuda(), tensor(TRUE).cuda(), LOGITS.cuda().bfloat16())
    for panel, picture in zip(panels(figure), panels(show_results(IMAGE, TRUE, PRED)), strict=True):
        np.testing.assert_array_equal(panel, picture)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ((), ["image 1"]),
        ((TRUE,), ["image 1", "truth"]),
        ((None, PRED), ["image 1", "prediction"]),
    ],
)
def test_what_is_not_given_has_no_panel(masks, expected):
    assert titles(show_results(IMAGE, *masks)) == expected


@pytest.mark.parametrize(
    ("true", "pred", "title"),
    [
        (TRUE * 0, PRED * 0, "Dice – · IoU –"),  # 0/0: two empty masks
        (TRUE, PRED * 0, "Dice 0.00 · IoU 0.00"),
        (TRUE, TRUE, "Dice 1.00 · IoU 1.00"),
    ],
)
def test_scores_of_empty_and_perfect_masks(true, pred, title):
    assert titles(show_results(IMAGE, true, pred))[-1] == title


def test_scores_are_those_of_metrics():
    true, pred = (np.random.default_rng(2).random((2, 4, 6)) > 0.5).astype(np.uint8)
    title = titles(show_results(IMAGE, true, pred))[-1]
    dice, iou = (float(number) for number in re.findall(r"\d\.\d+", title))
    assert math.isclose(dice, dice_score(pred, true).item(), abs_tol=5e-3)
    assert math.isclose(iou, iou_score(pred, true).item(), abs_tol=5e-3)


def test_many_classes_have_means_names_and_an_ignored_colour():
    true, pred = np.array([[0, 1, 2, 255]]), np.array([[0, 1, 1, 2]])
    figure = show_results(np.zeros((1, 4)), true, pred, names=["road", "car", "sky"])
    assert titles(figure)[-1] == "mean Dice 0.56 · mean IoU 0.50"  # (1 + 2/3 + 0) / 3 and (1 + 1/2 + 0) / 3
    assert legend(figure) == [
        "road",
        "car",
        "sky",
        *(f"map of errors: {name}" for name in ("right", "wrong class", "ignored")),
    ]


def test_more_than_two_classes_are_found_in_the_masks():
    assert legend(show_results(np.zeros((1, 3)), [[0, 1, 3]])) == ["class 0", "class 1", "class 3"]


def test_a_batch_has_one_row_per_image_up_to_max_images():
    figure = show_results([IMAGE] * 3, [TRUE] * 3, [PRED] * 3, titles=["a", "b", "c"], max_images=2)
    assert titles(figure)[::4] == ["a", "b"]
    assert len(panels(figure)) == 8
    assert figure.alt.endswith("1 more not shown.")


def test_images_of_different_shapes_do_not_overlap():
    figure = show_results([IMAGE, IMAGE[:, :2], IMAGE[:1]], [TRUE, TRUE[:, :2], TRUE[:1]])
    boxes = [image.get_extent() for image in figure.axes[0].images]
    for i, (left, right, bottom, top) in enumerate(boxes):
        assert 0 <= left < right <= figure.get_figwidth()
        assert 0 <= bottom < top <= figure.get_figheight()
        for other_left, other_right, other_bottom, other_top in boxes[:i]:
            apart = right <= other_left or other_right <= left or top <= other_bottom or other_top <= bottom
            assert apart
    for (left, right, bottom, top), panel in zip(boxes, panels(figure), strict=True):
        assert math.isclose((top - bottom) / (right - left), panel.shape[0] / panel.shape[1], rel_tol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((IMAGE, TRUE[:2]), "4×6 .height × width. and its true mask is 2×6"),
        ((IMAGE, TRUE, PRED[:, :3]), "its prediction is 4×3"),
        (([IMAGE, IMAGE], [TRUE]), "2 image.s. and 1 true mask"),
        ((IMAGE, TRUE, PRED * 0.4), "threshold"),
    ],
)
def test_inputs_that_do_not_match_are_refused(arguments, says):
    with pytest.raises(DataError, match=says):
        show_results(*arguments)


def test_a_class_outside_the_palette_is_refused():
    with pytest.raises(DataError, match="2 classes"):
        show_results(IMAGE, TRUE * 5, palette=Palette.lesion())
    with pytest.raises(DataError, match="2 classes"):
        show_results(IMAGE, TRUE, PRED * 5, palette=Palette.lesion())


def test_titles_are_counted_and_long_ones_cut():
    with pytest.raises(DataError, match="2 title"):
        show_results(IMAGE, titles=["a", "b"])
    assert len(titles(show_results([IMAGE, IMAGE], titles=["x" * 200, "b"]))[0]) < 40


def test_no_figure_stays_open_and_each_has_alt_text():
    before = plt.get_fignums()
    figure = show_results(IMAGE, TRUE, PRED, alt="a square and its shifted copy")
    assert plt.get_fignums() == before
    assert 'alt="a square and its shifted copy"' in figure_html(figure)


def test_show_image_shows_only_images():
    figure = show_image(UNIT, "noise", alt="coloured noise")
    np.testing.assert_array_equal(panels(figure)[0], IMAGE)
    assert (titles(figure), figure.alt) == (["noise"], "coloured noise")
