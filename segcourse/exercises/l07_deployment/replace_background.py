"""Exercise 7.2: an object before another background, with soft edges."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.l07_deployment._pictures import FIFTHS, lesion, look, picture


def replace_background(image, mask, background):
    """Show the image where its mask is 1 and the background's middle where it is 0; mix in between."""
    height, width = mask.shape
    top, left = (background.shape[0] - height) // 2, (background.shape[1] - width) // 2
    behind = background[top : top + height, left : left + width]  # H, W, 3
    opacity = mask[..., None]  # H, W, 1
    return (opacity * image + (1 - opacity) * behind).round().astype(np.uint8)


HARD, SOFT, SIZES = "hard masks", "soft edges", "larger backgrounds"


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(7)

    def case(group, mask, size, *traits, rng=fixed):
        image, background = picture(rng, *mask.shape), picture(rng, *size)
        return Case(group, {"image": image, "mask": mask, "background": background}, traits)

    def soft(rng, *shape):
        mask = rng.choice((0.0, *FIFTHS, 1.0), shape)
        mask.flat[:3] = 0.4, 0.6, 1.0
        return mask

    yield case(HARD, np.array([[True, False]]), (1, 2), "the mask is bool")
    yield case(HARD, np.array([[1.0, 0.0], [0.0, 1.0]]), (2, 2), "the mask is float and holds 0 and 1")
    yield case(HARD, np.zeros((2, 3), bool), (2, 3), "the mask is empty")
    yield case(HARD, np.ones((2, 3), bool), (2, 3), "the mask is full")
    bright = np.full((1, 2, 3), 250, np.uint8), np.array([[0.4, 0.6]]), np.full((1, 2, 3), 245, np.uint8)
    inputs = dict(zip(("image", "mask", "background"), bright, strict=True))
    yield Case(SOFT, inputs, ("the mask has numbers between 0 and 1", "both pictures are bright"))
    yield case(SOFT, np.array([[0.2, 0.8], [0.4, 0.6]]), (2, 2), "the mask has numbers between 0 and 1")
    half = np.array([[0.2, 0.8, 0.0]], np.float32)
    yield case(SOFT, half, (1, 3), "the mask has numbers between 0 and 1", "the mask is float32")
    yield case(SIZES, np.array([[True, False, False]]), (3, 7), "the margins are even")
    yield case(SIZES, np.array([[False, True], [False, False]]), (5, 3), "the margins are odd")
    odd = np.array([[True, False, True], [False, True, False], [False, False, True]])
    yield case(SIZES, odd, (4, 6), "the margins are odd", "the sides are odd, those of the background even")
    yield case(SIZES, np.array([[0.0, 0.2], [0.6, 1.0]]), (2, 6), "only the width is larger")
    yield case(SIZES, np.array([[0.0, 0.2], [0.6, 1.0]]), (8, 2), "only the height is larger")
    yield case(HARD, rng.random((4, 6)) < 0.5, (4, 6), "the mask is bool", rng=rng)
    yield case(SOFT, soft(rng, 5, 3), (5, 3), "the mask has numbers between 0 and 1", rng=rng)
    size = 3 + 2 * int(rng.integers(1, 4)), 5 + 2 * int(rng.integers(1, 4))
    yield case(SIZES, soft(rng, 3, 5), size, "the margins are even", rng=rng)


def _middle(mask, background):
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = (larger - height) // 2, (wider - width) // 2
    return background[top : top + height, left : left + width]


def _made(opacity=lambda mask: mask, behind=_middle, mix=None, finish=np.round):
    """Return an answer that does one thing differently."""

    def wrong(image, mask, background):
        share = np.asarray(opacity(mask), dtype=float)[..., None]
        back = behind(mask, background)
        mixed = mix(share, image, back) if mix else share * image + (1 - share) * back
        return finish(mixed).astype(np.int64).astype(np.uint8)

    return wrong


