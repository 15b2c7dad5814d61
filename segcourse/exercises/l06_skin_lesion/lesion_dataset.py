"""Exercise 6.1: pairs of image and mask, as a network wants them."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.random import Generator

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained


class LesionDataset:
    """Pairs of image (float32, 3 x H x W, 0 … 1) and mask (int64, H x W, 0 and 1), joined by name."""

    def __init__(self, images, masks, transform=None):
        self.names = list(images)
        self.images, self.masks, self.transform = images, masks, transform

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        name = self.names[index]
        image = torch.from_numpy(self.images[name]).permute(2, 0, 1) / 255  # 3, H, W
        mask = (torch.from_numpy(self.masks[name]) >= 128).long()  # H, W
        return (image, mask) if self.transform is None else self.transform(image, mask)


PAIRS, VALUES, TRANSFORM = "the right pairs", "values and types", "transform"


def mirror(image, mask):
    """Return image and mask, mirrored."""
    return image.flip(-1), mask.flip(-1)


def upside_down_if_lesion(image, mask):
    """Return both upside down if the first pixel is lesion: it needs image and mask together."""
    return (image.flip(-2), mask.flip(-2)) if mask[0, 0] == 1 else (image, mask)


class Numbered:
    """A transform that adds the number of its calls to the image."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image, mask):
        self.calls += 1
        return image + self.calls, mask


def cases(rng: Generator) -> Iterator[Case]:
    def case(group, images, masks, given, *traits, transform=None):
        inputs = {"images": images, "masks": masks}
        inputs |= {} if transform is None else {"transform": transform}
        return Case(group, inputs, traits, given=given)

    def image(height=2, width=3):
        return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)

    def mask(height=2, width=3):
        drawn = rng.integers(0, 2, (height, width)).astype(np.uint8)
        drawn.flat[0], drawn.flat[-1] = 1, 0
        return 255 * drawn

    fixed = np.array([[[255, 0, 51], [0, 102, 204]]], np.uint8)
    one = {"a": fixed}, {"a": np.array([[0, 255]], np.uint8)}
    yield case(VALUES, *one, "one image of 1 x 2 pixels, a mask of 0 and 255", "there is one pair")
    images, masks = ({name: draw() for name in "abc"} for draw in (image, mask))
    yield case(PAIRS, images, masks, "three pairs of 2 x 3 pixels")
    other = {name: masks[name] for name in "cab"}
    yield case(PAIRS, images, other, "images a, b, c; masks c, a, b", "the masks come in another order")
    images = {name: images[name] for name in "bca"}
    yield case(PAIRS, images, masks, "images b, c, a; masks a, b, c", "the images are not sorted by name")
    sizes = {"a": (2, 3), "b": (4, 2), "c": (1, 1)}
    images, masks = ({name: draw(*size) for name, size in sizes.items()} for draw in (image, mask))
    yield case(PAIRS, images, masks, "images of 2 x 3, 4 x 2 and 1 x 1 pixels", "the sizes differ")

    blurred = np.array([[0, 1, 4], [127, 128, 254]], np.uint8)
    jpeg = {"a": image()}, {"a": blurred}
    yield case(
        VALUES, *jpeg, "a mask with the values 0, 1, 4, 127, 128 and 254", "the mask was saved as JPEG"
    )
    empty = {"a": image()}, {"a": np.zeros((2, 3), np.uint8)}
    yield case(VALUES, *empty, "a mask of zeros", "the mask is empty")
    full = {"a": image()}, {"a": np.full((2, 3), 255, np.uint8)}
    yield case(VALUES, *full, "a mask of 255", "the mask is full")
    dark = {"a": np.array([[[1, 0, 1], [0, 1, 1]]], np.uint8)}, {"a": np.array([[255, 0]], np.uint8)}
    yield case(VALUES, *dark, "an image with the values 0 and 1 only", "the image is nearly black")

    pairs = {"a": image(), "b": image()}, {"b": mask(), "a": mask()}
    given = "two pairs, and a transform that mirrors both"
    yield case(TRANSFORM, *pairs, given, "the transform mirrors both", transform=mirror)
    given = "two pairs, and a transform that looks at the mask before it flips both"
    yield case(TRANSFORM, *pairs, given, "the transform looks at both", transform=upside_down_if_lesion)
    given = "two pairs, and a transform that adds the number of its calls to the image"
    yield case(
        TRANSFORM, *pairs, given, "each call of the transform gives something else", transform=Numbered()
    )


def look(obj, case):
    """Observe length and items; each item is changed and fetched again, so that shared memory shows."""
    before = {name: [one.copy() for one in case.inputs[name].values()] for name in ("images", "masks")}
    data = obj(*case.inputs.values())
    places = range(len(case.inputs["images"]))
    first = [_item(data, i) for i in reversed(places)]
    for image, mask in first:
        image.data.fill_(9), mask.data.fill_(9)
    seen = {"length": len(data)}
    for i in places:
        seen[f"image {i}"], seen[f"mask {i}"] = _item(data, i)
        if (seen[f"mask {i}"] == 9).all():
            raise Explained(
                "An item shares its memory with the data set: what is written to an item is still there when "
                "it is asked for again. Make new tensors each time."
            )
    if any(
        not np.array_equal(one, other)
        for name in before
        for one, other in zip(before[name], case.inputs[name].values(), strict=True)
    ):
        raise Explained(
            "An item shares its memory with your arrays, or your code writes to them: changing an item "
            "changes the data. Return new tensors."
        )
    seen["items in a for loop"] = sum(1 for _ in itertools.islice(_loop(data), len(places) + 3))
    return seen


