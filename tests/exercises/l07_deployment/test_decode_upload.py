"""Exercise 7.5: right answers in other styles, promises and their breakers, mutants that are equal."""

import io
import itertools

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
            image = Image.open(stream, formats=("PNG", "JPEG", "GIF"))
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
        image = Image.open(io.BytesIO(data))
    except Exception:
        raise problem from None
    if image.height > max_pixels / image.width:
        raise ValueError("too large")
    try:
        upright = ImageOps.exif_transpose(image)
        return np.stack([np.array(channel) for channel in upright.convert("RGB").split()], axis=-1)
    except Exception:
        raise problem from None


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
        ("a ValueError with a sentence", "too many pixels", module._none_if_bad, silent),
        ("a ValueError with a sentence", "no picture", module._none_if_bad, silent),
        ("A file that is damaged or cut off", "the file is cut off",
         module._made(damaged=lambda error: np.zeros((1, 1, 3), np.uint8))),
        ("refused before its pixels are decoded", "too many pixels", module._made(early=lambda image: image.load())),
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
    assert "Your code stops in" in verdict.diagnosis
    with pytest.raises(ValueError, match="isn't an image file"):
        answer(b"nothing", 1)
