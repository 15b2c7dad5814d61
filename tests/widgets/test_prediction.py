"""Predict before you run: committing, revealing, and what is there without a browser or a reader."""

import pytest

from segcourse.errors import DataError
from segcourse.widgets import predict, prediction, reveal

CHOICES = ["one sum", "mean over classes", "lesion only"]


@pytest.fixture(autouse=True)
def forget():
    """Start each test like a fresh kernel."""
    prediction._asked.clear()


def ask(answer=None, why=None, question="Which one worries?"):
    return predict(question, CHOICES, answer, why)


def choose(widget, choice):
    widget.radio.value = choice
    widget.button.click()


def test_nothing_is_chosen_at_first_and_commit_waits_for_a_choice():
    widget = ask(answer=2)
    assert widget.radio.value is None
    assert widget.button.disabled
    widget.radio.value = CHOICES[0]
    assert not widget.button.disabled
    assert widget.guess is None, "choosing is not committing"


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("lesion only", "✓ As you guessed: lesion only. It has nowhere to hide."),
        ("one sum", "✗ You guessed: one sum. The answer is: lesion only. It has nowhere to hide."),
    ],
)
def test_committing_locks_the_choice_and_tells_the_answer(choice, says):
    widget = ask("lesion only", "It has nowhere to hide.")
    assert "nowhere" not in widget.feedback.value, "not before the commitment"
    choose(widget, choice)
    assert widget.guess == choice
    assert widget.radio.disabled
    assert widget.button.disabled
    assert says in widget.feedback.value
    widget.commit("mean over classes")
    assert widget.guess == choice, "the first commitment stays"


def test_without_an_answer_the_guess_waits_for_reveal():
    widget = ask()
    choose(widget, "one sum")
    assert "Locked in: one sum" in widget.feedback.value
    assert reveal("lesion only", "It alone sees the class.").text == (
        "✗ You guessed: one sum. The answer is: lesion only. It alone sees the class."
    )
    assert reveal(0).text.startswith("✓ As you guessed: one sum.")


def test_reveal_takes_any_result():
    choose(ask(), "one sum")
    assert reveal(31_037_698).text == "✗ You guessed: one sum. The answer is: 31037698."
    assert reveal(True).text.endswith("The answer is: True."), "no position"


def test_reveal_without_a_guess_goes_on():
    ask()
    assert reveal("lesion only").text == "You made no guess. The answer is: lesion only."


def test_reveal_finds_an_earlier_question():
    choose(ask(answer=0, question="First?"), "one sum")
    ask(answer=2, question="Second?")
    assert reveal().text == "You made no guess. The answer is: lesion only."
    assert reveal(question="First?").text == "✓ As you guessed: one sum."


def test_running_the_cell_again_keeps_the_commitment():
    choose(ask(answer=2), "one sum")
    again = ask(answer=2)
    assert again.guess == "one sum"
    assert again.radio.disabled
    assert predict("Which one worries?", ["yes", "no"]).guess is None, "other choices are another question"


def test_answers_may_be_texts_positions_or_numbers():
    assert ask(answer=1).answer == "mean over classes"
    assert predict("How many?", [3, 5, 7], answer=5).answer == "5"
    assert predict("How many?", [3, 5, 7], answer=0).answer == "3"


@pytest.mark.parametrize(
    ("choices", "answer", "says"),
    [
        (["a"], None, "at least two"),
        (["a", "a"], None, "different"),
        (["a", "b"], "c", "none"),
        (["a", "b"], 2, "none"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(choices, answer, says):
    with pytest.raises(DataError, match=says):
        predict("?", choices, answer)


def test_reveal_before_predict_is_a_sentence():
    with pytest.raises(DataError, match="run the cell with predict"):
        reveal("x")
    ask()
    with pytest.raises(DataError, match="has not been asked"):
        reveal("x", question="Another?")


def test_a_page_without_a_kernel_shows_the_question_and_folds_the_answer():
    bundle = predict("Is 1 < 2?", ["yes & no", "no"], answer=0, why="Look.").bundle()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "Is 1 &lt; 2?" in bundle["text/html"]
    assert "<li>yes &amp; no</li>" in bundle["text/html"]
    assert "<details><summary>Answer</summary>yes &amp; no. Look.</details>" in bundle["text/html"]
    assert bundle["text/plain"] == "Predict before you run: Is 1 < 2?\n  A. yes & no\n  B. no"


def test_the_static_twin_says_the_same():
    widget = ask(answer=2)
    figure = widget.static()
    assert figure.alt == widget.text() == figure.texts[0].get_text()
    choose(widget, "lesion only")
    assert "✓ As you guessed: lesion only." in widget.static().alt
    assert "<details>" not in widget.html()