def _item(data, index):
    item = data[index]
    if not isinstance(item, tuple | list) or len(item) != 2:
        what = f"{len(item)} things" if isinstance(item, tuple | list) else f"one {type(item).__name__}"
        raise Explained(f"Your item is {what}; a tuple (image, mask) is asked for.")
    for name, value, dtype in zip(("image", "mask"), item, (torch.float32, torch.int64), strict=True):
        if not isinstance(value, torch.Tensor):
            raise Explained(f"Your item's {name} is of type {type(value).__name__}; a tensor is asked for.")
        if value.dtype != dtype:
            raise Explained(f"Your item's {name} has the type {value.dtype}; {dtype} is asked for.")
    return item


def _loop(data):
    try:
        yield from data
    except KeyError as error:
        raise Explained(
            "A `for` loop over your data set stops with a KeyError. Beyond the last item, Python expects "
            "an IndexError; a list raises one."
        ) from error


def _wrong(image=None, mask=None, names=list, pair=None, transform=True):
    """Return a data set that treats one thing differently."""

    class Wrong(LesionDataset):
        def __init__(self, images, masks, transform=None):
            super().__init__(images, masks, transform)
            self.names = names(images)

        def __getitem__(self, index):
            name = self.names[index]
            other = pair(self, index) if pair else self.masks[name]
            x = torch.from_numpy(self.images[name].copy())
            x = image(x) if image else x.permute(2, 0, 1) / 255
            y = torch.from_numpy(other.copy())
            y = mask(y) if mask else (y >= 128).long()
            return self.transform(x, y) if self.transform and transform else (x, y)

    return Wrong


class _Once(LesionDataset):
    """Transform when the data set is made."""

    def __init__(self, images, masks, transform=None):
        super().__init__(images, masks, transform)
        self.items = [super(_Once, self).__getitem__(i) for i in range(len(images))]

    def __getitem__(self, index):
        return tuple(one.clone() for one in self.items[index])


class _ImageOnly(LesionDataset):
    def __getitem__(self, index):
        name = self.names[index]
        image = torch.from_numpy(self.images[name]).permute(2, 0, 1) / 255
        mask = (torch.from_numpy(self.masks[name]) >= 128).long()
        return (self.transform(image, mask)[0] if self.transform else image), mask


class _MaskOnly(LesionDataset):
    def __getitem__(self, index):
        name = self.names[index]
        image = torch.from_numpy(self.images[name]).permute(2, 0, 1) / 255
        mask = (torch.from_numpy(self.masks[name]) >= 128).long()
        return image, (self.transform(image, mask)[1] if self.transform else mask)


class _Apart(LesionDataset):
    def __getitem__(self, index):
        name = self.names[index]
        image = torch.from_numpy(self.images[name]).permute(2, 0, 1) / 255
        mask = (torch.from_numpy(self.masks[name]) >= 128).long()
        if self.transform is None:
            return image, mask
        return self.transform(image, mask)[0], self.transform(image, mask)[1]


class _Shorter(LesionDataset):
    def __len__(self):
        return len(self.names) - 1


class _Pixels(LesionDataset):
    def __len__(self):
        return len(self.images[self.names[0]])


class _Swapped(LesionDataset):
    def __getitem__(self, index):
        return super().__getitem__(index)[::-1]


class _Named(LesionDataset):
    def __getitem__(self, index):
        return (*super().__getitem__(index), self.names[index])


def celebrate(answer):
    """Show three pairs of the data set."""
    from segcourse.data import load_dataset
    from segcourse.plotting import outline, show_image

    lesions = load_dataset("lesions", "test", size=64, count=3)
    pictures = {f"lesion {i}": lesions.picture(i) for i in range(3)}
    images = {name: image for name, (image, _) in pictures.items()}
    masks = {name: 255 * mask for name, (_, mask) in reversed(pictures.items())}
    data = answer(images, masks)
    panels = [outline(*data[i]) for i in range(len(data))]
    show_image(panels, list(images), alt="Three lesions of your data set, each outlined by its own mask.")


