"""Axe finds nothing to mend in widgets, replies, feedback and the report of a class, light and dark.

A program finds about half of what keeps people out; the tests of each widget press its keys.
"""

import json

import numpy as np
import pytest

from segcourse import UNet, exercises
from segcourse.exercises.engine.display import Reply
from segcourse.grading.course import Course
from segcourse.grading.reports import class_report, feedback
from segcourse.grading.scoring.result import Result
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


def not_started(prediction, target):
    raise NotImplementedError("Exercise 5.2")


def verdict(name):
    """Return the verdict on a wrong answer; its smallest case is drawn in colours."""
    return exercises.assess(name, exercises.get(name).misconceptions[0].wrong, own=False)


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


def test_axe_finds_what_is_wrong(page, broken_rules):
    page.set_content('<html lang="en"><title>A page</title><img src="mask.png"><input type="range"></html>')
    assert {"image-alt", "label"} <= {found.split(":")[0] for found in broken_rules(page)}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_breaks_no_rule(page, broken_rules, name):
    widget = WIDGETS[name]().html()
    for colours, rules in THEMES.items():
        page.set_content(PAGE.format(colours=colours, widget=widget))
        page.evaluate("() => document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        assert broken_rules(page, rules) == []


@pytest.mark.parametrize("wrong", [True, False], ids=["wrong answer", "not started"])
def test_a_reply_breaks_no_rule(page, broken_rules, wrong):
    judged = verdict("confusion_matrix") if wrong else exercises.assess("dice_score", not_started)
    reply = Reply(judged)._repr_html_()
    for colours, rules in THEMES.items():
        page.set_content(PAGE.format(colours=colours, widget=reply))
        assert broken_rules(page, rules) == []


def test_feedback_and_the_report_of_a_class_break_no_rule(page, broken_rules, tmp_path):
    verdicts = (verdict("confusion_matrix"), verdict("dice_score"))
    points, most = ({v.name: float(getattr(v, n)) for v in verdicts} for n in ("points", "max_points"))
    result, course = Result("ada", "05_losses_metrics", verdicts, points, most), Course(tmp_path, "Vision")
    folder = tmp_path / "autograded" / "ada" / result.lesson
    folder.mkdir(parents=True)
    graded = result.to_json() | {"graded_at": "2026-01-05T10:00:00+00:00"}
    (folder / "segcourse.json").write_text(json.dumps(graded))
    report = class_report.page(class_report.build(course, result.lesson))
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for text in (feedback.page(course, result), report):
            page.set_content(text)
            assert broken_rules(page) == []
