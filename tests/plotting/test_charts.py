"""Charts show their numbers, axis labels and alt text."""

import numpy as np
import pytest
import torch

from segcourse.errors import DataError
from segcourse.plotting.charts import ladder_chart, plot_history, show_bars, show_curves, show_matrix

NAN = float("nan")
ROWS = [
    {"epoch": 1, "train_loss": 1.0, "val_loss": 0.9, "dice_per_image": 0.5, "mean_iou": 0.4},
    {"epoch": 2, "train_loss": 0.5, "val_loss": 0.6, "dice_per_image": 0.8, "mean_iou": 0.7},
    {"epoch": 3, "train_loss": 0.3, "val_loss": 0.7, "dice_per_image": 0.7, "mean_iou": 0.6},
]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_history_draws_each_column_and_marks_the_best():
    figure = plot_history(ROWS)
    loss, score = figure.axes
    assert list(loss.lines[0].get_ydata()) == [1.0, 0.5, 0.3]
    assert list(score.lines[0].get_ydata()) == [0.5, 0.8, 0.7]
    assert texts(loss) == ["best 0.600"]
    assert texts(score) == ["best 0.800"]
    assert (loss.get_xlabel(), score.get_ylabel()) == ("epoch", "score (0 to 1)")
    assert "Dice, per image from 0.500 to 0.700, best 0.800 in epoch 2" in figure.alt


def test_history_without_validation_has_one_side():
    class History:
        rows = ({"epoch": 1, "train_loss": 0.5, "val_loss": None, "dice_per_image": NAN},)

    figure = plot_history(History())
    assert len(figure.axes) == 1
    low, high = figure.axes[0].get_xlim()
    assert low < 1 < high
    assert (
        figure.alt
        == "Learning curves over 1 epoch(s): training loss from 0.500 to 0.500, best 0.500 in epoch 1."
    )


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "seconds": 3}]])
def test_history_with_nothing_to_draw_is_refused(rows):
    with pytest.raises(DataError, match="history"):
        plot_history(rows)


def test_ladder_gives_median_middle_half_and_number():
    figure = ladder_chart([("Otsu", [0.0, 0.2, 0.4, 0.6, 0.8]), ("U-Net", torch.tensor([0.9, NAN, 0.7]))])
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["Otsu  (n = 5)", "U-Net  (n = 2)"]
    box = axes.patches[-2]
    assert (box.get_x(), box.get_width()) == (pytest.approx(0.2), pytest.approx(0.4))
    assert "0.40" in texts(axes)
    assert "0.80" in texts(axes)
    assert "Otsu: median 0.40, middle half 0.20 to 0.60, 5 image(s)" in figure.alt


def test_ladder_shows_how_far_people_agree_with_its_source():
    figure = ladder_chart({"U-Net": [0.8]})
    band = figure.axes[0].patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == (pytest.approx(0.75), pytest.approx(0.92))
    assert figure.axes[0].lines[0].get_xdata()[0] == 0.86
    assert "mean Dice 0.79, median 0.86, middle half 0.75 to 0.92 (IMA++, arXiv 2512.21472)" in figure.alt
    assert "IMA++, arXiv 2512.21472" in figure.get_supxlabel()
    assert "may be harder" in figure.get_supxlabel()
    assert "IMA++" not in ladder_chart({"U-Net": [0.8]}, people=False).alt


def test_ladder_points_are_the_scores():
    scores = np.linspace(0.2, 0.9, 30)
    (axes,) = ladder_chart({"U-Net": scores}).axes
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 0], scores)


@pytest.mark.parametrize(
    ("rows", "says"),
    [({}, "at least one"), ({"a": [NAN]}, "not NaN"), ({"a": [87.0]}, "Divide percentages by 100")],
)
def test_ladder_refuses_scores_that_are_not_dice(rows, says):
    with pytest.raises(DataError, match=says):
        ladder_chart(rows)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({"a": 0.01, "b": NAN}, None),
        ([0.01, NAN], ["a", "b"]),
        (torch.tensor([0.01, NAN], requires_grad=True), ["a", "b"]),
    ],
)
def test_bars_have_labels_values_and_alt_text(values, labels):
    figure = show_bars(values, labels, xlabel="loss", alt="two bars")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert texts(axes) == ["0.01", "–"]
    assert (axes.get_xlabel(), figure.alt) == ("loss", "two bars")


def test_bars_with_equal_labels_stay_apart():
    assert len({bar.get_y() for bar in show_bars([1, 2], ["x", "x"], alt="two").axes[0].patches}) == 2


@pytest.mark.parametrize(("values", "labels"), [([], None), ([1.0], ["a", "b"])])
def test_bars_refuse_a_wrong_number_of_labels(values, labels):
    with pytest.raises(DataError, match="label"):
        show_bars(values, labels, alt="none")


def test_bars_tell_their_values_by_themselves():
    assert show_bars({"A": 0.5, "B": NAN}, xlabel="Dice").alt == "Bars, Dice. A: 0.5, B: –."


def test_curves_of_one_label_share_its_style_and_its_place_in_the_legend():
    figure = show_curves(
        {"Dice": [[0.1, 0.5], [0.2, 0.4]], "focal": [0.3, 0.6]}, xlabel="epoch", ylabel="validation Dice"
    )
    (axes,) = figure.axes
    one, two, other = axes.lines
    assert (one.get_color(), one.get_linestyle()) == (two.get_color(), two.get_linestyle())
    assert one.get_color() != other.get_color()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Dice", "focal"]
    assert figure.alt == (
        "validation Dice against epoch. Dice from 0.10 … 0.20 to 0.40 … 0.50; focal from 0.30 to 0.60."
    )


def test_curves_refuse_what_does_not_fit():
    with pytest.raises(DataError, match="2 numbers and x has 3"):
        show_curves({"a": [1.0, 2.0]}, [1, 2, 3], xlabel="x", ylabel="y")
    with pytest.raises(DataError, match="no curve"):
        show_curves({}, xlabel="x", ylabel="y")


def test_a_matrix_shows_counts_and_the_share_of_each_row():
    figure = show_matrix([[3, 1], [0, 0]], ["skin", "lesion"], title="B")
    assert texts(figure.axes[0]) == ["3\n75% of row", "1\n25% of row", "0\n0% of row", "0\n0% of row"]
    assert figure.alt == (
        "B: confusion matrix. true skin: 3 called skin, 1 called lesion; "
        "true lesion: 0 called skin, 0 called lesion."
    )


@pytest.mark.parametrize(("matrix", "names"), [([[1, 2]], None), ([[1, 0], [0, 1]], ["one"])])
def test_a_matrix_of_another_shape_is_refused(matrix, names):
    with pytest.raises(DataError, match=r"confusion matrix is C×C|one name per class"):
        show_matrix(matrix, names)