def _corner(top, left):
    """Return the part of a background in one of its corners."""

    def part(mask, background):
        (height, width), (larger, wider) = mask.shape, background.shape[:2]
        y, x = (larger - height) * top, (wider - width) * left
        return background[y : y + height, x : x + width]

    return part


def _halves(mask, background):
    """Return the part that begins at half of the background less half of the image, each rounded down."""
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = larger // 2 - height // 2, wider // 2 - width // 2
    return background[top : top + height, left : left + width]


def _resized(mask, background):
    """Return the background squeezed to the size of the mask, by nearest neighbour as OpenCV counts."""
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    rows, columns = np.arange(height) * larger // height, np.arange(width) * wider // width
    return background[rows][:, columns]


def _larger_half(mask, background):
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = (larger - height + 1) // 2, (wider - width + 1) // 2
    return background[top : top + height, left : left + width]


def _rounded_half(mask, background):
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = round((larger - height) / 2), round((wider - width) / 2)
    return background[top : top + height, left : left + width]


def _negative_end(mask, background):
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = (larger - height) // 2, (wider - width) // 2
    return background[top:-top, left:-left]


def _width_for_height(mask, background):
    (width, height), (larger, wider) = mask.shape, background.shape[:2]
    top, left = (larger - height) // 2, (wider - width) // 2
    return background[top : top + height, left : left + width]


def _box_from_the_top(mask, background):
    """Crop as Pillow does, with rows and columns exchanged in the box."""
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    top, left = (larger - height) // 2, (wider - width) // 2
    return np.array(Image.fromarray(background).crop((top, left, top + height, left + width)))


def _whole(image, mask, background):
    """Return the whole background with the object pasted into its middle."""
    picture, (height, width) = background.copy(), mask.shape
    top, left = (background.shape[0] - height) // 2, (background.shape[1] - width) // 2
    picture[top : top + height, left : left + width] = replace_background(image, mask, background)
    return picture


def _rows_for_columns(mask, background):
    (height, width), (larger, wider) = mask.shape, background.shape[:2]
    left, top = (larger - height) // 2, (wider - width) // 2
    return background[top : top + height, left : left + width]


def celebrate(answer):
    """Show a lesion before a grey gradient, with a soft edge."""
    from segcourse.plotting import show_image

    image, mask = lesion()
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2)
    grey = np.repeat(np.linspace(60, 220, 160, dtype=np.uint8)[:, None], 200, axis=1)
    background = np.stack([grey, grey, grey], axis=-1)
    panels = [image, answer(image, soft, background)]
    alt = "A lesion on skin, and your cut-out of it before a grey gradient."
    show_image(panels, ["image", "your new background"], alt=alt)


