"""The page of `segcourse serve` in a real browser: by mouse and by keyboard, light and dark."""

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segcourse.data.images import read_image
from segcourse.deploy.server import Server
from segcourse.deploy.service import Limits, Service
from segcourse.inference.segmenter import Segmenter
from segcourse.palette import Palette

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PALETTE = Palette(("background", "cat", "dog"), ((0, 0, 0), (230, 159, 0), (86, 180, 233)))


class Thirds(nn.Module):
    """Class 0, 1 or 2 where the (normalised) red channel is low, middling or high."""

    def forward(self, x):
        red = x[:, :1]
        return torch.cat([-red, torch.full_like(red, 0.5), red], dim=1)


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(Thirds(), palette=PALETTE, device="cpu")


@pytest.fixture(scope="module")
def server(segmenter):
    models = {"pets": segmenter, "lesions": segmenter}
    server = Server(Service(models, Limits(megabytes=1, megapixels=1)))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server
    server.stop()
    thread.join(60)


@pytest.fixture
def opened(page, server):
    """The page, which asks no other server for anything and whose script has no error."""
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Policy" in message.text else None)
    page.goto(server.url)
    page.wait_for_selector("[data-ready]")
    yield page
    assert errors == []
    assert {url for url in asked if not url.startswith((server.url, "data:", "blob:"))} == set()


@pytest.fixture(scope="module")
def picture():
    """Stripes of the three classes, as pixels and as a file."""
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:, 30:60, 0], pixels[:, 60:, 0] = 150, 250
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return pixels, {"name": "stripes.png", "mimeType": "image/png", "buffer": content.getvalue()}


def choose(page, file):
    page.get_by_label("Choose a picture").set_input_files(file)
    page.locator("#result").wait_for()


def canvas(page):
    return shown(page.locator("canvas").evaluate("canvas => canvas.toDataURL()"))


def shown(address):
    import base64

    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        return np.array(image.convert("RGB"))


def saved(page, button):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    with Image.open(download.value.path()) as image:
        return download.value.suggested_filename, np.array(image)


def test_a_picture_gets_its_classes_in_colour_and_can_be_compared(opened, picture, segmenter):
    pixels, file = picture
    choose(opened, file)
    mask = segmenter.predict(pixels)
    assert opened.get_by_role("status").inner_text() == (
        "stripes.png, 90 × 60 pixels: background 33.3\u00a0%, cat 33.3\u00a0%, dog 33.3\u00a0%."
    )
    assert opened.locator("canvas").get_attribute("aria-label").endswith("cat 33.3\u00a0%, dog 33.3\u00a0%")
    tinted = (0.5 * pixels + 0.5 * PALETTE.colourise(mask)).round()
    expected = np.where(mask[..., None] == 0, pixels, tinted)
    np.testing.assert_allclose(canvas(opened), expected, atol=1)
    opened.get_by_role("checkbox", name="cat").uncheck()
    np.testing.assert_allclose(canvas(opened), np.where(mask[..., None] == 2, tinted, pixels), atol=1)
    opened.get_by_label("Before and after").focus()
    opened.keyboard.press("End")
    np.testing.assert_array_equal(canvas(opened), pixels)


def test_everything_works_by_keyboard(opened, picture):
    pixels, file = picture
    choose(opened, file)
    reached = []
    opened.get_by_label("Choose a picture").focus()
    for _ in range(8):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate("document.activeElement.id || document.activeElement.value"))
    assert reached == ["model", "0", "1", "2", "opacity", "swipe", "save-mask", "save-view"]
    opened.get_by_label("Opacity").focus()
    opened.keyboard.press("End")
    np.testing.assert_array_equal(canvas(opened)[:, 30:60], np.broadcast_to(PALETTE.colours[1], (60, 30, 3)))
    opened.get_by_role("checkbox", name="cat").focus()
    opened.keyboard.press("Space")
    np.testing.assert_array_equal(canvas(opened)[:, 30:60], pixels[:, 30:60])