EXERCISE = Exercise(
    LesionDataset,
    number="6.1",
    difficulty=2,
    minutes=15,
    groups={PAIRS: 2, VALUES: 2, TRANSFORM: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You pair images and masks by their places. The two may come in another order: look the mask up "
            "by the image's name.",
            _wrong(pair=lambda data, i: list(data.masks.values())[i]),
        ),
        (
            "You sort the masks by name and take the one in the image's place. Look it up by the image's "
            "name.",
            _wrong(pair=lambda data, i: data.masks[sorted(data.masks)[i]]),
        ),
        (
            "Your items are in the order of their sorted names. Item i belongs to the i-th name of `images`, "
            "as they come.",
            _wrong(names=sorted),
        ),
        (
            "Your mask still holds 0 … 255. A loss takes these values for class ids: make them 0 and 1.",
            _wrong(mask=lambda y: y.long()),
        ),
        *(
            (
                "Only 255 becomes lesion in your mask. A mask saved as JPEG holds values near 255 as well: "
                "everything from 128 on is lesion.",
                _wrong(mask=wrong),
            )
            for wrong in (lambda y: (y == 255).long(), lambda y: (y / 255).long())
        ),
        (
            "Everything above 0 becomes lesion in your mask. A mask saved as JPEG holds values near 0 in its "
            "background: only values from 128 on are lesion.",
            _wrong(mask=lambda y: (y > 0).long()),
        ),
        (
            "The value 128 becomes skin in your mask. From 128 on, a pixel is lesion.",
            _wrong(mask=lambda y: (y > 128).long()),
        ),
        (
            "The value 127 becomes lesion in your mask. Below 128, a pixel is skin.",
            _wrong(mask=lambda y: (y >= 127).long()),
        ),
        (
            "Lesion and skin are exchanged in your mask: 255 is lesion, 1.",
            _wrong(mask=lambda y: (y < 128).long()),
        ),
        (
            "Your mask has three axes. A loss wants the class ids of an image as H x W, without a channel.",
            _wrong(mask=lambda y: (y >= 128).long()[None]),
        ),
        (
            "Your mask is not int64. It holds class ids, and the cross-entropy asks for int64: `.long()`.",
            _wrong(mask=lambda y: (y >= 128).float()),
        ),
        (
            "Your mask is bool. It holds class ids, and the cross-entropy asks for int64: `.long()`.",
            _wrong(mask=lambda y: y >= 128),
        ),
        (
            "Your mask is uint8. It holds class ids, and the cross-entropy asks for int64: `.long()`.",
            _wrong(mask=lambda y: (y >= 128).byte()),
        ),
        (
            "Your image still holds 0 … 255. Divide by 255: a network expects numbers from 0 to 1.",
            _wrong(image=lambda x: x.permute(2, 0, 1).float()),
        ),
        (
            "You divide each image by its own largest value. Dark images then become as bright as others: "
            "divide by 255.",
            _wrong(image=lambda x: x.permute(2, 0, 1) / x.max()),
        ),
        (
            "Your image holds -1 … 1. Numbers from 0 to 1 are asked for: divide by 255, no more.",
            _wrong(image=lambda x: x.permute(2, 0, 1) / 127.5 - 1),
        ),
        (
            "You divide by 256. White, 255, then becomes less than 1: divide by 255.",
            _wrong(image=lambda x: x.permute(2, 0, 1) / 256),
        ),
        (
            "Your image is H x W x 3. PyTorch wants the channels first, 3 x H x W: `permute(2, 0, 1)`.",
            _wrong(image=lambda x: x / 255),
        ),
        (
            "You reshape H x W x 3 to 3 x H x W: that keeps the numbers in their old order, and colours of "
            "different pixels get mixed. `permute` moves the axes.",
            _wrong(image=lambda x: x.reshape(3, *x.shape[:2]) / 255),
        ),
        (
            "Your image is 3 x W x H: rows and columns are exchanged. `permute(2, 0, 1)` moves only the "
            "channels.",
            _wrong(image=lambda x: x.T / 255),
        ),
        (
            "Your channels are in the order blue, green, red. They come as RGB and stay so.",
            _wrong(image=lambda x: x.permute(2, 0, 1).flip(0) / 255),
        ),
        (
            "Your image is float64. A network's weights are float32: divide a tensor, or call `.float()`.",
            _wrong(image=lambda x: x.permute(2, 0, 1).double() / 255),
        ),
        (
            "Your image is uint8. Divide by 255 to get a float tensor from 0 to 1.",
            _wrong(image=lambda x: x.permute(2, 0, 1)),
        ),
        ("You don't use `transform`. Where one is given, return what it returns.", _wrong(transform=False)),
        (
            "You transform the image and keep the mask as it was: mirrored images get outlines that lie "
            "elsewhere. Return both results of `transform`.",
            _ImageOnly,
        ),
        (
            "You transform the mask and keep the image as it was. Return both results of `transform`.",
            _MaskOnly,
        ),
        (
            "You call `transform` twice, once for the image and once for the mask. A random transform then "
            "does one thing to the image and another to the mask: call it once and take both results.",
            _Apart,
        ),
        (
            "You transform once, when the data set is made. Every epoch then sees the same pictures: call "
            "`transform` each time an item is asked for.",
            _Once,
        ),
        ("Your length is one too small. It is the number of pairs.", _Shorter),
        ("Your length is the height of an image. It is the number of pairs.", _Pixels),
        ("You return the mask first. An item is (image, mask).", _Swapped),
        ("Your item has three parts. A tuple of two is asked for: (image, mask).", _Named),
    ],
)
