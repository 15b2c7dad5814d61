"""Widgets in a real browser, without a kernel: by mouse and by keyboard, against what Python computes."""

import base64
import html
import re

import cv2
import numpy as np
import pytest

from segcourse.classical import grabcut, grow_from_clicks, grow_region
from segcourse.palette import IGNORE, Palette
from segcourse.plotting.arrays import error_map
from segcourse.widgets import (
    click_to_segment,
    label_with_clicks,
    mask_viewer,
    metric_explorer,
    receptive_field_explorer,
    threshold_explorer,
)
from segcourse.widgets.clicks import clicked_box, marked
from segcourse.widgets.field import CELL, picture, touched
from segcourse.widgets.labels import clicked
from segcourse.widgets.scores import SCORES, distance, moved, scores, sentence
from segcourse.widgets.viewer import tint

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RNG = np.random.default_rng(0)
PALETTE = Palette.default(("road", "car", "sky"))
IMAGE = RNG.integers(0, 256, (24, 36, 3), dtype=np.uint8)
TRUTH = np.zeros((24, 36), np.uint8)
TRUTH[4:14, 6:20], TRUTH[:3], TRUTH[20:, 30:] = 1, 2, IGNORE
GUESS = np.roll(TRUTH % IGNORE, 3, axis=1)


class Widget:
    """A widget on a page of its own."""

    def __init__(self, page, widget, dark=False):
        self.page, self.errors = page, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        theme = "#111;color:#eee;color-scheme:dark" if dark else "#fff;color:#111"
        page.set_content(f'<body style="background:{theme}">{widget.html()}</body>')
        page.wait_for_selector("[data-ready]")

    def part(self, name):
        return self.page.locator(f'[data-part="{name}"]')

    def set(self, name, value):
        self.part(name).evaluate(
            "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})) }", value
        )

    def picture(self, name):
        """Return what is to be seen on a canvas: uint8 RGB."""
        data = self.part(name).evaluate("canvas => canvas.toDataURL()")
        return decoded(data.split(",")[1])

    def says(self):
        return self.part("say").inner_text()

    def click(self, name, y, x):
        """Click the middle of a canvas's pixel."""
        box, (height, width, _) = self.part(name).bounding_box(), self.picture(name).shape
        self.page.mouse.click(
            box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height
        )


@pytest.fixture
def opened(page):
    """Return a function that opens a widget; no script may fail."""
    widgets = []

    def start(widget, dark=False):
        widgets.append(Widget(page, widget, dark))
        return widgets[-1]

    yield start
    assert [error for widget in widgets for error in widget.errors] == []


def twin(widget, index=0):
    """Return a picture of the static twin, as Python encoded it."""
    return decoded(re.findall(r'<img [^>]*src="data:image/\w+;base64,([^"]+)"', widget.html())[index])


def decoded(data):
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_viewer_opacity_classes_and_outlines(opened):
    widget = mask_viewer(IMAGE, TRUTH, GUESS, palette=PALETTE)
    live = opened(widget)
    labels = [0, 1, 2, IGNORE]
    np.testing.assert_array_equal(live.picture("left"), tint(IMAGE, TRUTH, PALETTE, 0.5, labels))
    np.testing.assert_array_equal(live.picture("right"), tint(IMAGE, GUESS, PALETTE, 0.5, labels))
    np.testing.assert_array_equal(live.picture("left"), twin(widget))
    np.testing.assert_array_equal(live.picture("right"), twin(widget, 1))
    live.part("opacity").focus()
    live.page.keyboard.press("ArrowRight")
    live.part("outlines").focus()
    live.page.keyboard.press("Space")
    live.part("class-2").uncheck()
    live.part("class-255").uncheck()
    expected = tint(IMAGE, TRUTH, PALETTE, 0.55, [0, 1], outlines=True)
    np.testing.assert_array_equal(live.picture("left"), expected)


