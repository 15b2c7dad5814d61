"""Class names and colours: convert label maps to colour pictures and back."""

import colorsys
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from segcourse.errors import DataError, first_few

IGNORE = 255  # the label of pixels without a class: void, padding
IGNORE_COLOUR = (127, 127, 127)

# Okabe & Ito 2008, "Color universal design": people with any common kind of colour blindness can tell these
# colours apart. Black comes first, for the background.
OKABE_ITO = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# Maps of errors have these of them, so no class has one, nor a colour that looks like one.
FALSE_NEGATIVE, WRONG_CLASS, FALSE_POSITIVE = OKABE_ITO[2], OKABE_ITO[4], OKABE_ITO[6]
_ALIKE = 60  # distance in R, G, B
# The other five, and three that were searched for the largest distance to them for every sight.
_CLASSES = (*(OKABE_ITO[i] for i in (0, 1, 3, 5, 7)), (150, 0, 240), (150, 30, 0), (210, 240, 150))
GOOD, BAD = "#009E73", "#D55E00"  # of Okabe and Ito: bluish green and vermilion, for right and wrong


@dataclass(frozen=True)
class Palette:
    """The classes of a data set: one name and one colour (R, G, B in 0..255) per class id.

    Raises:
        DataError: the numbers of names and colours differ, two classes share a colour, or a colour is out of
            range.

    >>> palette = Palette.lesion()
    >>> rgb = palette.colourise(np.array([[0, 1, 255]]))
    >>> rgb.tolist()
    [[[0, 0, 0], [230, 159, 0], [127, 127, 127]]]
    >>> palette.labels(rgb).tolist()
    [[0, 1, 255]]
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        # Callers and JSON pass lists; tuples keep a palette hashable and comparable.
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "colours", tuple(tuple(int(v) for v in colour) for colour in self.colours))
        if len(self.names) != len(self.colours):
            raise DataError(
                f"{len(self.names)} class names but {len(self.colours)} colours; give one colour per name."
            )
        if not 1 <= len(self.names) <= IGNORE:
            raise DataError(
                f"{len(self.names)} classes; a palette holds 1 to {IGNORE} classes; {IGNORE} means ignored."
            )
        if any(len(colour) != 3 or not all(0 <= v <= 255 for v in colour) for colour in self.colours):
            raise DataError("a colour is three numbers in 0..255: red, green, blue.")
        if len({*self.colours, IGNORE_COLOUR}) <= len(self.colours):
            raise DataError(
                f"two classes share a colour, or a class has {IGNORE_COLOUR}, the colour of ignored pixels; "
                "give each class its own colour."
            )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def default(cls, names: int | Sequence[str]) -> "Palette":
        """Return a palette for a list or a number of classes: five of Okabe and Ito's colours, then others.

        The first eight look different with any common kind of colour blindness. No class has a colour of
        the maps of errors (sky blue, yellow, vermilion), or of ignored pixels.

        >>> Palette.default(3).names
        ('class 0', 'class 1', 'class 2')
        """
        if isinstance(names, int):
            names = [f"class {i}" for i in range(names)]
        reserved = np.array([FALSE_NEGATIVE, WRONG_CLASS, FALSE_POSITIVE, IGNORE_COLOUR])
        colours = list(_CLASSES)
        step = 0
        while len(colours) < len(names):
            # The golden ratio never repeats a hue. Three brightness levels keep neighbouring hues distinct
            # for colour-blind readers.
            hue, value = (step * 0.618034) % 1, (0.95, 0.45, 0.7)[step % 3]
            red, green, blue = (round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.75, value))
            colour = (red, green, blue)
            if colour not in colours and np.linalg.norm(reserved - colour, axis=1).min() > _ALIKE:
                colours.append(colour)
            step += 1
        return cls(tuple(names), tuple(colours[: len(names)]))

    @classmethod
    def lesion(cls) -> "Palette":
        """Return the palette of skin and lesion, as in ISIC 2018 Task 1."""
        return cls.default(["skin", "lesion"])

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Palette":
        """Read a text file with one class per line: a name and three numbers, in either order.

        CamVid's `label_colors.txt` ("64 128 64<tab>Animal") and the `class_dict.csv` of many data sets
        ("Animal,64,128,64" under a line of column names) are such files. Lines that start with # are skipped.

        Raises:
            DataError: the file can't be read, or a line lacks a name or three numbers.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"the palette {path} cannot be read ({error}); give a text file with a line NAME R G B per "
                "class."
            ) from error
        names, colours = [], []
        for number, line in enumerate(lines, start=1):
            words = re.split(r"[\s,;]+", line.strip())
            values = [int(word) for word in words if word.isdigit()]
            if not line.strip() or line.lstrip().startswith("#") or (number == 1 and not values):
                continue
            name = " ".join(word for word in words if word and not word.isdigit())
            if len(values) != 3 or not name:
                raise DataError(
                    f"{path}, line {number}: {line.strip()!r}; give a name and three numbers in 0..255, such "
                    "as: sky 128 128 128."
                )
            names.append(name)
            colours.append((values[0], values[1], values[2]))
        return cls(tuple(names), tuple(colours))

    def colourise(self, mask: ArrayLike) -> np.ndarray:
        """Convert class ids (H×W, any integer type) to colours (uint8 H×W×3); 255 becomes grey.

        Raises:
            DataError: the mask is not an integer array, or it holds an id outside the palette.
        """
        mask = _array(mask)
        if mask.dtype.kind not in "iub":
            raise DataError(
                f"a mask holds integer class ids; this one is {mask.dtype}. Take the argmax of scores first."
            )
        unknown = np.unique(mask[(mask != IGNORE) & ((mask < 0) | (mask >= len(self)))])
        if unknown.size:
            raise DataError(
                f"the mask holds {first_few(unknown.tolist())}, but the palette has {len(self)} classes, ids "
                f"0..{len(self) - 1} (and {IGNORE} for ignored pixels). Pass a palette with more classes, or "
                "map the mask's values to class ids."
            )
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colours
        table[IGNORE] = IGNORE_COLOUR
        return table[mask.astype(np.uint8)]  # safe: every id is in 0..255 by now

    def labels(self, rgb: ArrayLike) -> np.ndarray:
        """Convert colours (uint8 H×W×3) to class ids (uint8 H×W); the exact inverse of `colourise`.

        Raises:
            DataError: a colour is not in the palette. JPEG and bilinear resizing create such colours.
        """
        rgb = _array(rgb)
        if rgb.dtype != np.uint8 or rgb.ndim < 3 or rgb.shape[-1] != 3:
            raise DataError(
                f"a colour mask is uint8 H×W×3; this one is {rgb.dtype} {'×'.join(map(str, rgb.shape))}."
            )
        # One 32-bit integer per colour: in uint8, red << 16 would be 0.
        code = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        colours = np.array([*self.colours, IGNORE_COLOUR], np.uint32) @ np.array(
            [1 << 16, 1 << 8, 1], np.uint32
        )
        order = np.argsort(colours)
        found = order[np.searchsorted(colours, code, sorter=order).clip(max=len(colours) - 1)]
        unknown = colours[found] != code
        if unknown.any():
            examples = first_few(np.unique(rgb[unknown], axis=0).tolist())
            raise DataError(
                f"{int(unknown.sum())} pixels have colours that no class has, for example {examples}. Save "
                "masks in a lossless format (PNG, not JPEG) and resize them by nearest neighbour."
            )
        return np.append(np.arange(len(self), dtype=np.uint8), np.uint8(IGNORE))[found]


def _array(values: Any) -> np.ndarray:
    """Convert a tensor (on any device) or an array-like to a NumPy array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
