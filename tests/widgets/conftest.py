"""Reading back what a widget shows."""

import base64
import html
import re

import cv2
import numpy as np
import pytest


class Frame:
    """What is to be seen at one position of a slider: alt texts and pictures, and the caption."""

    def __init__(self, source: str, index: int):
        found = re.findall(rf'<(\w+) data-frame="{index}"[^>]*>(.*?)</\1>', source, re.DOTALL)
        tags = [tag for _, content in found for tag in re.findall(r"<img [^>]*>", content)]
        self.alts = [html.unescape(re.search(r'alt="([^"]*)"', tag)[1]) for tag in tags]
        data = [base64.b64decode(re.search(r'base64,([^"]+)"', tag)[1]) for tag in tags]
        self.pictures = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_UNCHANGED) for one in data]
        texts = [html.unescape(re.sub("<[^>]*>", "", content)) for _, content in found]
        self.label, *_, self.caption = texts


@pytest.fixture
def frame():
    """Return the reader of one frame."""
    return Frame


def rgb(picture):
    """Return a picture as it was before OpenCV wrote it."""
    return picture[..., [2, 1, 0, 3][: picture.shape[-1]]]


@pytest.fixture(name="rgb")
def _rgb():
    return rgb
