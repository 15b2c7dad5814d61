"""Move a widget of a lesson as a reader does, by mouse and by keyboard, and compare it with its static twin.

The static twin is what a page without scripts shows: for a question its lines of text, for a slider its first
frame, for a widget that draws its pictures.
"""

import base64
import re

import cv2
import numpy as np

PAGE = '<!doctype html><html lang="en"><title>A lesson</title><main><h1>A lesson</h1>{content}</main></html>'
SHOWN = "[data-question], [data-frames], [data-live]"
# For each widget that draws, known by a part that no other has: what is done to which part, in this order.
# Each step has to change what is seen. "twin" compares a canvas with a picture of the static twin, and "back"
# compares what is seen with what was seen at first.
STEPS = {
    "tolerance": "picture:twin tolerance:PageUp tolerance:PageDown back row:PageUp row:PageDown back "
    "picture:click",
    "undo": "picture:twin add:Enter undo:Enter back picture:click undo:click",
    "reveal": "grid:twin grid:click clear:click back grid:Space reveal:Enter clear:Enter "
    "reveal:click grid:twin1",
    "size": "map:twin size:ArrowLeft size:ArrowRight back right:ArrowLeft right:ArrowRight back map:drag",
    "layout": "left:twin right:twin1 opacity:ArrowLeft opacity:ArrowRight back outlines:Space outlines:click "
    "back left-view:ArrowUp layout:ArrowDown left:click",
}
STATE = """root => JSON.stringify([...root.querySelectorAll('canvas')].map(one => one.toDataURL())
    .concat(root.querySelector('[data-part=say]').textContent))"""
URIS = """(root, [part, index]) => [root.querySelector(`canvas[data-part="${part}"]`).toDataURL(),
    root.querySelectorAll('[data-part=twin] img')[index].src]"""
# the frames that a slider shows; their pictures are there, and all else is hidden
FRAMES = """root => {
    const shown = [...root.querySelectorAll('[data-frame]')].filter(one => one.checkVisibility());
    const broken = shown.flatMap(one => [...one.querySelectorAll('img')]).filter(one => !one.naturalWidth);
    return [root.querySelector('input').value, broken.length,
        ...new Set(shown.map(one => one.dataset.frame))]}"""
FOLDS = "root => [...root.querySelectorAll(':scope > details')].map(one => one.open)"


def errors(page) -> list[str]:
    """Return a list to which every error of the page's scripts is added."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: message.type == "error" and found.append(message.text))
    return found


def widgets(outputs) -> list[tuple[str, str]]:
    """Return (HTML, plain text) of each widget in the outputs of a cell."""
    bundles = [output.get("data", {}) for output in outputs]
    shown = [(data.get("text/html", ""), data.get("text/plain", "")) for data in bundles]
    return [one for one in shown if re.match(r"<div data-(question|frames|live)=", one[0])]


def move(output, text: str = "") -> None:
    """Move the widget in an output of a cell, and the one folded in it; its plain text is `text`."""
    widget = output.locator(SHOWN).first
    widget.scroll_into_view_if_needed()
    kind = widget.evaluate("one => Object.keys(one.dataset)[0]")
    {"question": guess, "frames": slide, "live": draw}[kind](widget, text)


def guess(question, text: str) -> None:
    """Guess once by mouse and once by keyboard; each guess opens its verdict and what the cell showed."""
    folds = question.locator(":scope > details")
    asked = [question.locator("p").first.inner_text(), *folds.locator("> summary").all_inner_texts()]
    lines = [asked[0], *(f"  {chr(65 + i)}. {choice}" for i, choice in enumerate(asked[1:-1]))]
    assert "\n".join(lines) == text
    assert asked[-1] == "Show me"
    choices = len(lines) - 1
    for number, press in ((0, None), (choices - 1, "Enter")):
        summary = folds.nth(number).locator("summary").first
        summary.press(press) if press else summary.click()
        folds.last.locator(":scope > div").wait_for()
        assert question.evaluate(FOLDS) == [i in (number, choices) for i in range(choices + 1)]
        summary.press(press) if press else summary.click()
        folds.last.locator("summary").first.press("Space")
        assert not any(question.evaluate(FOLDS))
    verdicts = folds.evaluate_all("all => all.map(one => one.querySelector('div').textContent)")[:-1]
    [right] = [choice for choice, verdict in zip(asked[1:], verdicts, strict=False) if "✓ Yes: " in verdict]
    assert {re.sub(".*(Yes|The answer is): ", "", verdict)[: len(right)] for verdict in verdicts} == {right}
    folds.last.locator("summary").first.click()
    if folds.last.locator(SHOWN).count():
        move(folds.last)


def slide(frames, text: str) -> None:
    """Move a slider to both ends, and play what it shows."""
    slider, status = frames.locator("input"), frames.get_by_role("status")

    def shows(frame) -> bool:
        return frames.evaluate(FRAMES) == [str(frame), 0, str(frame)]

    start, last = slider.input_value(), slider.get_attribute("max")
    assert shows(start)
    assert not text or text.endswith(f": {status.inner_text()}")
    seen = set()
    for key, frame in (("Home", 0), ("ArrowRight", min(1, int(last))), ("End", last)):
        slider.press(key)
        assert shows(frame), key
        seen.add(status.inner_text())
    assert len(seen) == min(3, int(last) + 1)
    box = slider.bounding_box()
    slider.click(position={"x": 3, "y": box["height"] / 2})
    assert shows(0)
    play = frames.get_by_role("button")
    if play.count():
        slider.press("End")
        play.press("Enter")
        frames.locator('[data-frame="0"]').first.wait_for()
        assert shows(0)
        slider.press("End")
        frames.page.wait_for_timeout(1300)  # two frames further, if it still played
        assert shows(last)


def draw(live, text: str) -> None:
    """Take the steps of a widget that draws."""
    live.page.wait_for_function("one => one.dataset.ready", arg=live.element_handle())
    assert not text or live.locator("[data-part=say]").inner_text() == text
    [steps] = [steps for part, steps in STEPS.items() if live.locator(f"[data-part={part}]").count()]
    first = before = live.evaluate(STATE)
    for step in steps.split():
        part, _, action = step.partition(":")
        where = live.locator(f"[data-part={part}]")
        if action.startswith("twin"):
            drawn, still = map(decoded, live.evaluate(URIS, [part, int(action[4:] or 0)]))
            difference = np.abs(cv2.blur(drawn - still, (8, 8))).mean()  # without the noise of a JPEG
            assert difference < 1, step
            continue
        if step == "back":
            assert before == first
            continue
        if action == "click":
            box = where.bounding_box()
            where.click(position={"x": box["width"] / 3, "y": box["height"] / 3})
        elif action == "drag":
            where.drag_to(where, source_position={"x": 100, "y": 100}, target_position={"x": 120, "y": 90})
        else:
            where.press(action)
        after = live.evaluate(STATE)
        assert after != before, f"{step} changes nothing"
        before = after


def decoded(uri: str) -> np.ndarray:
    """Return the picture of a data: URI as numbers that can be subtracted."""
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.float32)