def test_viewer_swipes_by_mouse_and_by_keyboard(opened):
    live = opened(mask_viewer(IMAGE, TRUTH, GUESS, palette=PALETTE), dark=True)
    live.part("left-view").select_option("image")
    live.part("right-view").select_option("right and wrong")
    errors = live.picture("right")
    assert {tuple(rgb) for rgb in errors.reshape(-1, 3)} == {(0, 0, 0), (240, 228, 66), (127, 127, 127)}
    live.part("layout").select_option("swipe")
    assert not live.part("right").is_visible()
    live.click("left", 10, 9)
    swiped = live.picture("left")
    np.testing.assert_array_equal(swiped[:, :8], IMAGE[:, :8])
    np.testing.assert_array_equal(swiped[:, 10:], errors[:, 10:])
    live.part("swipe").focus()
    live.page.keyboard.press("End")
    np.testing.assert_array_equal(live.picture("left")[:, :-1], IMAGE[:, :-1])


def test_a_region_grows_as_in_python(opened):
    smooth = cv2.GaussianBlur(IMAGE, (0, 0), 2)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    grey = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY)
    truth = (TRUTH == 1).astype(np.uint8)
    widget = click_to_segment(smooth, truth, tolerance=30)
    live = opened(widget)
    assert live.says() == widget.text()
    np.testing.assert_array_equal(live.picture("picture"), twin(widget))
    for y, x, tolerance in [(0, 0, 0), (23, 35, 12), (7, 30, 25), (12, 3, 55), (5, 0, 100)]:
        live.set("tolerance", tolerance)
        live.click("picture", y, x)
        region = grow_region(grey, (y, x), tolerance).numpy().astype(np.uint8)
        np.testing.assert_array_equal(live.picture("picture"), marked(smooth, region, (y, x)))
        same = click_to_segment(smooth, truth, seed=(y, x), tolerance=tolerance)
        assert live.says() == same.text()
    live.part("row").focus()
    live.page.keyboard.press("ArrowRight")
    assert live.says().startswith("Seed at row 6, column 0, ")


def test_grabcut_shows_the_nearest_click_that_was_computed(opened):
    square = np.full((24, 36, 3), 200, np.uint8) + RNG.integers(0, 20, (24, 36, 3), dtype=np.uint8)
    square[3:9, 6:12] -= 150
    cut = grabcut(square, clicked_box(6, 9, (24, 36))).numpy()
    assert 0 < cut.sum() < 100
    live = opened(click_to_segment(square, grabcut_clicks=(2, 2)))
    live.part("method").select_option("GrabCut in a box")
    live.click("picture", 3, 4)
    assert live.says() == f"Nearest computed click: row 6, column 9: {100 * cut.mean():.1f} % of the pixels."
    np.testing.assert_array_equal(live.picture("picture"), marked(square, cut.astype(np.uint8), (6, 9)))
    assert live.part("tolerance").is_disabled()


