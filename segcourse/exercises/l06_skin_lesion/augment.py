"""Exercise 6.3: flip image and mask together."""

import random
from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


def augment(image, mask, generator):
    """Flip image and mask together: upside down with probability 1/2, and mirrored with 1/2."""
    for axis in (-2, -1):
        if torch.rand((), generator=generator) < 0.5:
            image, mask = image.flip(axis), mask.flip(axis)
    return image, mask


TOGETHER, CHANCE, GENERATOR = "image and mask together", "how often", "the generator decides"
TRIES = 64  # calls per case: a right answer misses a flip with 4e-8, and is too uneven with 4e-7
FLIPS: dict[str, tuple[int, ...]] = {"none": (), "rows": (-2,), "columns": (-1,), "both": (-2, -1)}


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, height, width, *traits, image=None, mask=None):
        if image is None:
            values = rng.permutation(3 * height * width).reshape(3, height, width)
            image = torch.from_numpy(values / values.size).float()
        if mask is None:
            mask = torch.from_numpy(rng.integers(0, 2, (height, width)))
            mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1] = 1, 0, 0, 0  # tells the four flips apart
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 31)))
        given = f"an image of 3 x {height} x {width}, its mask, and a generator"
        return Case(group, {"image": image, "mask": mask, "generator": generator}, traits, given=given)

    small = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]] * 3) * torch.tensor([1.0, 2, 0.5])[:, None, None]
    yield case(TOGETHER, 2, 2, "the image is square", image=small, mask=torch.tensor([[1, 0], [0, 0]]))
    yield case(TOGETHER, 2, 4, "the image is wider than high")
    yield case(TOGETHER, 5, 3, "the image is higher than wide")
    yield case(TOGETHER, 3, 3, "the image has as many rows as channels")
    yield case(CHANCE, 4, 4)
    empty = torch.zeros(3, 4, dtype=torch.int64)
    yield case(CHANCE, 3, 4, "the mask is empty", mask=empty)
    yield case(GENERATOR, 3, 5)
    yield case(GENERATOR, 4, 3)


def look(obj, case):
    """Observe many calls: which flips occur, whether image and mask agree, and what decides."""
    image, mask, generator = case.inputs.values()
    start = generator.get_state()
    results = [_call(obj, image, mask, generator) for _ in range(TRIES)]
    flips = [(_flip_of(one, image), _flip_of(other, mask)) for one, other in results]
    twin = torch.Generator()
    twin.set_state(start)
    torch.default_generator.manual_seed(1)
    again = [_call(obj, image, mask, twin) for _ in range(TRIES)]
    same = all(a.equal(c) and b.equal(d) for (a, b), (c, d) in zip(results, again, strict=True))
    images, agree = [one for one, _ in flips], all(_agree(*pair, mask) for pair in flips)
    with_rows = [other for one, other in flips if one == "rows"]
    share = {axis: np.mean([name in (axis, "both") for name in images]) for axis in ("rows", "columns")}
    return {
        "the image is always one of the four flips": None not in images,
        "the mask is always one of the four flips": None not in [other for _, other in flips],
        "image and mask are flipped alike": agree,
        "flips that occur": [name in images for name in FLIPS],
        "of the mask where the image is upside down": [name in with_rows for name in FLIPS],
        "half of the images are upside down": bool(0.2 < share["rows"] < 0.8),
        "half of the images are mirrored": bool(0.2 < share["columns"] < 0.8),
        "the generator alone decides": same,
    }


def _call(obj, image, mask, generator):
    pair = obj(image, mask, generator)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        what = f"{len(pair)} things" if isinstance(pair, tuple | list) else f"one {type(pair).__name__}"
        raise Explained(f"Your answer returns {what}; a tuple (image, mask) is asked for.")
    for name, came, given in zip(("image", "mask"), pair, (image, mask), strict=True):
        if not isinstance(came, torch.Tensor):
            raise Explained(f"The {name} that you return is of type {type(came).__name__}, not a tensor.")
        if came.dtype != given.dtype:
            raise Explained(
                f"The {name} that you return has the type {came.dtype}; it came as {given.dtype}."
            )
        if came.shape != given.shape:
            came_shape, shape = tuple(came.shape), tuple(given.shape)
            raise Explained(f"The {name} that you return has shape {came_shape}; it came as {shape}.")
    return pair[0].clone(), pair[1].clone()


def _flip_of(came, given):
    return next((name for name, axes in FLIPS.items() if came.equal(given.flip(axes))), None)


def _agree(one, other, mask):
    return one == other or (
        one is not None and other is not None and mask.flip(FLIPS[one]).equal(mask.flip(FLIPS[other]))
    )


def _chance(generator):
    return bool(torch.rand((), generator=generator) < 0.5)


def _drawn(flips):
    """Return an answer that draws the flips in another way: from a generator to (image's, mask's) axes."""

    def wrong(image, mask, generator):
        one, other = flips(generator)
        return image.flip(one), mask.flip(other)

    return wrong