EXERCISE = Exercise(
    replace_background,
    number="7.2",
    difficulty=2,
    minutes=10,
    groups={HARD: 1, SOFT: 1, SIZES: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You exchange the two pictures: the background is shown where the mask is 1. There the image "
            "stays.",
            _made(opacity=lambda mask: 1 - mask.astype(float)),
        ),
        (
            "Your mask becomes yes or no at 0.5, so that edges are hard. Use its numbers as shares: 0.8 "
            "means 0.8 of the image and 0.2 of the background.",
            _made(opacity=lambda mask: mask > 0.5),
        ),
        (
            "You show the plain image wherever the mask is above 0. Use its numbers as shares.",
            _made(opacity=lambda mask: mask > 0),
        ),
        (
            "You show the plain image only where the mask is exactly 1, and the plain background elsewhere "
            "(does a conversion to whole numbers make every share a 0?). Use its numbers as shares.",
            _made(opacity=lambda mask: mask == 1),
        ),
        (
            "Your cut-out is black outside the mask: the background is missing. Add (1 - mask) of it.",
            _made(mix=lambda share, image, back: share * image),
        ),
        (
            "You add the whole background, not (1 - mask) of it. Numbers above 255 start again from 0.",
            _made(mix=lambda share, image, back: share * image + back),
        ),
        (
            "You add the whole background, not (1 - mask) of it, and cut at 255.",
            _made(mix=lambda share, image, back: (share * image + back).clip(0, 255)),
        ),
        (
            "You put the whole image on top, and only the background is weighted. Take the mask's share of "
            "the image.",
            _made(mix=lambda share, image, back: image + (1 - share) * back),
        ),
        (
            "Your edge is too dark: the mask's share is squared, as if the image were already multiplied by "
            "it. Multiply once.",
            _made(mix=lambda share, image, back: share * share * image + (1 - share) * back),
        ),
        (
            "You cut the decimals off: in a uint8 array, 99.8 becomes 99. Round first.",
            _made(finish=lambda x: x),
        ),
        (
            "You take the background's top left corner. Its middle is asked for: leave half of the margin on "
            "each side.",
            _made(behind=_corner(0, 0)),
        ),
        (
            "You take the background's bottom right corner. Its middle is asked for: leave half of the "
            "margin on each side.",
            _made(behind=_corner(1, 1)),
        ),
        (
            "Where the background's side is even and the image's odd, your part begins one pixel too far "
            "down or right: both halves were rounded on their own. Halve what is left over, (h - H) // 2.",
            _made(behind=_halves),
        ),
        (
            "You subtract uint8 from uint8. Below 0, that goes on from 255: convert the pictures to float "
            "first.",
            _made(mix=lambda share, image, back: back + share * (image - back)),
        ),
        *(
            (
                "You squeeze the background to the size of the image. Its middle is asked for, as it is.",
                _made(behind=behind),
            )
            for behind in (
                _resized,
                lambda mask, background: cv2.resize(background, mask.shape[::-1]),
                lambda mask, background: cv2.resize(
                    background, mask.shape[::-1], interpolation=cv2.INTER_AREA
                ),
                lambda mask, background: np.array(Image.fromarray(background).resize(mask.shape[::-1])),
            )
        ),
        (
            "You squeeze the background to the size of the image, with height and width exchanged: OpenCV "
            "takes the width first. And its middle is asked for, as it is.",
            _made(behind=lambda mask, background: cv2.resize(background, mask.shape)),
        ),
        (
            "Where an odd number of rows or columns is left over, yours has the additional one at the top or "
            "left. It belongs at the bottom or right: `(h - H) // 2` come before your part.",
            _made(behind=_larger_half),
        ),
        (
            "You halve what is left over with `round`, which goes to the even number: 0.5 becomes 0, and 1.5 "
            "becomes 2. Use `// 2`.",
            _made(behind=_rounded_half),
        ),
        (
            "Your part ends as many pixels before the border as it begins after it. Where nothing is left "
            "over, `[0:-0]` is empty, and an odd number has no half. End at the start plus H, or plus W.",
            _made(behind=_negative_end),
        ),
        (
            "You exchange height and width: an array's shape begins with its rows.",
            _made(behind=_width_for_height),
        ),
        (
            "You exchange rows and columns in the box of `crop`: Pillow takes left, top, right, bottom.",
            _made(behind=_box_from_the_top),
        ),
        (
            "You return the whole background. H x W x 3 is asked for: the part of it behind the image.",
            _whole,
        ),
        (
            "You divide the mask by 255. Its numbers are shares from 0 to 1 already.",
            _made(opacity=lambda mask: mask / 255),
        ),
        (
            "You exchange the margins: that of the rows is used for the columns. An array's first axis is "
            "its rows.",
            _made(behind=_rows_for_columns),
        ),
        (
            "Your background is blue, green, red. Its channels are red, green, blue, as those of the image.",
            _made(behind=lambda mask, background: _middle(mask, background)[..., ::-1]),
        ),
        (
            "You mix image and background in equal parts. Use the numbers of the mask as shares.",
            _made(opacity=lambda mask: np.full(mask.shape, 0.5)),
        ),
        (
            "You return the image as it came. Its background stays.",
            lambda image, mask, background: image.copy(),
        ),
    ],
)
