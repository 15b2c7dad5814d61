"""Reading back what a widget shows."""

import base64
import html
import re

import cv2
import numpy as np
import pytest


class Seen:
    """The pictures and their alternative texts in a piece of HTML."""

    def __init__(self, source: str):
        tags = re.findall(r"<img [^>]*>", source)
        self.alts = [html.unescape(re.search(r'alt="([^"]*)"', tag)[1]) for tag in tags]
        data = [base64.b64decode(re.search(r'base64,([^"]+)"', tag)[1]) for tag in tags]
        self.pictures = [cv2.imdecode(np.frombuffer(one, np.uint8), 1)[..., ::-1] for one in data]


@pytest.fixture
def seen():
    """Return the reader of HTML."""
    return Seen


@pytest.fixture
def drawn():
    """Return the reader of a Figure: its pictures."""
    return lambda figure: [np.asarray(image.get_array()) for image in figure.axes[0].images]