def _both(axes):
    return _drawn(lambda generator: (axes(generator),) * 2)


def _axes(generator, probability=0.5, axes=(-2, -1)):
    return tuple(axis for axis in axes if torch.rand((), generator=generator) < probability)


def _either(generator):
    return (-2,) if _chance(generator) else (-1,)


def _reseeded(generator):
    return _axes(generator.manual_seed(0))


def _if_rows_then_columns(generator):
    if _chance(generator):
        return (-2, -1) if _chance(generator) else (-2,)
    return ()


def _elif(generator):
    return (-2,) if _chance(generator) else (-1,) if _chance(generator) else ()


def _counted_from_the_front(generator):
    axes = _axes(generator)
    return tuple(axis - 1 for axis in axes), axes


def _in_place(image, mask, generator):
    axes = _axes(generator)
    image.copy_(image.flip(axes))
    mask.copy_(mask.flip(axes))
    return image, mask


def celebrate(answer):
    """Show one lesion in eight draws."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.plotting import outline, show_image

    generator = torch.Generator().manual_seed(0)
    panels = [outline(*answer(lesion().image, lesion().mask, generator)) for _ in range(4)]
    titles = [f"draw {number}" for number in range(1, 5)]
    show_image(panels, titles, alt="One lesion, four times flipped by chance; its outline goes with it.")


EXERCISE = Exercise(
    augment,
    number="6.3",
    difficulty=2,
    minutes=10,
    groups={TOGETHER: 2, CHANCE: 1, GENERATOR: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You draw for the image and draw again for the mask. They disagree in three of four cases: draw "
            "once, and do the same to both.",
            _drawn(lambda generator: (_axes(generator), _axes(generator))),
        ),
        (
            "Your mask stays as it was. An image that is flipped without its mask teaches a wrong outline: "
            "flip both.",
            _drawn(lambda generator: (_axes(generator), ())),
        ),
        (
            "Your image stays as it was, and its mask is flipped. Flip both.",
            _drawn(lambda generator: ((), _axes(generator))),
        ),
        (
            "The mask's rows are flipped with the image's columns, and the other way round. An image has one "
            "axis more in front, so count from the end: -2 are the rows of both, -1 the columns.",
            _drawn(lambda generator: (axes := _axes(generator), tuple(-3 - axis for axis in axes))),
        ),
        (
            "You only mirror, left to right. Upside down is asked for as well.",
            _both(lambda g: _axes(g, axes=(-1,))),
        ),
        (
            "You only turn upside down. Left to right is asked for as well.",
            _both(lambda g: _axes(g, axes=(-2,))),
        ),
        (
            "One draw decides about both flips, so that an image is flipped along both axes or not at all. "
            "Draw once per axis.",
            _both(lambda generator: (-2, -1) if _chance(generator) else ()),
        ),
        (
            "Every image is flipped along exactly one axis. Decide about each axis on its own: none and both "
            "occur, too.",
            _both(_either),
        ),
        (
            "An image is never flipped along both axes (`elif`?). Decide about each axis on its own.",
            _both(_elif),
        ),
        (
            "You draw about the columns only where the rows are flipped (one `if` inside the other?). Decide "
            "about each axis on its own.",
            _both(_if_rows_then_columns),
        ),
        (
            "You always flip along both axes. Each flip has the probability 1/2.",
            _both(lambda generator: (-2, -1)),
        ),
        ("You return image and mask as they came. Nothing is ever flipped.", _both(lambda generator: ())),
        (
            "You flip far too seldom. Each axis is flipped with probability 1/2.",
            _both(lambda generator: _axes(generator, 0.05)),
        ),
        (
            "You flip far too often. Each axis is flipped with probability 1/2.",
            _both(lambda generator: _axes(generator, 0.95)),
        ),
        (
            "The channels of your image are flipped: RGB becomes BGR. Axis 0 of an image is its colours; "
            "rows and columns are -2 and -1.",
            _drawn(_counted_from_the_front),
        ),
        *(
            (
                "You draw from a global generator, of PyTorch, NumPy or Python. Use the one that is given, "
                "as in `torch.rand((), generator=generator)`: a training that is resumed depends on it.",
                _both(wrong),
            )
            for wrong in (
                lambda generator: _axes(None),
                lambda generator: tuple(axis for axis in (-2, -1) if random.random() < 0.5),
            )
        ),
        (
            "You set the generator's seed in each call, so each call draws the same. The caller has set the "
            "seed; you only draw.",
            _both(_reseeded),
        ),
        ("You flip in place: the data set itself changes. Return new tensors: `flip` makes them.", _in_place),
        (
            "You turn the image by 90 degrees instead of flipping it.",
            lambda image, mask, g: tuple(
                torch.rot90(one, k, (-2, -1))
                for k in [int(torch.randint(4, (), generator=g))]
                for one in (image, mask)
            ),
        ),
    ],
)