def test_another_network_segments_the_same_picture_and_its_note_is_shown(opened, picture):
    choose(opened, picture[1])
    assert not opened.get_by_text("Not a medical device").is_visible()
    opened.get_by_label("Network").select_option("lesions")
    opened.get_by_text("Not a medical device").wait_for()
    opened.locator("#result").wait_for()


def test_mask_and_view_can_be_saved(opened, picture, segmenter):
    pixels, file = picture
    choose(opened, file)
    name, mask = saved(opened, "Download the mask")
    assert name == "stripes_mask.png"
    np.testing.assert_array_equal(mask, segmenter.predict(pixels))
    name, view = saved(opened, "Download this view")
    assert name == "stripes_view.png"
    np.testing.assert_array_equal(view[..., :3], canvas(opened))


def test_a_dropped_picture_is_segmented_and_a_rotated_one_comes_upright(opened, segmenter):
    image = Image.fromarray(np.repeat(np.uint8([[[250, 0, 0]] * 40 + [[0, 0, 0]] * 20]), 24, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    image.save(content, "JPEG", exif=exif, quality=95)
    data = opened.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "turned.jpg", { type: "image/jpeg" }));
            return data;
        }""",
        list(content.getvalue()),
    )
    opened.locator("#drop").dispatch_event("drop", {"dataTransfer": data})
    opened.locator("#result").wait_for()
    upright = read_image(content)
    assert upright.shape == (60, 24, 3)
    opened.get_by_role("checkbox", name="dog").uncheck()
    np.testing.assert_allclose(canvas(opened), upright, atol=3)  # two decoders


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no picture", "The picture is not an image file; expected JPEG, PNG, GIF, BMP, TIFF or WebP."),
        (b"x" * 1_000_001, "The file has more than 1 million bytes; shrink or compress it."),
    ],
)
def test_a_wrong_file_gets_a_sentence(opened, content, sentence):
    opened.get_by_label("Choose a picture").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": content}
    )
    opened.get_by_text(sentence).wait_for()
    assert not opened.locator("#result").is_visible()


def test_a_picture_that_the_browser_can_not_show_still_gets_its_mask(opened, picture, segmenter):
    pixels, _ = picture
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "TIFF")
    choose(opened, {"name": "a.tif", "mimeType": "image/tiff", "buffer": content.getvalue()})
    assert opened.get_by_role("status").inner_text().startswith("Your browser can't show this kind of file")
    assert len(np.unique(canvas(opened).reshape(-1, 3), axis=0)) == 3


def test_a_busy_server_is_asked_again(opened, picture, server):
    _, file = picture
    places = server.service.gate.requests
    server.service.gate.requests = 0
    opened.get_by_label("Choose a picture").set_input_files(file)
    opened.get_by_text("The server is busy. Trying again").wait_for()
    server.service.gate.requests = places
    opened.locator("#result").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(opened, picture, scheme):
    opened.emulate_media(color_scheme=scheme)
    choose(opened, picture[1])
    contrasts = opened.evaluate(
        """() => {
            const light = rgb => {
                const [r, g, b] = rgb.match(/[\\d.]+/g).map(v => v / 255)
                    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = e => {
                for (; e; e = e.parentElement) {
                    const colour = getComputedStyle(e).backgroundColor;
                    if (colour !== "rgba(0, 0, 0, 0)") return light(colour);
                }
                return 1;
            };
            return [...document.querySelectorAll("h1, p, label, legend, button, .button, .share")].map(e => {
                const [a, b] = [light(getComputedStyle(e).color), behind(e)].sort((a, b) => b - a);
                return (a + 0.05) / (b + 0.05);
            });
        }"""
    )
    assert len(contrasts) > 10
    assert min(contrasts) >= 4.5  # WCAG 2, level AA


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_breaks_no_rule_of_axe(opened, broken_rules, theme):
    opened.emulate_media(color_scheme=theme)
    assert broken_rules(opened) == []
