"""Predict before you look: a question whose answer, with the pictures that show it, unfolds after a guess."""

import contextlib
import html
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from segcourse.errors import DataError
from segcourse.palette import BAD, GOOD
from segcourse.plotting.display import show_once


class Question:
    """What `predict` returns; a block under `with` computes the answer.

    Attributes:
        answer: the right choice; None before `reveal`.
    """

    def __init__(self, question: str, choices: Sequence[str] | Mapping[str, float]):
        self.question, self.choices = question, [str(choice) for choice in choices]
        self.bounds = dict(choices) if isinstance(choices, Mapping) else None
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise DataError(f"choices are {self.choices}; give at least two, all different.")
        self.answer: str | None = None
        self._measured = ""
        self._shown: list[str] = []
        self._block = contextlib.ExitStack()
        self._captured: Any = None

    def __enter__(self) -> "Question":
        with contextlib.suppress(ImportError):
            from IPython.core.getipython import get_ipython
            from IPython.utils.capture import capture_output

            if get_ipython() is not None:
                self._printed = _Printed(sys.stdout)
                self._captured = self._block.enter_context(capture_output(stdout=False, stderr=False))
                self._block.enter_context(contextlib.redirect_stdout(self._printed))
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._block.close()
        if self._captured is not None:
            printed = self._printed.getvalue()
            self._shown = [*map(_as_html, self._captured.outputs), _text_block(printed)]
            if kind is not None:  # what was printed helps to find the mistake
                print(printed, end="")
                self._captured.show()
        if kind is not None:
            return
        if self.answer is None:
            raise DataError("call reveal(...) with the answer inside the block of predict(...).")
        show_once(self, lambda: {"text/html": self.html(), "text/plain": self.text()})

    def __call__(self, answer: Any) -> None:
        """Tell the question its answer: a choice, or a number that falls into one of the bands.

        Raises:
            DataError: the answer is none of the choices.
        """
        if self.bounds is not None and not isinstance(answer, str):
            number = float(answer)
            fitting = [choice for choice, least in self.bounds.items() if number >= least]
            self.answer = max(fitting, key=self.bounds.__getitem__, default=None)
            self._measured = f" ({round(number, 2):g})"
        elif str(answer) in self.choices:
            self.answer = str(answer)
        if self.answer is None:
            raise DataError(f"answer {answer!r} is none of the choices {self.choices}.")

    def html(self) -> str:
        """Return the question; each choice opens its verdict, and the last line what the block showed."""
        right = html.escape(f"{self.answer}{self._measured}")
        items = []
        for choice in self.choices:
            good = choice == self.answer
            verdict = f"Yes: {right}." if good else f"No. The answer is: {right}."
            mark = f'<b style="color:{GOOD if good else BAD}" aria-hidden="true">{"✓" if good else "✗"}</b>'
            items.append(_fold(html.escape(choice), f"{mark} {verdict}", 'ontoggle="' + _OPEN_LAST + '"'))
        seen = "".join(self._shown)
        items.append(_fold("<i>Show me</i>", f"<p>{right}</p>{seen}", 'data-seen=""'))
        return (
            f'<div data-question="" style="border-left:4px solid #767676;padding:0 1em">'
            f"<p><b>Your guess?</b> {html.escape(self.question)}</p>{''.join(items)}</div>"
        )

    def text(self) -> str:
        """Return question and choices as lines, without the answer."""
        lines = [f"  {chr(65 + i)}. {choice}" for i, choice in enumerate(self.choices)]
        return "\n".join([f"Your guess? {self.question}", *lines])


# A guess opens what the block showed as well; without scripts the reader opens it.
_OPEN_LAST = "if(this.open)this.parentNode.querySelector('[data-seen]').open=true"


class _Printed(io.StringIO):
    """What is printed, for later; a progress bar begins with a carriage return and is shown at once."""

    encoding = "utf-8"  # else tqdm draws its bars with ASCII letters

    def __init__(self, shown: TextIO):
        super().__init__()
        self.shown = shown

    def write(self, text: str) -> int:
        return self.shown.write(text) if text.startswith("\r") else super().write(text)


def predict(question: str, choices: Sequence[str] | Mapping[str, float]) -> Question:
    """Ask for a guess, and keep the answer folded until the reader clicks on one.

    The block under `with` computes the answer. Whatever it prints or shows is folded away with the answer:

        with predict("How many pixels are lesion?", {"few": 0, "many": 0.5}) as reveal:
            show_results(image, mask)
            reveal(mask.float().mean())

    Args:
        question: one sentence.
        choices: at least two texts; or {text: lower bound}, for an answer that is a number.

    Raises:
        DataError: fewer than two different choices.

    >>> question = predict("2 + 2?", {"small": 0, "large": 10})
    >>> with question as reveal:
    ...     reveal(2 + 2)
    >>> question.answer
    'small'
    """
    return Question(question, choices)


def _fold(summary: str, content: str, attribute: str) -> str:
    summary = f'<summary style="cursor:pointer">{summary}</summary>'
    return f'<details {attribute}>{summary}<div style="padding:0 1.2em">{content}</div></details>'


def _as_html(output: Any) -> str:
    data = output.data
    return data.get("text/html") or _text_block(data.get("text/plain", ""))


def _text_block(text: str) -> str:
    return (
        f'<pre style="white-space:pre-wrap;font-family:monospace">{html.escape(text.rstrip())}</pre>'
        if text.strip()
        else ""
    )