def test_labels_grow_from_clicks_as_in_python(opened):
    smooth = cv2.normalize(cv2.GaussianBlur(IMAGE, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    truth = (TRUTH == 1).astype(np.uint8)
    widget = label_with_clicks(smooth, truth, clicks=[(4, 5, 1)])
    live = opened(widget)
    assert live.says() == widget.text()
    np.testing.assert_array_equal(live.picture("picture"), twin(widget))
    clicks = [(4, 5, 1)]

    def shows(place):
        mask = grow_from_clicks(smooth, clicks).numpy().astype(np.uint8)
        np.testing.assert_array_equal(live.picture("picture"), clicked(smooth, mask, clicks, place))
        assert live.says() == label_with_clicks(smooth, truth, clicks=clicks).text()
        assert live.part("line").input_value() == f"clicks = {clicks}"

    live.click("picture", 20, 30)
    clicks.append((20, 30, 1))
    shows((20, 30))
    live.part("kind").select_option("the background")
    live.click("picture", 12, 18)
    clicks.append((12, 18, 0))
    shows((12, 18))
    live.set("row", 3)
    live.part("add").focus()
    live.page.keyboard.press("Enter")
    clicks.append((3, 18, 0))
    shows((3, 18))
    live.part("undo").click()
    clicks.pop()
    shows((3, 18))


def test_a_painted_guess_is_compared_with_what_is_seen(opened):
    widget = receptive_field_explorer((2, 2))
    live = opened(widget)
    seen = touched([2, 2], kernel=3, side=17)
    np.testing.assert_array_equal(live.picture("grid"), twin(widget))
    for y, x in ((8, 8), (8, 10), (8, 11)):
        live.click("grid", y * CELL + 5, x * CELL + 5)
    assert live.picture("grid")[8 * CELL + 1, 11 * CELL + 1].tolist() == [240, 228, 66]
    assert "25" not in live.says(), "the answer is hidden until the guess is made"
    live.part("reveal").click()
    assert live.says().endswith("25 of them are seen. Your painting: 2 right, 1 wrong, 23 missing.")
    live.part("clear").click()
    live.part("reveal").click()
    np.testing.assert_array_equal(live.picture("grid"), picture(seen))
    np.testing.assert_array_equal(live.picture("grid"), twin(widget, 1))


def test_the_grid_is_painted_by_keyboard_and_played(opened):
    live = opened(receptive_field_explorer((1, 2, 4)), dark=True)
    live.part("grid").focus()
    for key in ("ArrowRight", "Space", "ArrowDown", "Space"):
        live.page.keyboard.press(key)
    live.part("play").press("Enter")
    live.page.get_by_text("0 of 3 layers back: the field is 1 × 1 = 1 pixels").wait_for()
    live.page.get_by_text("1 of 3 layers back: the field is 9 × 9 = 81 pixels, and 9 of them").wait_for()
    live.page.get_by_text("2 of 3 layers back: the field is 13 × 13 = 169 pixels, and 49 of them").wait_for()
    live.page.get_by_text("15 × 15 = 225 pixels, and 225 of them are seen. Your painting: 2 right").wait_for()


def test_a_dragged_prediction_has_the_scores_of_python(opened):
    truth = np.zeros((40, 60), np.uint8)
    truth[10:22, 20:41], truth[14:30, 30:34] = 1, 1
    widget = metric_explorer(truth, right=3)
    live = opened(widget)
    np.testing.assert_array_equal(live.picture("map"), twin(widget))
    assert live.says() == widget.text()
    live.part("map").scroll_into_view_if_needed()
    box = live.part("map").bounding_box()
    x, y, pixel = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 60
    live.page.mouse.move(x, y)
    live.page.mouse.down()
    live.page.mouse.move(x - 9 * pixel, y + 5 * pixel, steps=3)
    live.page.mouse.up()
    live.part("size").focus()
    live.page.keyboard.press("ArrowLeft")
    prediction = moved(distance(truth), right=-6, down=5, size=-1)
    np.testing.assert_array_equal(live.picture("map"), error_map(truth, prediction))
    values = scores(truth, prediction)
    assert live.says() == sentence(values)
    assert [live.part(f"score-{i}").inner_text() for i in range(len(SCORES))] == [f"{v:.2f}" for v in values]
    live.set("right", 60)
    assert "precision –" in live.says()


def test_the_threshold_moves_by_keyboard(page):
    values = np.tile(np.linspace(0, 1, 36), (24, 1))
    widget = threshold_explorer(IMAGE, values, TRUTH == 1)
    page.set_content(widget.html())
    page.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_text(widget.captions[widget.start + 1]).is_visible()
    assert not page.get_by_text(widget.captions[widget.start]).is_visible()


@pytest.mark.parametrize(
    "widget",
    [
        lambda: mask_viewer(IMAGE, TRUTH, GUESS, palette=PALETTE),
        lambda: click_to_segment(IMAGE),
        lambda: label_with_clicks(IMAGE, clicks=[(5, 5, 1)]),
        lambda: receptive_field_explorer(),
        lambda: metric_explorer(TRUTH == 1),
    ],
)
def test_without_scripts_the_twin_is_to_be_seen(page, widget):
    page.set_content(re.sub(r'onload="[^"]*"', "", widget().html()))
    for image in page.locator('[data-part="twin"] > div img').all():
        assert image.is_visible()
        assert len(image.get_attribute("alt")) > 20
    assert not page.locator('[data-part="stage"]').is_visible()
    assert html.unescape(page.locator('[data-part="say"]').inner_text())
