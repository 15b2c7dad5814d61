"""`check` in a notebook: what its reader sees, and what nbgrader understands."""

import re
from html.parser import HTMLParser

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from segcourse import dice_score, exercises, iou_score
from segcourse.exercises.display import html, text


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, instead of displaying it."""
    replies = []
    monkeypatch.setattr("IPython.display.display", replies.append)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return replies


def stub(prediction, target):
    raise NotImplementedError("Exercise 5.4")


def test_a_right_answer_is_shown_and_nothing_raised(shown):
    exercises.check("dice_score", dice_score)
    assert repr(shown[0]) == "dice_score: 3 of 3 points\n✓ single masks  ✓ empty masks  ✓ batches"


def test_a_wrong_answer_is_explained_beside_its_smallest_case(shown):
    with pytest.raises(exercises.CheckFailed, match=r"^dice_score: 0 of 3 points$"):
        exercises.check("dice_score", iou_score)
    lines = repr(shown[0]).splitlines()
    assert lines[1] == "✗ single masks  ✗ empty masks  ✗ batches"
    assert lines[2].startswith("What happened: you computed intersection over union")
    assert lines[3].endswith("prediction = [[1, 1], [0, 0]], target = [[1, 0], [0, 0]]")
    assert lines[4:] == ["Expected: 0.667", "Yours:    0.500"]


def test_an_untouched_stub_says_so_and_nothing_else(shown):
    exercises.check("dice_score", stub)
    assert repr(shown[0]) == "dice_score: not started yet"
    assert "color:#767676" in shown[0]._repr_html_()


def test_nbgrader_does_not_take_an_untouched_stub_for_a_success(shown, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(AssertionError, match="not started yet"):
        exercises.check("dice_score", stub)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("dice_score", 3, r'the function itself: check\("dice_score", dice_score\); it was given a int'),
        ("UNet", torch.nn.Identity(), r'the class itself: check\("UNet", UNet\); it was given a Identity'),
    ],
)
def test_what_is_no_answer_gets_a_sentence(shown, name, given, sentence):
    with pytest.raises(exercises.CheckFailed, match=sentence):
        exercises.check(name, given)
    assert not shown


def test_an_unknown_name_gets_the_nearest(shown):
    with pytest.raises(exercises.UnknownExerciseError, match="did you mean 'dice_score'"):
        exercises.check("dice_scores", dice_score)


def test_a_notebook_shows_the_sentence_and_no_traceback(capsys):
    shell = InteractiveShell.instance()
    try:
        result = shell.run_cell(
            "from segcourse import check\ncheck('dice_score', lambda p, t: 1 / 0)", store_history=False
        )
    finally:
        InteractiveShell.clear_instance()
    printed = capsys.readouterr().out
    assert isinstance(result.error_in_exec, AssertionError)
    assert "Traceback" not in printed
    assert printed.rstrip().endswith("dice_score: 0 of 3 points")
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
    drawn = html(exercises.assess("confusion_matrix", as_background.wrong))
    assert re.search(r"rgb\(127,127,127\)\">255<", drawn)


def test_words_of_a_student_are_escaped():
    def attack(prediction, target):
        raise ValueError("<script>alert(1)</script><img src=x onerror=alert(1)>")

    verdict = exercises.assess("dice_score", attack)
    assert "<script>" in text(verdict)
    elements = Elements(html(verdict)).seen
    assert {tag for tag, _ in elements} <= {
        "div",
        "p",
        "b",
        "br",
        "span",
        "code",
        "table",
        "tbody",
        "tr",
        "td",
    }


def test_right_and_wrong_are_told_without_colour():
    drawn = html(exercises.assess("dice_score", lambda p, t: dice_score(p, t).nan_to_num(1)))
    assert drawn.count("(right)") == 2
    assert drawn.count("(not yet right)") == 1
