"""What all widgets that draw in the browser share: controls, a static twin, and a few lines of JavaScript.

A `Live` widget is one piece of HTML. It starts as its static twin: pictures with alt text, which are all that
a page without scripts shows. The twin's last picture carries the script in its `onload` attribute: unlike a
script tag, it also runs where a page inserts the HTML later. The script hides the twin and shows canvas and
controls. Controls are ordinary form elements, so all work by keyboard.
"""

import html
import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from segcourse.palette import Palette
from segcourse.plotting.arrays import data_uri
from segcourse.plotting.display import show_once
from segcourse.widgets.frames import OWN_KEYS, picture_uri

Twin = tuple[str, np.ndarray, str]  # title, uint8 H×W×3, alt text


class Live:
    """A widget whose script draws in the browser.

    Args:
        stage: HTML of canvas and controls, from the functions below.
        script: JavaScript that gets `D` (the data), `$(name)` (a part), `num(name)` (a control's number),
            `pixels(uri)`, `put(name, width, height, rgba)`, `packed(rgb)`, `say(text)`, `start(update)` and
            `redraw()`.
        data: what the script needs, as JSON.
        twin: the pictures that a page without scripts shows: those of the script's first picture.
        caption: the first sentence below the pictures; the script replaces it.
        answer: pictures that stay folded away where no script runs, such as the answer to a guess.
    """

    def __init__(
        self,
        stage: str,
        script: str,
        data: dict[str, Any],
        twin: Sequence[Twin],
        caption: str,
        answer: Sequence[Twin] = (),
    ):
        self.stage, self.script, self.data, self.twin = stage, script, data, twin
        self.caption, self.answer = caption, answer

    def show(self) -> "Live":
        """Show the widget in a notebook, once, and return it."""
        show_once(self, lambda: {"text/html": self.html(), "text/plain": self.text()})
        return self

    def text(self) -> str:
        """Return the caption."""
        return self.caption

    def html(self) -> str:
        """Return the twin, the hidden stage, and the script that swaps them."""
        run = html.escape(f"(async img=>{{{_KIT}{self.script}\n}})(this)")
        figures = [_figure(*one) for one in self.twin]
        figures[-1] = figures[-1].replace("<img ", f'<img onload="{run}" ', 1)
        folded = "".join(_figure(*one) for one in self.answer)
        answer = f"<details><summary>Show me</summary>{folded}</details>" if folded else ""
        return (
            f'<div data-live="{html.escape(json.dumps(self.data))}" style="max-width:60em">'
            f'<div data-part="twin"><div style="{_ROW}">{"".join(figures)}</div>{answer}</div>'
            f'<div data-part="stage" hidden>{self.stage}</div>'
            f'<div role="status" data-part="say" style="min-height:1.4em">{html.escape(self.caption)}</div>'
            "</div>"
        )


_ROW = "display:flex;flex-wrap:wrap;gap:4px 14px;align-items:center;margin:4px 0"
_KIT = """
const root=img.closest('[data-live]'),D=JSON.parse(root.dataset.live);
const $=name=>root.querySelector(`[data-part="${name}"]`),num=name=>+$(name).value;
const say=text=>{$('say').textContent=text};
const pixels=async uri=>{
  const one=new Image;one.src=uri;await one.decode();
  const c=document.createElement('canvas');c.width=one.naturalWidth;c.height=one.naturalHeight;
  const x=c.getContext('2d',{willReadFrequently:true});x.drawImage(one,0,0);
  return x.getImageData(0,0,c.width,c.height)};
const put=(name,w,h,rgba)=>{
  const c=$(name);if(c.width!==w||c.height!==h){c.width=w;c.height=h}
  c.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(rgba.buffer),w,h),0,0)};
const packed=c=>(255<<24|c[2]<<16|c[1]<<8|c[0])>>>0; // one number per pixel is the fastest to write
const at=(e,c)=>{const b=c.getBoundingClientRect(),inside=(v,n)=>Math.max(0,Math.min(n-1,Math.floor(v*n)));
  return[inside((e.clientY-b.top)/b.height,c.height),inside((e.clientX-b.left)/b.width,c.width)]};
let draw;
const redraw=()=>{for(const o of root.querySelectorAll('output'))o.value=num(o.dataset.of);draw()};
const start=update=>{draw=update;root.addEventListener('input',redraw);redraw();
  $('twin').hidden=true;$('stage').hidden=false;root.dataset.ready='1'};
"""


