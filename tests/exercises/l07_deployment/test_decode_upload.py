"""Exercise 7.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import io
import itertools

import cv2
import numpy as np
import pytest
from contract import Contract
from PIL import Image, ImageFile, ImageOps
from torchvision.transforms.v2 import functional

from segcourse import exercises
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.l07_deployment import decode_upload as module
from segcourse.exercises.l07_deployment.decode_upload import decode_upload as answer


def with_parser(data, max_pixels):
    with io.BytesIO(data) as stream:
        try:
            image = Image.open(stream, formats=("JPEG", "PNG"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError("no picture") from error
        width, height = image.size
        if height * width > max_pixels:
            raise ValueError(f"{height} x {width} is too large")
        try:
            image.load()
        except Exception as error:
            raise ValueError("damaged") from error
        image = ImageOps.exif_transpose(image)
        return functional.pil_to_tensor(image.convert("RGB")).permute(1, 2, 0).numpy()


class Refused(ValueError):
    pass


def with_steps(uploaded, most):
    try:
        picture = Image.open(io.BytesIO(uploaded))
        if picture.format not in ("PNG", "JPEG"):
            raise Refused(f"{picture.format} files are not read here")
        size = picture.size
        if np.prod(size, dtype=np.int64) > most:
            raise Refused("more pixels than allowed")
        picture = picture.convert("RGB") if picture.mode != "RGB" else picture
        return np.array(ImageOps.exif_transpose(picture))
    except Refused:
        raise
    except Exception:
        raise Refused("not readable") from None


def by_header(data, max_pixels):
    parser = ImageFile.Parser()
    problem = ValueError("this file can't be read")
    try:
        parser.feed(data[:64])  # enough for a PNG's header
        image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG"])
    except Exception:
        raise problem from None
    if image.height > max_pixels / image.width:
        raise ValueError("too large")
    try:
        upright = ImageOps.exif_transpose(image)
        return np.stack([np.array(channel) for channel in upright.convert("RGB").split()], axis=-1)
    except Exception:
        raise problem from None


def by_opencv(data, max_pixels):
    """Decode first, by another library than Pillow."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if picture is None or picture.shape[0] * picture.shape[1] > max_pixels:
        raise ValueError("no picture, or too large")
    return picture


def misspelt(data, max_pixels):
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
        if image.widht * image.height > max_pixels:
            raise ValueError("too many")
        return np.array(image.convert("RGB"))
    except Exception as error:
        raise ValueError("no picture") from error


def asserting(data, max_pixels):
    image = Image.open(io.BytesIO(data))
    assert image.width * image.height <= max_pixels
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def silent(data, max_pixels):
    try:
        return answer(data, max_pixels)
    except ValueError:
        raise ValueError from None


class TestDecodeUpload(Contract):
    name = "decode_upload"
    library = staticmethod(with_steps)
    right = {"load": with_parser, "steps": with_steps, "header": by_header}
    promises = (
        ("any bytes", "no picture", module._made(damaged=module._raised)),
        ("at most this many pixels are accepted", "it has exactly max_pixels",
         module._made(allowed=lambda image, data, limit: image.width * image.height < limit)),
        ("at most this many pixels are accepted", "each side is below max_pixels",
         module._made(allowed=lambda image, data, limit: max(image.size) <= limit)),
        ("at most this many pixels are accepted", "the file is small",
         module._made(allowed=lambda image, data, limit: len(data) <= limit)),
        ("a uint8 array H x W x 3, RGB", "the file is grey", module._made(finish=np.array)),
        ("a uint8 array H x W x 3, RGB", "the file has a palette", module._made(finish=np.array)),
        ("an alpha channel is dropped", "the file has an alpha channel", module._made(finish=np.array),
         module._made(finish=module._on_white)),
        ("a uint8 array H x W x 3, RGB", "the file is a JPEG", lambda *given: answer(*given) / 255),
        ("turned upright, as its EXIF data say", "the camera was held upright",
         module._made(turn=lambda image: image)),
        ("turned upright, as its EXIF data say", "the EXIF data turn the picture", module._made(turn=module._by_hand)),
        ("of a PNG or JPEG file", "the file is a JPEG", module._made(formats=["PNG"])),
        ("A file of another format (GIF, BMP, TIFF)", "the file has another format", module._made(formats=None),
         module._made(formats=["PNG", "JPEG", "GIF"]), module._made(formats=["PNG", "JPEG", "BMP"]),
         module._made(formats=["PNG", "JPEG", "TIFF"])),
        ("a ValueError with a sentence", "too many pixels", module._none_if_bad, silent),
        ("a ValueError with a sentence", "no picture", module._none_if_bad, silent),
        ("one that is damaged or cut off", "the file is cut off", module._patched,
         module._made(damaged=lambda error: np.zeros((1, 1, 3), np.uint8))),
        ("refused before its pixels are decoded", "too many pixels", module._made(early=lambda image: image.load()),
         by_opencv, module._limited_by_pillow(None)),
    )  # fmt: skip
    equal = {
        r"image\.height \* image\.width": "a product of two numbers",
        r"at most \{data\}": "only the sentence's number",
    }
    said = (
        (silent, "your answer raises a ValueError without a sentence"),
        (
            module._made(
                early=lambda image: image.load(), finish=lambda image: np.array(image.convert("RGB")) // 2
            ),
            "You decode the pixels before you compare their number",
        ),
        (module._none_if_bad, "You return None where the file is bad"),
        (
            misspelt,
            "while it handles another error: AttributeError: 'PngImageFile' object has no attribute 'widht' (line ",
        ),
        (
            asserting,
            "your answer stops with AssertionError. A ValueError with a sentence is asked for. See line ",
        ),
        (by_opencv, "You decode the pixels before you compare their number"),
        (lambda data, limit: answer(data, limit - 1), "You refuse a picture with exactly `max_pixels`"),
    )

    def test_results_learned_by_heart_get_no_point_on_other_cases(self):
        results = itertools.cycle([module._none_if_bad(*c.inputs.values()) for c in draw(self.exercise)])

        def recited(data, max_pixels):
            result = next(results)
            if result is None:
                raise ValueError("no")
            return result

        assert not exercises.assess(self.name, recited, seed=4711).passed


def test_a_crash_on_a_good_picture_shows_the_students_line():
    def wrong(data, max_pixels):
        return Image.open(data)

    verdict = exercises.assess("decode_upload", wrong)
    assert "See line" in verdict.diagnosis
    assert "`return Image.open(data)`: ValueError: embedded null byte." in verdict.diagnosis
    with pytest.raises(ValueError, match="isn't a PNG or JPEG file"):
        answer(b"nothing", 1)
