"""A slider over pictures that are drawn beforehand, and a button that plays them one after the other."""

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from segcourse.errors import DataError
from segcourse.plotting.arrays import data_uri, jpeg, png
from segcourse.plotting.display import show_once
from segcourse.plotting.formats import as_images

WIDTH = 205  # CSS pixels of one picture
# JupyterLab's shortcuts, such as arrow keys, leave a control alone that has this attribute itself
OWN_KEYS = 'data-lm-suppress-shortcuts="true"'
Layers = Sequence[np.ndarray]  # pictures on top of each other: uint8 H×W×3, then H×W×4 with transparency


class Column(NamedTuple):
    """Pictures that share a place: one that stays below, and one per position of the slider."""

    title: str
    below: Layers
    frames: Sequence[Layers] = ()


class Frames:
    """A row of columns of which the slider shows one frame at a time, with that frame's caption.

    Args:
        columns: their frames have one length.
        captions: one sentence per frame; also the alt text.
        labels: what the slider says at each frame.
        name: what the slider changes.
        start: the frame that is shown first.
        foot: HTML below the pictures.
        playable: whether a button plays the frames.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        captions: Sequence[str],
        labels: Sequence[str],
        *,
        name: str,
        start: int = 0,
        foot: str = "",
        playable: bool = False,
    ):
        if not captions:
            raise DataError("there is no picture to show.")
        self.columns, self.captions, self.labels = columns, captions, labels
        self.name, self.start, self.foot, self.playable = name, start, foot, playable

    def show(self) -> "Frames":
        """Show the widget in a notebook, once, and return it."""
        show_once(self, lambda: {"text/html": self.html(), "text/plain": self.text()})
        return self

    def text(self) -> str:
        """Return the caption of the first frame shown."""
        return f"{self.name} {self.labels[self.start]}: {self.captions[self.start]}"

    def html(self) -> str:
        """Return slider, pictures and captions."""
        range_ = f'type="range" min="0" max="{len(self.captions) - 1}" value="{self.start}" step="1"'
        slider = (
            f'<label>{html.escape(self.name)} <input {range_} {OWN_KEYS} style="width:min(22em,60%);'
            f'vertical-align:middle" oninput="{_SHOW}"></label>'
        )
        labels = [f"<b>{html.escape(label)}</b>" for label in self.labels]
        button = f'<button type="button" {OWN_KEYS} onclick="{_PLAY}">▶ play</button> '
        captions = [html.escape(caption) for caption in self.captions]
        return (
            f'<div data-frames="">{button if self.playable else ""}{slider} {self._each(labels, "span")}'
            f"{row(''.join(map(self._column, self.columns)))}"
            f'<div role="status">{self._each(captions, "span")}</div>{self.foot}</div>'
        )

    def _column(self, column: Column) -> str:
        fixed = _images(column.below, column.title if column.frames else self.captions[self.start])
        place = "position:absolute;left:0;top:0;width:100%" if column.below else "position:relative"
        each = [
            _images(layers, f"{column.title}, {caption}" if column.title else caption)
            for layers, caption in zip(column.frames, self.captions, strict=False)
        ]
        stack = f'<div style="position:relative;width:{WIDTH}px;max-width:100%">'
        stack += f"{fixed}{self._each(each, 'div', place)}</div>"
        caption = f"<figcaption>{html.escape(column.title)}</figcaption>"
        return f'<figure style="margin:0 6px 6px 0">{caption}{stack}</figure>'

    def _each(self, contents: Sequence[str], tag: str, style: str = "") -> str:
        """Return one element per frame, all hidden but the first one shown."""
        return "".join(
            f'<{tag} data-frame="{i}"{f" style={chr(34)}{style}{chr(34)}" if style else ""}'
            f"{'' if i == self.start else ' hidden'}>{content}</{tag}>"
            for i, content in enumerate(contents)
        )


_ROOT = "this.closest('[data-frames]')"
_SHOW = (  # there is an event when a person moves the slider: then playing stops
    "if(event)clearInterval(this.timer);"
    f"for(const one of {_ROOT}.querySelectorAll('[data-frame]'))one.hidden=one.dataset.frame!==this.value"
)
_PLAY = (
    f"const s={_ROOT}.querySelector('input');let i=0;clearInterval(s.timer);"
    "s.timer=setInterval(()=>{s.value=i;s.oninput();if(++i>s.max)clearInterval(s.timer)},600)"
)


def _images(layers: Layers, alt: str) -> str:
    """Return stacked <img> tags; only the lowest one has alt text."""
    tags = []
    for i, layer in enumerate(layers):
        style = "display:block;width:100%;margin:0" + ";image-rendering:pixelated" * is_small(layer)
        style += ";position:absolute;left:0;top:0" if i else ""
        alt_text = html.escape("" if i else alt)
        tags.append(f'<img alt="{alt_text}" style="{style}" src="{picture_uri(layer)}">')
    return "".join(tags)


def is_small(layer: np.ndarray) -> bool:
    """Return True for a picture whose pixels are shown as sharp squares."""
    return max(layer.shape[:2]) <= 64


def picture_uri(layer: np.ndarray) -> str:
    """Return a picture as a data: URI: JPEG for photographs, a tenth of the size, PNG for all others."""
    photo = layer.shape[-1] == 3 and not is_small(layer)
    photo = photo and len(np.unique(layer.reshape(-1, 3), axis=0)) > 256
    return data_uri(jpeg(layer) if photo else png(layer))


def row(content: str) -> str:
    """Return HTML whose parts stand side by side, and below one another where there is no room."""
    return f'<div style="display:flex;flex-wrap:wrap">{content}</div>'


def play(pictures: Any, labels: Sequence[Any], captions: Sequence[str] | None = None, *, name: str) -> Frames:
    """Show a sequence of pictures, such as a mask after each epoch: a slider and a button that plays it.

    Args:
        pictures: one per frame, in any format of `plotting.formats`; or {title: pictures} for several side
            by side.
        labels: what the slider says at each frame.
        captions: one sentence per frame. Default: the name and the label.
        name: what changes from frame to frame, such as "epoch".

    Raises:
        DataError: there is no picture, or the numbers of pictures and labels differ.
    """
    rows = pictures if isinstance(pictures, dict) else {"": pictures}
    labels = [str(label) for label in labels]
    columns = [Column(title, (), [[one] for one in as_images(several)]) for title, several in rows.items()]
    for column in columns:
        if len(column.frames) != len(labels):
            raise DataError(
                f"{len(column.frames)} pictures and {len(labels)} labels were given; give one label each."
            )
    captions = [f"{name} {label}" for label in labels] if captions is None else captions
    last = len(labels) - 1
    return Frames(columns, captions, labels, name=name, start=last, playable=True).show()