def _figure(title: str, picture: np.ndarray, alt: str) -> str:
    size = _display(picture.shape)
    image = f'<img alt="{html.escape(alt)}" style="{size}" src="{picture_uri(picture)}">'
    return f'<figure style="margin:0"><figcaption>{html.escape(title)}</figcaption>{image}</figure>'


def _display(shape: Sequence[int], width: int = 360) -> str:
    """Return the CSS of a picture: small ones are enlarged by a whole number, with sharp pixels."""
    small = shape[1] <= width
    shown = shape[1] * max(1, round(width / shape[1])) if small else width
    sharp = ";image-rendering:pixelated" if small else ""
    return f"display:block;width:{shown}px;max-width:100%;height:auto;margin:0{sharp}"


def row(*parts: str) -> str:
    """Return parts side by side, and below one another where there is no room."""
    return f'<div style="{_ROW}">{"".join(parts)}</div>'


def canvas(name: str, label: str, shape: Sequence[int], title: str = "") -> str:
    """Return a canvas with its description for people who can't see it."""
    caption = f'<figcaption data-part="{name}-title">{html.escape(title)}</figcaption>' if title else ""
    return (
        f'<figure style="margin:0" data-part="{name}-figure">{caption}<canvas data-part="{name}" role="img" '
        f'{OWN_KEYS} aria-label="{html.escape(label)}" width="{shape[1]}" height="{shape[0]}" '
        f'style="{_display(shape)};touch-action:none"></canvas></figure>'
    )


def slider(name: str, label: str, least: float, most: float, value: float, step: float = 1) -> str:
    """Return a labelled slider."""
    return (
        f'<label>{html.escape(label)} <input data-part="{name}" type="range" min="{least}" max="{most}" '
        f'{OWN_KEYS} step="{step}" value="{value}" style="vertical-align:middle;width:11em"> '
        f'<output data-of="{name}" style="display:inline-block;min-width:2em">{value}</output></label>'
    )


def tick(name: str, label: str, on: bool = True, colour: Sequence[int] | None = None) -> str:
    """Return a labelled checkbox, with a swatch of a colour."""
    return (
        f'<label><input {OWN_KEYS} data-part="{name}" type="checkbox"{" checked" if on else ""}> '
        f"{swatch(colour)}{html.escape(label)}</label>"
    )


def swatch(colour: Sequence[int] | None) -> str:
    """Return a small box of a colour, or nothing."""
    if colour is None:
        return ""
    box = "display:inline-block;width:1em;height:0.8em;margin-right:0.3em;border:1px solid #777"
    return f'<i style="{box};background:rgb{tuple(map(int, colour))}"></i>'


def choice(name: str, label: str, options: Sequence[str], chosen: str) -> str:
    """Return a labelled drop-down list."""
    tags = [f"<option{' selected' if one == chosen else ''}>{html.escape(one)}</option>" for one in options]
    return (
        f'<label>{html.escape(label)} <select {OWN_KEYS} data-part="{name}">{"".join(tags)}</select></label>'
    )


def button(name: str, label: str) -> str:
    """Return a button."""
    return f'<button type="button" {OWN_KEYS} data-part="{name}">{html.escape(label)}</button>'


def label_uri(mask: np.ndarray) -> str:
    """Return class ids (uint8 H×W) as a grey PNG, which the script reads back exactly."""
    return data_uri(cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def colours(palette: Palette) -> list[list[int]]:
    """Return the palette's colours as lists, for JSON."""
    return [list(colour) for colour in palette.colours]
