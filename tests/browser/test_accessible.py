"""Axe finds nothing to mend in the widgets, light and dark.

A program finds about half of what keeps people out; the tests of each widget press its keys.
"""

import numpy as np
import pytest

from segcourse import UNet
from segcourse.palette import Palette
from segcourse.widgets import (
    click_to_segment,
    mask_explorer,
    mask_viewer,
    metric_explorer,
    play,
    predict,
    receptive_field_explorer,
    skip_viewer,
    threshold_explorer,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
MASK = np.zeros((24, 36), np.uint8)
MASK[4:14, 6:20] = 1
PALETTE = Palette.default(("skin", "lesion"))
PAGE = (
    '<!doctype html><html lang="en"><title>A lesson</title><body style="background:{colours}">'
    "<main><h1>A lesson</h1>{widget}</main></body></html>"
)
# light with all rules; dark with the one that depends on it
THEMES = {"#fff;color:#111": (), "#111;color:#eee;color-scheme:dark": ("color-contrast",)}


def question():
    with predict("Which is higher?", ["Dice", "IoU"]) as reveal:
        reveal("Dice")
    return reveal


WIDGETS = {
    "predict": question,
    "mask_viewer": lambda: mask_viewer(IMAGE, MASK, 1 - MASK, palette=PALETTE),
    "click_to_segment": lambda: click_to_segment(IMAGE, MASK),
    "receptive_field_explorer": lambda: receptive_field_explorer((2, 2)),
    "metric_explorer": lambda: metric_explorer(MASK == 1),
    "threshold_explorer": lambda: threshold_explorer(IMAGE, MASK / 2, MASK == 1),
    "mask_explorer": lambda: mask_explorer(IMAGE, MASK, 1 - MASK, palette=PALETTE),
    "skip_viewer": lambda: skip_viewer(UNet(3, 2, width=4), IMAGE),
    "play": lambda: play([IMAGE, IMAGE], ["one", "two"], name="epoch"),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_breaks_no_rule(page, broken_rules, name):
    widget = WIDGETS[name]().html()
    for colours, rules in THEMES.items():
        page.set_content(PAGE.format(colours=colours, widget=widget))
        page.evaluate("() => document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        assert broken_rules(page, rules) == []
