"""Class names and their colours: from label maps to pictures, and back."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segcourse.errors import DataError

IGNORE = 255  # the label of pixels that nobody classified: void, padding
IGNORE_COLOUR = (127, 127, 127)

# Okabe & Ito 2008, "Color universal design": told apart with every common kind of colour blindness. Black
# comes first, for the background.
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


@dataclass(frozen=True)
class Palette:
    """The classes of a data set: one name and one colour (R, G, B in 0..255) for each class id.

    Raises:
        DataError: names and colours differ in number, two share a colour, or a colour is out of range.

    >>> palette = Palette.lesion()
    >>> rgb = palette.colourise(np.array([[0, 1, 255]]))
    >>> rgb.tolist()
    [[[0, 0, 0], [230, 159, 0], [127, 127, 127]]]
    >>> palette.labels(rgb).tolist()
    [[0, 1, 255]]
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __post_init__(self):
        # Lists come in from JSON and from people; tuples keep a palette hashable and comparable.
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "colours", tuple(tuple(int(v) for v in colour) for colour in self.colours))
        if len(self.names) != len(self.colours):
            raise DataError(
                f"{len(self.names)} class names but {len(self.colours)} colours; give one for each name."
            )
        if not 1 <= len(self.names) <= IGNORE:
            raise DataError(
                f"{len(self.names)} classes; a palette holds 1 to {IGNORE}, for label {IGNORE} means ignored."
            )
        if any(len(colour) != 3 or not all(0 <= v <= 255 for v in colour) for colour in self.colours):
            raise DataError("a colour is three numbers in 0..255: red, green, blue.")
        if len({*self.colours, IGNORE_COLOUR}) <= len(self.colours):
            raise DataError(
                f"two classes share a colour, or one has {IGNORE_COLOUR}, the colour of ignored pixels; "
                "give each class its own."
            )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def default(cls, names: int | Sequence[str]) -> "Palette":
        """A palette for these class names, or for so many classes: Okabe and Ito's eight, then other hues.

        >>> Palette.default(3).names
        ('class 0', 'class 1', 'class 2')
        """
        if isinstance(names, int):
            names = [f"class {i}" for i in range(names)]
        colours = list(OKABE_ITO)
        step = 0
        while len(colours) < len(names):
            # The golden ratio never repeats a hue; three levels of brightness part neighbours for the
            # colour-blind.
            hue, value = (step * 0.618034) % 1, (0.95, 0.45, 0.7)[step % 3]
            colour = tuple(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.75, value))
            if colour not in colours and colour != IGNORE_COLOUR:
                colours.append(colour)
            step += 1
        return cls(tuple(names), tuple(colours[: len(names)]))

    @classmethod
    def lesion(cls) -> "Palette":
        """Skin and lesion, as in ISIC 2018 Task 1."""
        return cls.default(["skin", "lesion"])

    def colourise(self, mask) -> np.ndarray:
        """Colours of a label map: ids H×W, of any integer type, to uint8 H×W×3; 255 is drawn grey.

        Raises:
            DataError: the mask is not integer, or holds an id that the palette has no colour for.
        """
        mask = _array(mask)
        if mask.dtype.kind not in "iub":
            raise DataError(f"a label map holds whole class ids; this is {mask.dtype}; take argmax first.")
        beyond = np.unique(mask[(mask != IGNORE) & ((mask < 0) | (mask >= len(self)))])
        if beyond.size:
            raise DataError(
                f"the mask holds {_list(beyond)}, but the palette has {len(self)} classes, ids "
                f"0..{len(self) - 1} (and {IGNORE} for ignored). Give a palette with more classes, or map "
                "the mask's values to class ids."
            )
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colours
        table[IGNORE] = IGNORE_COLOUR
        return table[mask.astype(np.uint8)]  # safe: every id is now known to be 0..255

    def labels(self, rgb) -> np.ndarray:
        """The exact inverse of `colourise`: uint8 H×W×3 colours to uint8 H×W class ids.

        Raises:
            DataError: a colour is not in the palette; JPEG and smooth resizing invent such colours.
        """
        rgb = _array(rgb)
        if rgb.dtype != np.uint8 or rgb.ndim < 3 or rgb.shape[-1] != 3:
            raise DataError(
                f"a colour mask is uint8 H×W×3; this one is {rgb.dtype} {'×'.join(map(str, rgb.shape))}."
            )
        # One integer a colour, in 32 bits: in uint8, red << 16 would be 0.
        code = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        colours = np.array([*self.colours, IGNORE_COLOUR], np.uint32) @ np.array(
            [1 << 16, 1 << 8, 1], np.uint32
        )
        order = np.argsort(colours)
        found = order[np.searchsorted(colours, code, sorter=order).clip(max=len(colours) - 1)]
        strange = colours[found] != code
        if strange.any():
            raise DataError(
                f"{int(strange.sum())} pixels have colours that no class has, for example "
                f"{_list(np.unique(rgb[strange], axis=0))}. Masks want a lossless format (PNG, not JPEG) and "
                "nearest resizing."
            )
        return np.append(np.arange(len(self), dtype=np.uint8), np.uint8(IGNORE))[found]


def _array(values) -> np.ndarray:
    """An array of a tensor (on any device) or of anything array-like."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def _list(values: np.ndarray, most: int = 5) -> str:
    shown = ", ".join(str(value) for value in values[:most].tolist())
    return shown + (", …" if len(values) > most else "")
