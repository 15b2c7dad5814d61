"""Scores: values by hand, properties, and comparisons with wrong implementations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcourse import counting
from segcourse.errors import DataError
from segcourse.metrics import (
    Scores,
    confusion_matrix,
    dice_per_class,
    dice_score,
    iou_per_class,
    iou_score,
    mean_dice,
    mean_iou,
    pixel_accuracy,
    threshold_jaccard,
)

nan = math.nan


def close(got, wanted):
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=0, atol=1e-12)


@st.composite
def masks(draw, num_classes=4):
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    target = rng.integers(0, num_classes, shape)
    target[rng.random(shape) < 0.2] = 255
    return rng.integers(0, num_classes, shape), target


@pytest.mark.parametrize(("prediction", "target", "wanted"), [
    ([[0, 0], [1, 1]], [[0, 0], [1, 1]], [[2, 0], [0, 2]]),
    ([[0, 1], [1, 1]], [[0, 0], [1, 1]], [[1, 1], [0, 2]]),  # a false alarm: row 0, column 1
    ([[0, 0], [0, 1]], [[0, 0], [1, 1]], [[2, 0], [1, 1]]),  # a miss
    ([[0, 0], [1, 1]], [[255, 0], [1, 255]], [[1, 0], [0, 1]]),
    ([[255, -7], [1, 1]], [[255, 255], [1, 1]], [[0, 0], [0, 2]]),  # whatever is predicted there
    ([[0]], [[255]], [[0, 0], [0, 0]]),
])  # fmt: skip
def test_confusion_matrix_by_hand(prediction, target, wanted):
    matrix = confusion_matrix(np.array(prediction), np.array(target), num_classes=2)
    assert matrix.tolist() == wanted
    assert matrix.dtype == torch.int64


@given(masks())
def test_confusion_matrix_counts_each_labelled_pixel_once_in_its_place(pair):
    prediction, target = pair
    matrix = confusion_matrix(prediction, target, 4)
    for truth in range(4):
        for guess in range(4):
            assert matrix[truth, guess] == ((target == truth) & (prediction == guess)).sum()


@given(masks(), st.integers(1, 7))
@settings(max_examples=20)
def test_counting_in_blocks_changes_nothing(pair, block):
    whole = confusion_matrix(*pair, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "BLOCK", block)
        assert torch.equal(confusion_matrix(*pair, 4), whole)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64]
)
def test_every_integer_type_gives_the_same_counts(dtype):
    prediction, target = np.array([[0, 1, 2]]), np.array([[0, 2, 2]])
    wanted = [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert confusion_matrix(prediction.astype(dtype), target.astype(dtype), 3).tolist() == wanted
    assert confusion_matrix(torch.from_numpy(prediction), target.astype(dtype), 3).tolist() == wanted


def test_uint8_pairs_do_not_overflow():
    prediction = torch.full((2, 2), 20, dtype=torch.uint8)
    wrong = prediction * 21 + prediction  # 440 wraps to 184: truth 8, prediction 16
    assert wrong.unique().tolist() == [184]
    assert confusion_matrix(prediction, prediction, 21)[20, 20] == 4


def test_bool_masks_reversed_views_and_300_classes():
    mask = np.array([[True, False]])
    assert confusion_matrix(mask[:, ::-1], mask, 2).tolist() == [[0, 1], [1, 0]]
    assert confusion_matrix(np.array([299]), np.array([298]), 300, ignore_index=-1)[298, 299] == 1


def test_another_ignore_index():
    target = np.array([[0, 1], [-100, 2]])
    wanted = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert confusion_matrix(np.array([[0, 1], [1, 2]]), target, 3, ignore_index=-100).tolist() == wanted
    # -100 is no uint8: there it would wrap to 156, and label 156 must not vanish silently
    with pytest.raises(DataError, match="holds 156"):
        confusion_matrix(np.uint8([[0, 1]]), np.uint8([[156, 1]]), 3, ignore_index=-100)
    # ignoring a class: its pixels leave, a false alarm for it stays
    assert confusion_matrix(np.array([0, 1, 0]), np.array([0, 1, 1]), 2, ignore_index=0).tolist() == [
        [0, 0],
        [1, 1],
    ]


@pytest.mark.parametrize(("prediction", "target", "says"), [
    ([[0, 2]], [[0, 1]], "prediction holds 2; with 2 classes, ids are 0..1"),
    ([[0, 1]], [[0, 3]], "target holds 3"),
    ([[0, 255]], [[0, 1]], "prediction holds 255"),
    ([[0, -1]], [[0, 1]], "prediction holds -1;"),
    ([[0, 1]], [[0, -1]], "target holds -1;"),
    ([[0, 2**32]], [[0, 1]], "prediction holds 4294967296;"),  # as int32 this would be class 0
    ([[0, 1]], [[0], [1]], r"\(1, 2\) and the target \(2, 1\)"),
    ([[0.0, 1.0]], [[0, 1]], "prediction is torch.float64"),
])  # fmt: skip
def test_wrong_masks_are_explained(prediction, target, says):
    with pytest.raises(DataError, match=says):
        confusion_matrix(np.array(prediction), np.array(target), num_classes=2)


def test_ignored_pixels_are_removed_from_prediction_and_target():
    prediction, target = np.array([1, 1, 1, 0]), np.array([1, 255, 255, 0])
    # the wrong way masks the target only: the predicted area keeps the ignored pixels
    in_prediction, in_target = prediction == 1, target == 1
    wrong = 2 * (in_prediction & in_target).sum() / (in_prediction.sum() + in_target.sum())
    assert wrong == 0.5
    assert dice_score(prediction[None], target[None]) == 1
    assert mean_iou(confusion_matrix(prediction, target, 2)) == 1


@given(masks())
def test_scores_do_not_depend_on_what_was_predicted_at_ignored_pixels(pair):
    prediction, target = pair
    other = np.where(target == 255, 255, prediction)
    assert torch.equal(confusion_matrix(prediction, target, 4), confusion_matrix(other, target, 4))
    ours = dice_score(prediction == 1, np.where(target == 255, 255, target == 1))
    assert torch.equal(
        ours.nan_to_num(-1), dice_score(other == 1, np.where(target == 255, 255, target == 1)).nan_to_num(-1)
    )


@pytest.mark.parametrize(("matrix", "iou", "dice"), [
    ([[3, 1], [1, 3]], [3 / 5, 3 / 5], [6 / 8, 6 / 8]),
    ([[4, 0], [0, 0]], [1, nan], [1, nan]),
    ([[3, 1], [0, 0]], [3 / 4, 0], [6 / 7, 0]),  # absent from the truth, predicted: 0, not NaN
    ([[0, 0], [0, 0]], [nan, nan], [nan, nan]),
])  # fmt: skip
def test_scores_per_class_by_hand(matrix, iou, dice):
    close(iou_per_class(torch.tensor(matrix)), iou)
    close(dice_per_class(np.array(matrix)), dice)


def test_absent_classes_are_nan_and_neither_0_nor_1():
    matrix = confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), num_classes=3)
    iou = iou_per_class(matrix)  # 2/3, 1/2, nothing to score
    as_zero, as_one = iou.nan_to_num(0).mean(), iou.nan_to_num(1).mean()
    close([as_zero, as_one], [7 / 18, 13 / 18])  # two wrong answers, far apart
    close(mean_iou(matrix), 7 / 12)
    close(mean_iou(confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), 2)), 7 / 12)


def test_nothing_to_score_at_all_is_nan():
    empty = torch.zeros(3, 3, dtype=torch.int64)
    for score in (mean_iou, mean_dice, pixel_accuracy):
        assert score(empty).isnan()


@given(masks())
def test_dice_and_iou_are_functions_of_each_other(pair):
    matrix = confusion_matrix(*pair, 4)
    iou, dice = iou_per_class(matrix), dice_per_class(matrix)
    close(dice, 2 * iou / (1 + iou))
    close(dice_per_class(matrix.T), dice)  # swapping truth and prediction changes neither
    close(iou_per_class(matrix.T), iou)
    if matrix.sum():
        accuracy = pixel_accuracy(matrix)
        total = matrix.trace().double() / (2 * matrix.sum() - matrix.trace())  # all classes in one sum
        close(total, accuracy / (2 - accuracy))


def test_99_percent_pixel_accuracy_with_nothing_found():
    target = np.zeros((10, 10), np.uint8)
    target[0, 0] = 1
    matrix = confusion_matrix(np.zeros_like(target), target, 2)
    assert pixel_accuracy(matrix) == 0.99
    close(dice_per_class(matrix)[1], 0)


def test_counts_beyond_float32_stay_exact():
    count = 2**24 + 1  # float32 cannot hold it
    matrix = torch.tensor([[0, 0], [1, count]])
    assert torch.tensor(count).float().item() != count
    assert iou_per_class(matrix)[1].item() == count / (count + 1)


@pytest.mark.parametrize(("prediction", "target", "dice", "iou"), [
    ([[1, 1, 0, 0]], [[1, 0, 0, 0]], 2 / 3, 1 / 2),
    ([[1, 1, 1, 1]], [[1, 1, 1, 1]], 1, 1),
    ([[0, 0, 1, 1]], [[1, 1, 0, 0]], 0, 0),
    ([[0, 0, 0, 0]], [[0, 0, 0, 0]], nan, nan),  # two empty masks
    ([[0, 0, 0, 0]], [[1, 0, 0, 0]], 0, 0),
    ([[1, 0, 0, 0]], [[0, 0, 0, 0]], 0, 0),
    ([[1, 1, 0, 0]], [[255, 1, 0, 0]], 1, 1),
    ([[1, 1, 1, 1]], [[255, 255, 255, 255]], nan, nan),
])  # fmt: skip
def test_dice_and_iou_by_hand(prediction, target, dice, iou):
    close(dice_score(np.array(prediction), np.array(target)), dice)
    close(iou_score(torch.tensor(prediction), torch.tensor(target)), iou)


def test_one_score_for_each_image_whatever_the_leading_shape():
    prediction = torch.tensor([1, 1, 0, 0]).expand(2, 3, 1, 4)
    target = torch.tensor([1, 0, 0, 0]).expand(2, 3, 1, 4)
    close(dice_score(prediction, target), np.full((2, 3), 2 / 3))
    assert dice_score(prediction[0, 0], target[0, 0]).shape == ()
    assert dice_score(prediction.bool(), target.bool()).dtype == torch.float64


def test_empty_masks_are_left_out_of_means():
    prediction = np.zeros((2, 1, 4), int)
    prediction[1] = [1, 1, 0, 0]
    target = np.zeros((2, 1, 4), int)
    target[1] = [1, 0, 0, 0]
    scores = dice_score(prediction, target)
    smoothed = [(2 * 0 + 1) / (0 + 1), (2 * 1 + 1) / (3 + 1)]  # the usual "+1" calls nothing a success
    close(np.mean(smoothed), 0.875)
    close(scores.nanmean(), 2 / 3)


def test_areas_are_not_summed_in_half_precision():
    mask = torch.ones(1, 300, 300, dtype=torch.int64)
    assert mask.half().sum().isinf()  # 90,000 > 65,504
    count = torch.zeros((), dtype=torch.bfloat16)
    for _ in range(300):
        count += 1
    assert count == 256  # counting in bfloat16 stalls: 257 has no place there
    assert dice_score(mask, mask) == 1
    half = mask.clone()
    half[:, :150] = 0
    close(dice_score(half, mask), [2 / 3])


def test_foreground_masks_of_0_and_255_are_explained():
    mask = np.array([[0, 255]], np.uint8)
    with pytest.raises(DataError, match=r"prediction holds 0\.\.255.*mask // 255"):
        dice_score(mask, mask // 255)
    with pytest.raises(DataError, match=r"target holds 0\.\.2.*mask == k"):
        dice_score(np.array([[0, 1]]), np.array([[0, 2]]))
    with pytest.raises(DataError, match=r"holds 1\.\.156"):  # as uint8, -100 equals 156
        dice_score(np.uint8([[0, 1]]), np.uint8([[156, 1]]), ignore_index=-100)


def test_threshold_jaccard_by_hand():
    target = np.ones((3, 1, 100), int)
    prediction = np.zeros_like(target)
    for image, pixels in enumerate((65, 64, 100)):
        prediction[image, 0, :pixels] = 1  # Jaccard 0.65 (just enough), 0.64, 1
    close(threshold_jaccard(prediction, target), (0.65 + 0 + 1) / 3)
    close(threshold_jaccard(prediction, target, threshold=0.7), 1 / 3)
    # the wrong way thresholds the mean, or leaves the failures out
    plain = iou_score(prediction, target)
    assert plain.mean() > 0.65
    close(plain[plain >= 0.65].mean(), 0.825)


def test_threshold_jaccard_leaves_out_empty_images_and_takes_one_image():
    empty, full = np.zeros((1, 2), int), np.ones((1, 2), int)
    close(threshold_jaccard(np.stack([empty, full]), np.stack([empty, full])), 1)
    close(threshold_jaccard(full, full), 1)
    assert threshold_jaccard(empty, empty).isnan()


LARGE = np.array([[1] * 8 + [0] * 2])  # found whole
SMALL = np.array([[1] * 2 + [0] * 8])  # missed


def test_per_image_and_per_data_set_are_two_numbers():
    scores = Scores(2)
    scores.update(np.stack([LARGE, np.zeros_like(SMALL)]), np.stack([LARGE, SMALL]), ["large", "small"])
    result = scores.compute()
    close(result["dice_per_image"], 0.5)
    close(result["dice_per_dataset"], 2 * 8 / (8 + 10))  # the large lesion hides the small one
    close(result["jaccard_per_image"], 0.5)
    close(result["iou_per_dataset"], 8 / 10)
    close(result["threshold_jaccard"], 0.5)
    close(result["mean_iou"], (8 / 10 + 10 / 12) / 2)
    close(result["iou_per_class"], [10 / 12, 8 / 10])
    close(result["pixel_accuracy"], 18 / 20)
    assert result["images"] == 2
    assert scores.per_image == [
        {"name": "large", "dice": 1.0, "iou": 1.0},
        {"name": "small", "dice": 0.0, "iou": 0.0},
    ]


@given(masks(), st.integers(0, 3))
@settings(max_examples=30)
def test_batches_of_any_size_and_merged_parts_give_the_same_scores(pair, cut):
    prediction, target = pair
    whole, first, second = Scores(4), Scores(4), Scores(4)
    names = [f"image {i}" for i in range(len(target))]
    whole.update(prediction, target)
    first.update(prediction[:cut], target[:cut], names[:cut])
    second.update(prediction[cut:], target[cut:], names[cut:])
    first.merge(second)
    assert repr(first.per_image) == repr(whole.per_image)  # repr, because NaN is not equal to itself
    assert repr(first.compute()) == repr(whole.compute())


def test_more_than_two_classes_average_over_those_that_occur():
    target, prediction = np.array([[[0, 0, 1, 1]]]), np.array([[[0, 0, 1, 0]]])
    scores = Scores(3)
    scores.update(torch.from_numpy(prediction), torch.from_numpy(target))
    close(scores.compute()["jaccard_per_image"], (2 / 3 + 1 / 2) / 2)
    close(scores.compute()["iou_per_class"], [2 / 3, 1 / 2, nan])
    assert scores.per_image[0]["name"] == "image 0"


def test_foreground_scores_equal_the_pure_functions():
    rng = np.random.default_rng(0)
    prediction, target = rng.integers(0, 2, (5, 6, 7)), rng.integers(0, 2, (5, 6, 7))
    target[rng.random(target.shape) < 0.1] = 255
    scores = Scores(2)
    scores.update(prediction, target)
    result = scores.compute(threshold=0.3)
    close(result["dice_per_image"], dice_score(prediction, target).mean())
    close(result["threshold_jaccard"], threshold_jaccard(prediction, target, threshold=0.3))


def test_scores_refuse_inputs_that_do_not_match():
    with pytest.raises(DataError, match="21 classes"):
        Scores(2).merge(Scores(21))
    with pytest.raises(DataError, match="2 predictions, 2 targets and 1 names"):
        Scores(2).update(np.zeros((2, 1, 1), int), np.zeros((2, 1, 1), int), ["one"])


def test_an_empty_data_set_has_nan_scores_and_no_images():
    result = Scores(2).compute()
    assert result["images"] == 0
    assert math.isnan(result["dice_per_image"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scores_on_a_gpu_equal_those_on_the_cpu():
    rng = np.random.default_rng(0)
    prediction, target = rng.integers(0, 21, (2, 600, 600)), rng.integers(0, 21, (2, 600, 600))
    target[rng.random(target.shape) < 0.1] = 255
    on_gpu = confusion_matrix(
        torch.tensor(prediction, device="cuda"), torch.tensor(target, device="cuda"), 21
    )
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), confusion_matrix(prediction, target, 21))
    close(mean_iou(on_gpu), mean_iou(on_gpu.cpu()))


@pytest.fixture
def three_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


def test_a_large_batch_counted_in_threads_gives_the_same_matrix(three_threads):
    """1,080,000 pixels are worth three threads, and are no multiple of the block size."""
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randint(0, 5, (3, 600, 600), generator=generator)
    target = torch.randint(0, 5, (3, 600, 600), generator=generator)
    target[0, :7] = 255
    assert len(counting.parts(prediction, target)) == 3
    kept = target != 255
    expected = torch.bincount(target[kept] * 5 + prediction[kept], minlength=25).reshape(5, 5)
    assert confusion_matrix(prediction, target, 5).equal(expected)


@pytest.mark.parametrize("name", ["prediction", "target"])
def test_an_unknown_id_is_reported_from_any_thread(three_threads, name):
    masks = {"prediction": torch.zeros(3, 600, 600).long(), "target": torch.zeros(3, 600, 600).long()}
    masks[name][2, -1, -1] = 7
    with pytest.raises(DataError, match=f"the {name} holds 7"):
        confusion_matrix(**masks, num_classes=2)
