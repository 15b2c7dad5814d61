"""Predict before you run: the reader commits to a guess, and a later cell holds it against what came out."""

import html
import textwrap

import ipywidgets
from matplotlib.figure import Figure

from segcourse.errors import DataError
from segcourse.plotting.display import show, show_once
from segcourse.widgets.widget import Widget

_asked: dict[str, "Prediction"] = {}  # by question, the latest last; it lives as long as the kernel


class Prediction(Widget):
    """The widget that `predict` returns; `.guess` is the committed choice, or None."""

    def __init__(self, question: str, choices, answer=None, why: str | None = None):
        self.question, self.choices, self.why = question, [str(choice) for choice in choices], why
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise DataError(f"choices are {self.choices}; give at least two, all different.")
        self.answer = None if answer is None else self._choice(answer)
        self.guess: str | None = None
        self.radio = ipywidgets.RadioButtons(
            options=self.choices, value=None, layout=ipywidgets.Layout(width="auto"), tooltip=question
        )
        self.button = ipywidgets.Button(
            description="Commit", tooltip="Lock this guess in", button_style="primary", disabled=True
        )
        self.feedback = ipywidgets.HTML(_status("Choose one, then commit. A wrong guess costs nothing."))
        self.radio.observe(lambda _: setattr(self.button, "disabled", self.guess is not None), "value")
        self.button.on_click(lambda _: self.commit(self.radio.value))
        self.heading = f"<b>Predict before you run:</b> {html.escape(question)}"
        self.box = ipywidgets.VBox([ipywidgets.HTML(self.heading), self.radio, self.button, self.feedback])
        before = _asked.pop(question, None)
        _asked[question] = self
        if before is not None and before.guess in self.choices:
            self.commit(before.guess)  # running the cell again does not unlock it

    def _is_position(self, answer) -> bool:
        return type(answer) is int and str(answer) not in self.choices and 0 <= answer < len(self.choices)

    def _choice(self, answer) -> str:
        """Return the choice that an answer names, by its text or its position (0, 1, …)."""
        if str(answer) in self.choices:
            return str(answer)
        if self._is_position(answer):
            return self.choices[answer]
        raise DataError(f"answer {answer!r} is none of the choices {self.choices}; give one or its position.")

    def commit(self, choice: str) -> None:
        """Lock a choice in; the first one stays."""
        if self.guess is not None:
            return
        self.guess = self._choice(choice)
        self.radio.value = self.guess
        self.radio.disabled = self.button.disabled = True
        self.feedback.value = _status(self.verdict())

    def verdict(self, outcome=None, why: str | None = None) -> str:
        """Return guess against outcome in words; the outcome is `answer` unless another is given."""
        outcome = self.answer if outcome is None else str(outcome)
        why = f" {why or self.why}" if why or self.why else ""
        if outcome is None:
            return "No guess yet." if self.guess is None else f"Locked in: {self.guess}. Run on, and compare."
        if self.guess is None:
            return f"You made no guess. The answer is: {outcome}.{why}"
        if self.guess == outcome:
            return f"✓ As you guessed: {outcome}.{why}"
        return f"✗ You guessed: {self.guess}. The answer is: {outcome}.{why}"

    def html(self) -> str:
        """Return question and choices, with the answer folded away."""
        items = "".join(f"<li>{html.escape(choice)}</li>" for choice in self.choices)
        folded = ""
        if self.guess is not None:
            folded = _status(self.verdict())
        elif self.answer is not None:
            answer = html.escape(f"{self.answer}. {self.why or ''}".strip())
            folded = f"<details><summary>Answer</summary>{answer}</details>"
        return f"<p>{self.heading}</p><ol style='list-style-type:upper-alpha'>{items}</ol>{folded}"

    def text(self) -> str:
        """Return question and choices as lines."""
        lines = [f"  {chr(65 + i)}. {choice}" for i, choice in enumerate(self.choices)]
        guess = [self.verdict()] if self.guess is not None else []
        return "\n".join([f"Predict before you run: {self.question}", *lines, *guess])

    def static(self) -> Figure:
        """Return question and choices as a Figure."""
        lines = [
            part
            for line in self.text().splitlines()
            for part in textwrap.wrap(line, 88, subsequent_indent="     ")
        ]
        height = 0.2 + 0.22 * len(lines)
        figure = Figure(figsize=(8, height))
        figure.text(0.01, 1 - 0.1 / height, "\n".join(lines), va="top", fontsize=10, linespacing=1.4)
        return show(figure, self.text())


class Comparison:
    """What `reveal` returns: `.text` says guess and outcome."""

    def __init__(self, text: str):
        self.text = text
        show_once(self, lambda: {"text/html": _status(text), "text/plain": text})


def predict(question: str, choices, answer=None, why: str | None = None) -> Prediction:
    """Ask the reader to commit to a choice before the next cell shows the outcome.

    Nothing waits for the reader: a notebook that runs by itself goes on. The guess is kept for `reveal`.

    Args:
        question: one sentence.
        choices: at least two texts.
        answer: the right choice (its text or position), shown after committing; None leaves it to `reveal`.
        why: a sentence to go with the answer.

    Raises:
        DataError: fewer than two different choices, or an answer that is none of them.
    """
    return Prediction(question, choices, answer, why).show()


def reveal(outcome=None, why: str | None = None, *, question: str | None = None) -> Comparison:
    """Hold the reader's guess against the outcome, in a cell after the one that computed it.

    Args:
        outcome: the right choice (its text or position) or any other result; by default the answer given to
            `predict`.
        why: a sentence to go with it.
        question: which prediction; by default the latest.

    Raises:
        DataError: nothing was asked, or not this question.
    """
    if not _asked or (question is not None and question not in _asked):
        raise DataError("this question has not been asked yet; run the cell with predict(...) first.")
    prediction = _asked[question] if question is not None else list(_asked.values())[-1]
    if prediction._is_position(outcome):
        outcome = prediction.choices[outcome]
    return Comparison(prediction.verdict(outcome, why))


def _status(text: str) -> str:
    return f'<div role="status">{html.escape(text)}</div>'
