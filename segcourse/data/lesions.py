"""Procedural skin lesions: a data set that ships as code, its difficulties planted and switched by name."""

from collections.abc import Callable, Collection

import cv2
import numpy as np
from torch.utils.data import Dataset

from segcourse.data import Sample
from segcourse.data.dermoscopy import paint
from segcourse.data.images import Size, height_width
from segcourse.data.transforms import apply
from segcourse.errors import DataError
from segcourse.palette import Palette

#: What lies on the skin or happens in the camera. On by default.
APPEARANCE = {
    "hairs": "hairs lie over skin and lesion, up to sixty of them",
    "rulers": "a ruler with ticks along one side",
    "bubbles": "gel bubbles and specks of mirrored light",
    "ink": "surgical ink: scribbles, or a ring around the lesion",
    "stickers": "a round coloured sticker reaches into the picture",
    "dark corners": "the lens darkens the corners, softly or with a hard edge",
    "uneven light": "one side, or the rim, gets less light",
    "blur": "out of focus",
}

#: What makes lesions, or their data set, hard. Off by default; a lesson or a test switches it on.
PLANTED = {
    "faint borders": "one lesion in five fades into the skin",
    "tiny lesions": "one lesion in twelve covers 0.3 to 2 % of the picture",
    "cut by the frame": "one lesion in seventeen lies partly outside the picture",
    "empty masks": "one picture in twelve shows no lesion, and its mask is empty",
    "label noise": "one mask in five was drawn too wide or too narrow",
    "patients": "three pictures of each patient, alike in skin, shape and pigment",
    "wrong pairs": "one picture in twenty comes with the mask of the next",
}

DIFFICULTIES = APPEARANCE | PLANTED


def make_lesion(
    rng: np.random.Generator, size: Size = 128, difficulties: Collection[str] = tuple(APPEARANCE)
) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its mask: uint8 H×W×3 RGB, and uint8 H×W with 1 inside the lesion, 0 on skin.

    >>> image, mask = make_lesion(np.random.default_rng(0), size=32)
    >>> image.shape, image.dtype, mask.shape, np.unique(mask).tolist()
    ((32, 32, 3), dtype('uint8'), (32, 32), [0, 1])
    """
    return paint(rng, rng, height_width(size), known(difficulties))


class Lesions(Dataset):
    """`count` procedural dermoscopy pictures; item i is the same whenever the arguments are.

    Args:
        count: how many pictures.
        size: edge length, or (height, width), of at least 16 pixels.
        seed: other pictures for another seed. Training and validation sets differ in it.
        difficulties: names from `DIFFICULTIES`, or "all"; the default is all of `APPEARANCE`.
        transform: a joint transform, see `segcourse.data.transforms`.
        cache: keep each picture once painted (0.07 MB at 128 × 128).

    Attributes:
        patients: the patient's number of each picture (its own number without "patients").
        noisy, swapped: indices whose mask was drawn badly, or belongs to the next picture: the truth that a
            data check is measured by.

    Raises:
        DataError: an unknown difficulty, or a size or count that makes no sense.

    >>> lesions = Lesions(3, size=32)
    >>> image, mask, name = lesions[0]
    >>> image.shape, mask.shape, name, lesions.class_names
    (torch.Size([3, 32, 32]), torch.Size([32, 32]), 'lesion-0-00000', ('skin', 'lesion'))
    """

    palette = Palette.lesion()
    class_names = palette.names

    def __init__(
        self,
        count: int,
        size: Size = 128,
        seed: int = 0,
        difficulties: Collection[str] | str = tuple(APPEARANCE),
        transform: Callable | None = None,
        cache: bool = True,
    ):
        self.size = height_width(size)
        if count < 1 or min(self.size) < 16:
            raise DataError(
                f"{count} lesions of {self.size[0]} × {self.size[1]} pixels were asked for; at least one, "
                "of at least 16 × 16 pixels, is wanted: a lesion has no shape in fewer."
            )
        self.count, self.seed, self.transform = count, seed, transform
        self.difficulties = known(difficulties)
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] | None = {} if cache else None

        draw = np.random.default_rng([seed, 0])
        pairs, noise = draw.random(count) < 0.05, draw.random(count) < 0.2
        self.swapped = np.flatnonzero(pairs & ("wrong pairs" in self.difficulties) & (count > 1)).tolist()
        self.noisy = np.flatnonzero(noise & ("label noise" in self.difficulties)).tolist()
        self.patients = [i // 3 if "patients" in self.difficulties else i for i in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not -self.count <= index < self.count:
            raise IndexError(f"item {index} of {self.count} lesions")
        index %= self.count
        image, mask = self.picture(index)
        if index in self.swapped:
            mask = self.picture((index + 1) % self.count)[1]
        return Sample(*apply(self.transform, image, mask), f"lesion-{self.seed}-{index:05d}")

    def picture(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture and mask number `index` as arrays, before any transform and before masks are swapped."""
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        rng = np.random.default_rng([self.seed, 1, index])
        style = np.random.default_rng([self.seed, 2, self.patients[index]])
        image, mask = paint(rng, style, self.size, self.difficulties)
        if index in self.noisy:
            mask = redrawn(mask, rng)
        if self._cache is not None:
            self._cache[index] = image, mask
        return image, mask


def known(difficulties: Collection[str] | str) -> frozenset[str]:
    """The names as a set, "all" spelled out."""
    if difficulties == "all":
        return frozenset(DIFFICULTIES)
    if isinstance(difficulties, str):
        difficulties = [difficulties]
    unknown = sorted(set(difficulties) - DIFFICULTIES.keys())
    if unknown:
        raise DataError(
            f"{unknown} are no difficulties of lesions; choose from {', '.join(DIFFICULTIES)}, or pass 'all'."
        )
    return frozenset(difficulties)


def redrawn(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask as a hurried hand draws it: 2 to 6 % of the picture's edge too wide, or too narrow."""
    reach = max(1, round(rng.uniform(0.02, 0.06) * min(mask.shape)))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wider = cv2.dilate(mask, brush)
    narrower = cv2.erode(mask, brush)
    return narrower if rng.random() < 0.5 and narrower.any() else wider
