"""`check` in a notebook: what its reader sees, and what nbgrader understands."""

import json
import re
from html.parser import HTMLParser

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import segcourse
from segcourse import dice_score, exercises, iou_score
from segcourse.exercises.engine.display import html, text


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, instead of displaying it."""
    replies = []
    monkeypatch.setattr("IPython.display.display", replies.append)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return replies


def stub(prediction, target):
    raise NotImplementedError("Exercise 5.4")


def right(prediction, target):
    prediction, target = prediction.bool(), target.bool()
    areas = (mask.sum(dim=(-2, -1)).double() for mask in (prediction & target, prediction, target))
    both, predicted, true = areas
    return 2 * both / (predicted + true)


def test_a_right_answer_is_shown_and_nothing_raised(shown):
    exercises.check("dice_score", right)
    verdict, groups, then = repr(shown[0]).splitlines()
    assert (verdict, groups) == ("dice_score: 3 of 3 points", "✓ single masks  ✓ empty masks  ✓ batches")
    assert then == "Next: exercise 5.5, threshold_jaccard."
    assert "<p>Next: exercise 5.5, threshold_jaccard.</p>" in shown[0]._repr_html_()


@pytest.mark.parametrize("name", exercises.names())
def test_a_right_answer_is_celebrated_with_a_picture_that_it_made(name, monkeypatch):
    figures = []
    monkeypatch.setattr("segcourse.plotting.display.show_once", lambda figure, bundle: figures.append(figure))
    exercises.get(name).celebrate(exercises.get(name).answer)
    assert len(figures) == 1


def test_demonstrations_use_an_answer_only_if_it_passes(capsys):
    assert exercises.yours("dice_score", right) is right
    assert exercises.yours("dice_score", iou_score) is exercises.get("dice_score").answer
    assert exercises.yours("dice_score", stub) is exercises.get("dice_score").answer
    sentence = "dice_score: the course's own, until yours passes its check"
    assert capsys.readouterr().out.splitlines() == ["dice_score: yours", sentence, sentence]


def test_a_wrong_answer_is_explained_beside_its_smallest_case(shown):
    with pytest.raises(exercises.CheckFailed, match=r"^dice_score: 0 of 3 points$"):
        exercises.check("dice_score", iou_score)
    lines = repr(shown[0]).splitlines()
    assert lines[1] == "✗ single masks  ✗ empty masks  ✗ batches"
    assert lines[2].startswith("What happened: You return intersection over union")
    assert lines[3].endswith("prediction = [[1, 1], [0, 0]], target = [[1, 0], [0, 0]]")
    assert lines[6:] == ["Expected: 0.667", "Yours:    0.500"]


def test_the_case_shown_can_be_pasted(shown):
    with pytest.raises(exercises.CheckFailed):
        exercises.check("dice_score", iou_score)
    build, call = repr(shown[0]).splitlines()[4:6]
    names = {"torch": torch, "dice_score": iou_score}
    exec(build, names)
    assert eval(call, names) == 0.5


def test_a_case_too_large_to_write_down_can_be_fetched(shown):
    class Half(torch.nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.conv = torch.nn.Conv2d(in_channels, out_channels, 5, padding=2)

        def forward(self, x):
            return self.conv(x).relu()

    with pytest.raises(exercises.CheckFailed):
        exercises.check("DoubleConv", Half)
    code = re.search(r"x = segcourse.exercises.inputs\(.*\)", repr(shown[0])).group()
    names = {"segcourse": segcourse}
    exec(code, names)
    assert names["x"].ndim == 4


def test_what_the_answer_prints_is_shown(shown):
    def chatty(prediction, target):
        print("shape", tuple(prediction.shape), "<b>")
        return right(prediction, target) * 2

    with pytest.raises(exercises.CheckFailed):
        exercises.check("dice_score", chatty)
    assert repr(shown[0]).splitlines()[-2:] == ["Your answer printed:", "shape (2, 2) <b>"]
    assert "shape (2, 2) &lt;b&gt;" in shown[0]._repr_html_()


def test_an_answer_that_only_calls_the_library_is_told_to_be_ones_own(shown):
    with pytest.raises(exercises.CheckFailed, match=r"^dice_score: 0 of 3 points"):
        exercises.check("dice_score", dice_score)
    assert "hands the work to segcourse.metrics.dice_score; the exercise asks for your own" in repr(shown[0])
    assert "Expected" not in repr(shown[0])  # no case explains it better


def test_an_untouched_stub_says_so_and_nothing_else(shown):
    exercises.check("dice_score", stub)
    assert repr(shown[0]) == "dice_score: not started yet"
    assert "opacity" in shown[0]._repr_html_()


def test_nbgrader_does_not_take_an_untouched_stub_for_a_success(shown, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(AssertionError, match="not started yet"):
        exercises.check("dice_score", stub)


def test_nbgrader_which_shows_the_error_alone_is_told_what_happened(shown, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(exercises.CheckFailed, match="What happened: You return intersection over union"):
        exercises.check("dice_score", iou_score)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        (
            "dice_score",
            3,
            r'the function itself: check\("dice_score", dice_score\)\. It was given an object of type int',
        ),
        (
            "UNet",
            torch.nn.Identity(),
            r'the class itself: check\("UNet", UNet\)\. It was given an object of type Identity',
        ),
    ],
)
def test_what_is_no_answer_gets_a_sentence(shown, name, given, sentence):
    with pytest.raises(exercises.CheckFailed, match=sentence):
        exercises.check(name, given)
    assert not shown


def test_an_unknown_name_gets_the_nearest(shown):
    with pytest.raises(exercises.UnknownExerciseError, match="did you mean 'dice_score'"):
        exercises.check("dice_scores", dice_score)


def test_in_a_notebook_a_wrong_answer_does_not_stop_run_all(capsys):
    shell = InteractiveShell.instance()
    try:
        result = shell.run_cell(
            "from segcourse import check\ncheck('dice_score', lambda p, t: 1 / 0)", store_history=False
        )
    finally:
        InteractiveShell.clear_instance()
    printed = capsys.readouterr().out
    assert result.success
    assert "Traceback" not in printed
    assert printed.startswith("dice_score: 0 of 3 points")
    assert "ZeroDivisionError: division by zero" in printed


class Elements(HTMLParser):
    """Every tag and its attributes; fails on tags that do not close."""

    def __init__(self, document):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(document)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_masks_are_drawn_with_their_ids_and_a_label():
    elements = Elements(html(exercises.assess("dice_score", iou_score))).seen
    labels = [attributes["aria-label"] for tag, attributes in elements if tag == "table"]
    assert labels == [
        "prediction, class ids row by row: 1 1; 0 0",
        "target, class ids row by row: 1 0; 0 0",
    ]
    assert sum(tag == "td" for tag, _ in elements) == 8


def test_ignored_pixels_are_drawn_grey():
    as_background = exercises.get("confusion_matrix").misconceptions[1]
    drawn = html(exercises.assess("confusion_matrix", as_background.wrong, own=False))
    assert re.search(r"rgb\(127,127,127\)\">255<", drawn)


def test_words_of_a_student_are_escaped():
    def attack(prediction, target):
        raise ValueError("<script>alert(1)</script><img src=x onerror=alert(1)>")

    verdict = exercises.assess("dice_score", attack)
    assert "<script>" in text(verdict)
    elements = Elements(html(verdict)).seen
    ours = {"div", "p", "b", "br", "span", "code", "pre", "table", "tbody", "tr", "td"}
    assert {tag for tag, _ in elements} <= ours


def test_right_and_wrong_are_told_without_colour():
    drawn = html(exercises.assess("dice_score", lambda p, t: right(p, t).nan_to_num(1)))
    assert drawn.count("(right)") == 2
    assert drawn.count("(not yet right)") == 1


def test_a_wrong_matrix_is_drawn_beside_the_right_one_with_the_wrong_cells_framed():
    transposed = exercises.get("confusion_matrix").misconceptions[0].wrong
    verdict = exercises.assess("confusion_matrix", transposed, own=False)
    given, expected, yours = (
        [p for p in verdict.smallest.pictures if p.part == part] for part in ("given", "expected", "yours")
    )
    assert [(p.name, p.labels) for p in given] == [("prediction", True), ("target", True)]
    # prediction [[0, 1], [1, 1]] of target [[0, 0], [0, 1]]: two pixels of class 0 were taken for class 1
    assert expected[0].images == [[["1", "2"], ["0", "1"]]]
    assert yours[0].images == [[["1", "0"], ["2", "1"]]]
    assert (expected[0].wrong, yours[0].wrong) == ([], [[0, 0, 1], [0, 1, 0]])
    drawn = html(verdict)
    labels = [attributes["aria-label"] for tag, attributes in Elements(drawn).seen if tag == "table"]
    assert labels[2:] == [
        "expected, row by row: 1 2; 0 1",
        "yours, row by row: 1 0; 2 1; not as expected: row 0 column 1, row 1 column 0 (counted from 0)",
    ]
    assert drawn.count("box-shadow") == 2


def test_a_table_of_counts_is_not_drawn_as_a_label_map():
    verdict = exercises.assess("iou_per_class", lambda matrix: matrix.diag() / matrix.sum(1))
    matrix = verdict.smallest.pictures[0]
    assert (matrix.name, matrix.labels) == ("matrix", False)


def test_the_pictures_survive_json():
    transposed = exercises.get("confusion_matrix").misconceptions[0].wrong
    verdict = exercises.assess("confusion_matrix", transposed, own=False)
    assert exercises.Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_a_number_beside_a_drawn_array_is_still_told():
    infinite = exercises.get("focal_loss").misconceptions[9].wrong
    drawn = html(exercises.assess("focal_loss", infinite))
    assert re.search(r"Expected <b>[\d.]+, gradient: .*</b>, yours <b>inf, gradient: ", drawn)
    assert "expected gradient, channel 1" in drawn


def test_a_reply_does_not_say_only_where_the_answer_stopped_elsewhere(shown):
    """Gradients are recorded everywhere, but where the last tile is too small nothing was seen of them."""

    def recording(model, image, tile, overlap):
        out = torch.zeros(model.conv.out_channels, *image.shape[1:])
        for top in range(0, image.shape[1], tile - overlap):
            for left in range(0, image.shape[2], tile - overlap):
                window = (..., slice(top, top + tile), slice(left, left + tile))
                out[window] = model(image[None][window])[0]
        return out

    with pytest.raises(exercises.CheckFailed):
        exercises.check("tiled_predict", recording)
    reply = repr(shown[0])
    assert "PyTorch records what your evaluation does" in reply
    assert "This is so only" not in reply


def test_broken_code_gets_its_symptom_and_no_cause(shown):
    exercises.check("mask_to_save", exercises.get("mask_to_save").starter)
    (reply,) = shown
    for form in (repr(reply), reply._repr_html_()):
        assert "mask_to_save: not repaired yet" in form
        assert "The symptom is still there: every pixel of the masks is 0" in form
        assert "argmax" not in form
