"""Exercise 7.5: bytes that a stranger sent, as a picture or a refusal."""

import contextlib
import functools
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFile, ImageOps

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import container
from segcourse.exercises.engine.observing import Explained, NotYourOwn
from segcourse.exercises.l07_deployment import _pictures


def decode_upload(data, max_pixels):
    """Decode an uploaded image file: uint8 H x W x 3. Raise a ValueError for anything else."""
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])  # reads the header only
        pixels = image.width * image.height
        if pixels <= max_pixels:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Image.DecompressionBombError as error:  # Pillow's own limit, 179 million pixels
        raise ValueError("The image has too many pixels.") from error
    except Exception as error:  # decoders raise many kinds for damaged files
        raise ValueError("The upload isn't a PNG or JPEG file, or it is damaged.") from error
    raise ValueError(f"The image has {pixels} pixels; at most {max_pixels} are accepted.")


PICTURES, LIMIT, BROKEN = "pictures", "too many pixels", "no picture"
_ORIENTATION, _TURNED = 0x0112, 6  # the EXIF tag; 6 means: turn by 90 degrees clockwise to see it upright
_WAYS = {3: "by 180 degrees", 6: "by 90 degrees", 8: "by 270 degrees", 5: "by 90 degrees and mirrored"}


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(7)

    def case(group, data, max_pixels, given, *traits, refused=False):
        inputs = {"data": data, "max_pixels": max_pixels}
        observe = functools.partial(_refusal if refused else _picture, given)
        return Case(group, inputs, traits, observe, given=f"{given}, max_pixels = {max_pixels}")

    def colours(rng, height=2, width=3):
        return Image.fromarray(_pictures.picture(rng, height, width))

    grey = Image.fromarray(np.array([[0, 90, 255], [30, 60, 200]], np.uint8))
    yield case(PICTURES, _file(colours(fixed)), 100, "an RGB picture, 2 x 3")
    yield case(PICTURES, _file(grey), 100, "a grey picture, 2 x 3", "the file is grey")
    few = colours(fixed).quantize(4)
    yield case(PICTURES, _file(few), 100, "a picture with a palette", "the file has a palette")
    clear = colours(fixed)
    clear.putalpha(120)
    yield case(
        PICTURES, _file(clear), 100, "a picture with an alpha channel", "the file has an alpha channel"
    )
    for tag, way in _WAYS.items():
        given = f"a picture that its EXIF data turn {way}"
        traits = ["the EXIF data turn the picture"] + ["the camera was held upright"] * (tag == _TURNED)
        yield case(PICTURES, _file(colours(fixed), turned=tag), 100, given, *traits)
    flat = Image.new("RGB", (8, 8), (120, 120, 120))
    yield case(PICTURES, _file(flat, "JPEG"), 100, "a JPEG file, 8 x 8", "the file is a JPEG")
    yield case(LIMIT, _file(colours(fixed, 4, 5)), 20, "a picture, 4 x 5", "it has exactly max_pixels")
    given = "a picture with one pixel too many"
    yield case(LIMIT, _file(colours(fixed, 1, 21)), 20, given, refused=True)
    given = "a picture with more than twice as many pixels"
    yield case(LIMIT, _file(colours(fixed, 7, 8)), 20, given, refused=True)
    given = "a picture of 2 x 60 pixels"
    yield case(LIMIT, _file(colours(fixed, 2, 60)), 100, given, "each side is below max_pixels", refused=True)
    plain = Image.new("RGB", (90, 80), (200, 0, 0))
    given = "a picture of 7,200 pixels of one colour in a file of few bytes"
    yield case(LIMIT, _file(plain), 7199, given, "the file is small", refused=True)
    given = "a PNG file whose header says 30,000 x 30,000 pixels"
    yield case(LIMIT, _bomb(30_000, 30_000), 10**6, given, "the file is small", refused=True)
    yield case(BROKEN, b"", 100, "no byte at all", refused=True)
    yield case(BROKEN, b"<html>please log in</html>", 100, "a web page", refused=True)
    whole = _file(colours(fixed, 9, 9))
    given = "the first two thirds of a PNG file"
    yield case(BROKEN, whole[: len(whole) * 2 // 3], 100, given, "the file is cut off", refused=True)
    given = "the header of a PNG file and nothing else"
    yield case(BROKEN, _bomb(9, 9)[:33], 100, given, "the file is cut off", refused=True)
    for kind in ("GIF", "BMP", "TIFF"):
        given = f"a {kind} file, 2 x 3"
        yield case(
            BROKEN, _file(colours(fixed), kind), 100, given, "the file has another format", refused=True
        )
    for mode in ("RGB", "L"):
        image = colours(rng, 3, 4).convert(mode)
        traits = ["the EXIF data turn the picture"] + ["the file is grey"] * (mode == "L")
        yield case(PICTURES, _file(image, turned=_TURNED), 100, f"a turned picture, {mode}", *traits)
    height, width = 4 + int(rng.integers(4)), 5 + int(rng.integers(4))
    image = _file(colours(rng, height, width))
    given = f"a picture of {height} x {width} pixels"
    yield case(LIMIT, image, height * width, given, "it has exactly max_pixels")
    yield case(LIMIT, image, height * width - 1, given, refused=True)
    cut = image[: int(rng.integers(50, len(image) - 20))]
    yield case(BROKEN, cut, 100, "a part of a PNG file", "the file is cut off", refused=True)


def _file(image: Image.Image, kind: str = "PNG", turned: int = 0) -> bytes:
    """Return an image as the bytes of a file; `turned` is the EXIF tag that says how to see it upright."""
    exif = Image.Exif()
    if turned:
        exif[_ORIENTATION] = turned
    stream = io.BytesIO()
    image.save(stream, kind, **{"exif": exif} if turned else {})
    return stream.getvalue()


def _bomb(height: int, width: int) -> bytes:
    """Return a PNG file whose header promises that many pixels and whose data hold none."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@contextlib.contextmanager
def _decoding() -> Iterator[list[tuple[int, int]]]:
    """Note the size of each picture that Pillow or OpenCV decode meanwhile; bring back Pillow's switches."""
    sizes = []
    load, decode = ImageFile.ImageFile.load, cv2.imdecode

    def noting(self: ImageFile.ImageFile) -> Any:
        sizes.append(self.size)
        return load(self)

    def decoding(*given: Any, **options: Any) -> Any:
        picture = decode(*given, **options)
        sizes.extend([] if picture is None else [picture.shape[:2]])
        return picture

    with (
        mock.patch.object(ImageFile.ImageFile, "load", noting),
        mock.patch.object(cv2, "imdecode", decoding),
        mock.patch.object(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS),
        mock.patch.object(ImageFile, "LOAD_TRUNCATED_IMAGES", False),
    ):
        yield sizes


def _picture(given: str, answer: Callable, case: Case) -> dict[str, Any]:
    """Observe the picture that an answer reads."""
    try:
        with _decoding():
            return _pictures.look(answer, case)
    except ValueError as error:
        raise Explained(
            f"Given {given}, your answer raises a ValueError. This picture has to be read."
        ) from error


def _refusal(given: str, answer: Callable, case: Case) -> dict[str, Any]:
    """Observe that an upload is refused by a ValueError with a sentence, before its pixels are decoded."""
    asked = "A ValueError with a sentence is asked for."
    with _decoding() as sizes:
        try:
            came = f"returns {container(answer(*case.inputs.values()))}"
        except ValueError as error:
            came = "" if str(error) else "raises a ValueError without a sentence"
        except (NotImplementedError, NotYourOwn):
            raise
        except Exception as error:
            raise Explained(
                f"Given {given}, your answer stops with {type(error).__name__}. {asked}"
            ) from error
    if came:
        raise Explained(f"Given {given}, your answer {came}. {asked}")
    if case.group == LIMIT and any(width * height > case.inputs["max_pixels"] for width, height in sizes):
        raise Explained(
            "You decode the pixels before you compare their number with `max_pixels`: a small file can "
            "unpack to gigabytes. `Image.open` reads the header alone; compare width times height there."
        )
    return {"the upload is refused": True}


def _made(allowed=lambda image, data, limit: image.width * image.height <= limit,
          turn=ImageOps.exif_transpose, finish=lambda image: np.array(image.convert("RGB")),
          damaged=None, early=lambda image: None, formats=("PNG", "JPEG")):  # fmt: skip
    """Return an answer that does one thing differently."""

    def wrong(data, max_pixels):
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
            early(image)
            if allowed(image, data, max_pixels):
                return finish(turn(image))
        except Exception as error:
            if damaged:
                return damaged(error)
            raise ValueError("The upload isn't an image file, or it is damaged.") from error
        raise ValueError("The image has too many pixels.")

    return wrong


def _raised(error):
    raise error


def _none_if_bad(data, max_pixels):
    try:
        return decode_upload(data, max_pixels)
    except ValueError:
        return None


def _limited_by_pillow(formats):
    """Return an answer that leaves the limit to Pillow."""

    def wrong(data, max_pixels):
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
        except Exception as error:
            raise ValueError("The upload isn't an image file, or it is damaged.") from error

    return wrong


def _patched(data, max_pixels):
    """Fill up what is cut off."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    return decode_upload(data, max_pixels)


def _as_it_lies(image):
    """Stack grey three times and cut alpha off; a palette's indices look like grey."""
    pixels = np.array(image)
    return (np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels[..., :3]).astype(np.uint8)


def _by_hand(image):
    """Turn by the three commonest tags, and not mirror."""
    angle = {3: 180, 6: 270, 8: 90}.get(image.getexif().get(_ORIENTATION), 0)
    return image.rotate(angle, expand=True)


def _thumbnail(data, max_pixels):
    """Shrink what is too large."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            side = max(1, int(max_pixels**0.5))
            image.thumbnail((side, side))
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:
        raise ValueError("The upload isn't an image file, or it is damaged.") from error


def _on_white(image):
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def celebrate(answer):
    """Show a picture that went through a file, and what was refused."""
    from segcourse.plotting import show_image

    image = Image.fromarray(_pictures.lesion()[0])
    picture = answer(_file(image, "JPEG", turned=_TURNED), 10**6)
    show_image(picture, "a turned JPEG, upright", alt="A lesion that your function has read from bytes.")
    with contextlib.suppress(ValueError):
        answer(_bomb(30_000, 30_000), 10**6)
        return
    print(f"Refused without unpacking: {len(_bomb(30_000, 30_000))} bytes that promise 900,000,000 pixels.")


EXERCISE = Exercise(
    decode_upload,
    number="7.5",
    difficulty=2,
    minutes=15,
    groups={PICTURES: 2, LIMIT: 2, BROKEN: 1},
    cases=cases,
    observe=_pictures.look,
    celebrate=celebrate,
    mistakes=[
        *(
            (
                "You refuse no picture for its number of pixels. Where there are more than `max_pixels`, a "
                "ValueError is asked for; to shrink a picture, you would have to decode it first.",
                wrong,
            )
            for wrong in (
                _made(allowed=lambda image, data, limit: True),
                _made(allowed=lambda image, data, limit: True, formats=None),
                _thumbnail,
            )
        ),
        *(
            (
                "You leave the limit to Pillow (`Image.MAX_IMAGE_PIXELS`). Up to twice that number it only "
                "warns. Compare width times height with `max_pixels` yourself.",
                _limited_by_pillow(formats),
            )
            for formats in (("PNG", "JPEG"), None)
        ),
        (
            "You read every format that Pillow knows: GIF, BMP, TIFF and dozens more. Only PNG and JPEG are "
            "asked for: `formats=[\"PNG\", \"JPEG\"]`.",
            _made(formats=None),
        ),
        (
            "You read PNG files only. JPEG files are asked for as well.",
            _made(formats=["PNG"]),
        ),
        (
            "You fill up what is missing of a file that is cut off (`LOAD_TRUNCATED_IMAGES`). It is damaged: "
            "raise a ValueError.",
            _patched,
        ),
        (
            "You decode the pixels first, and compare their number with `max_pixels` afterwards. Then the "
            "memory is full already: compare the header's width and height.",
            _made(early=lambda image: image.load()),
        ),
        (
            "You compare the number of *bytes* with `max_pixels`. A file of few bytes can hold many pixels, "
            "and a small picture can have a long file.",
            _made(allowed=lambda image, data, limit: len(data) <= limit),
        ),
        (
            "You compare three numbers per pixel with `max_pixels`. Pixels are counted: width times height.",
            _made(allowed=lambda image, data, limit: 3 * image.width * image.height <= limit),
        ),
        (
            "You compare the longer side with `max_pixels`. Compare width times height.",
            _made(allowed=lambda image, data, limit: max(image.size) <= limit),
        ),
        (
            "You refuse a picture with exactly `max_pixels`. At most that many are accepted.",
            _made(allowed=lambda image, data, limit: image.width * image.height < limit),
        ),
        (
            "Your picture lies on its side where the camera was held upright. The file's EXIF data say how "
            "to turn it: `ImageOps.exif_transpose`.",
            _made(turn=lambda image: image),
        ),
        (
            "You turn the picture the wrong way. `ImageOps.exif_transpose` knows all eight ways.",
            _made(
                turn=lambda image: image.transpose(Image.Transpose.ROTATE_90)
                if image.getexif().get(_ORIENTATION) == _TURNED
                else image
            ),
        ),
        *(
            (
                "You turn the picture for some values of the EXIF tag and not for all: it has eight, and "
                "some mirror. `ImageOps.exif_transpose` knows them.",
                _made(turn=turn),
            )
            for turn in (
                _by_hand,
                lambda image: image.transpose(Image.Transpose.ROTATE_270)
                if image.getexif().get(_ORIENTATION) == _TURNED
                else image,
            )
        ),
        (
            "You return four channels. RGB has three: `convert(\"RGB\")` drops the alpha channel.",
            _made(finish=lambda image: np.array(image.convert("RGBA"))),
        ),
        (
            "You take a palette's numbers as shades of grey. They are places in a table of colours, which "
            "`convert(\"RGB\")` looks up.",
            _made(finish=_as_it_lies),
        ),
        (
            "You return the file's own channels: one for grey or for a palette, four with transparency. "
            "`convert(\"RGB\")` makes three.",
            _made(finish=np.array),
        ),
        (
            "Your channels are blue, green, red. RGB is asked for.",
            _made(finish=lambda image: np.array(image.convert("RGB"))[..., ::-1].copy()),
        ),
        (
            "Your channels come first, 3 x H x W. A picture is H x W x 3.",
            _made(finish=lambda image: np.array(image.convert("RGB")).transpose(2, 0, 1).copy()),
        ),
        (
            "You mix transparent pixels with a background. The alpha channel is dropped: `convert(\"RGB\")` "
            "leaves the colours as they are.",
            _made(finish=_on_white),
        ),
        (
            "Your picture is grey. Keep its colours: `convert(\"RGB\")`.",
            _made(finish=lambda image: np.array(image.convert("L").convert("RGB"))),
        ),
        (
            "You let the decoder's own errors through. A service that expects a ValueError then answers "
            "\"internal error\" where the user needs a sentence.",
            _made(damaged=_raised),
        ),
        (
            "You return a black picture where the file is damaged. The sender doesn't learn that: raise a "
            "ValueError.",
            _made(damaged=lambda error: np.zeros((1, 1, 3), np.uint8)),
        ),
        (
            "You return None where the file is bad. None travels on until something else breaks: raise a "
            "ValueError.",
            _none_if_bad,
        ),
    ],
    finished=("segcourse.data.decode:open_image", "segcourse.data.images:read_image"),
)  # fmt: skip
