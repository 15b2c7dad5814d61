"""`predict`: the answer stays folded until a choice is opened, with everything that shows it."""

import re
import sys
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from segcourse.errors import DataError
from segcourse.widgets import predict

CHOICES = ["one sum", "mean over classes", "lesion only"]
BANDS = {"below 0.4": 0, "0.4 to 0.8": 0.4, "above 0.8": 0.8}


def asked(choices, answer, question="Which one worries?"):
    with predict(question, choices) as reveal:
        reveal(answer)
    return reveal


def verdicts(question):
    return dict(
        re.findall(r"<summary[^>]*>(?!<i>)(.*?)</summary><div[^>]*><b.*?</b> (.*?)</div>", question.html())
    )


def test_each_choice_opens_its_own_verdict():
    assert verdicts(asked(CHOICES, "lesion only")) == {
        "one sum": "No. The answer is: lesion only.",
        "mean over classes": "No. The answer is: lesion only.",
        "lesion only": "Yes: lesion only.",
    }


def test_every_choice_is_closed_at_first():
    page = asked(CHOICES, "lesion only").html()
    assert page.count("<details ") == 4  # three choices and "Show me"
    assert "<details open" not in page


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "below 0.4 (0)"),
        (0.4, "0.4 to 0.8 (0.4)"),
        (0.799, "0.4 to 0.8 (0.8)"),
        (1, "above 0.8 (1)"),
    ],
)
def test_a_number_falls_into_its_band_and_is_told(number, says):
    assert f"Yes: {says}." in asked(BANDS, number).html()


def test_numbers_may_be_choices():
    assert asked([9, 18, 25], 25).answer == "25"


def test_text_shows_the_question_and_not_the_answer():
    assert (
        asked(["yes & no", "no"], "no", "Is 1 < 2?").text() == "Your guess? Is 1 < 2?\n  A. yes & no\n  B. no"
    )


def test_words_are_escaped():
    page = asked(["<b>", "no"], "no", "1 < 2?").html()
    assert "&lt;b&gt;" in page
    assert "1 &lt; 2?" in page


@pytest.mark.parametrize(("choices", "says"), [(["a"], "at least two"), (["a", "a"], "different")])
def test_a_question_needs_different_choices(choices, says):
    with pytest.raises(DataError, match=says):
        predict("?", choices)


@pytest.mark.parametrize(("choices", "answer"), [(["a", "b"], "c"), (BANDS, -1), (BANDS, float("nan"))])
def test_an_answer_that_is_no_choice_is_refused(choices, answer):
    with pytest.raises(DataError, match="none of the choices"):
        asked(choices, answer)


def test_a_block_without_an_answer_is_refused():
    with pytest.raises(DataError, match="call reveal"), predict("?", CHOICES):
        pass


def test_an_error_in_the_block_stays_the_error():
    with pytest.raises(ZeroDivisionError), predict("?", CHOICES):
        1 / 0  # noqa: B018


def test_in_a_notebook_a_progress_bar_is_shown_at_once_and_the_rest_later(monkeypatch, capsys):
    shell = SimpleNamespace(display_pub=None)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    monkeypatch.setattr("segcourse.widgets.question.show_once", lambda *widget: None)
    with predict("Up or down?", ["up", "down"]) as reveal:
        print("it fell")
        for _ in tqdm(range(3), file=sys.stdout, leave=False, mininterval=0):
            pass
        seen = capsys.readouterr().out
        reveal("down")
    assert "3/3" in seen
    assert "fell" not in seen
    assert "it fell</pre>" in reveal.html()
    assert "3/3" not in reveal.html()
