"""Data sets from any folder of images and masks."""

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from segcourse.data import Sample
from segcourse.data.applying import apply
from segcourse.data.decode import Size, height_width, image_facts
from segcourse.data.images import read_image, read_mask
from segcourse.data.pairing import Pair, pair_files, pairs_from_csv
from segcourse.data.values import mask_value_scheme, stored_values
from segcourse.errors import DataError
from segcourse.palette import Palette

# limit of the cache: training reads every image in every epoch
_CACHE_BYTES = 4 * 2**30


class FolderDataset(Dataset):
    """Images and masks from one folder, two folders or a CSV file, as `Sample` objects.

    Args:
        images: folder with images, or with images and masks.
        masks: folder with masks. `segcourse.data.pairing.match_files` lists the supported file names.
        csv: file with the columns `image`, `mask` and, if `split` is given, `split`. Paths are relative to
            `images`, or else to the folder of the CSV file.
        split: use only the rows of the CSV file with this split.
        names: use only these stems, in this order.
        mask_values: the value of each class in the mask files, in the order of class ids. Default: all masks
            are read and decide together, see `segcourse.data.values.mask_value_scheme`.
        void_values: values that mean "ignored", as 255 does. With a palette: positions in the palette.
        class_names: one name per class. Default: "background" and "foreground", or "class 0", "class 1", …
        palette: colours of the classes; needed for masks stored as colours.
        size: side in pixels or (height, width). Images are resized bilinearly with antialiasing, masks by
            nearest neighbour. Default: the size of the files.
        transform: joint transform of image and mask, see `segcourse.data.applying.apply`.
        cache: keep decoded images in memory if `size` is given and all images fit into 4 GB.

    Raises:
        DataError: a file or folder is missing, a mask can't be matched, or the mask values are not clear.
            Reading an item raises it for a damaged file, a mask of another size, or an unknown value.

    Warns:
        UserWarning: some masks hold 255 but no 1, while 255 means "ignored" beside the 1 of other masks.
    """

    def __init__(
        self,
        images: str | os.PathLike | None = None,
        masks: str | os.PathLike | None = None,
        *,
        csv: str | os.PathLike | None = None,
        split: str | None = None,
        names: Sequence[str] | None = None,
        mask_values: Sequence[int] | None = None,
        void_values: Sequence[int] = (),
        class_names: Sequence[str] | None = None,
        palette: Palette | None = None,
        size: Size | None = None,
        transform: Callable | None = None,
        cache: bool = True,
    ):
        if csv is not None:
            self.pairs = pairs_from_csv(csv, images, split)
        elif images is None:
            raise DataError("give a folder with images, or a CSV file with the columns image,mask.")
        else:
            self.pairs = pair_files(images, masks, names)
        stored = stored_values(self.pairs, palette)
        scheme = mask_value_scheme(stored, mask_values, void_values, class_names, palette)
        self.mask_values, self.class_names, self.void_values = scheme
        self.palette = palette or Palette.default(self.class_names)
        if len(self.palette) > len(self.class_names):  # some colours of the masks mean "ignored"
            if max(self.mask_values) >= len(self.palette):
                raise DataError(
                    f"the palette has {len(self.palette)} colours, but there are {len(self.class_names)} "
                    "classes; give one colour per class."
                )
            colours = tuple(self.palette.colours[value] for value in self.mask_values)
            self.palette = Palette(self.class_names, colours)
        self._meaning: dict[str, Any] = {
            "mask_values": self.mask_values,
            "void_values": self.void_values,
            "palette": palette,
        }
        self._options(size, transform, cache)

    def _options(self, size: Size | None, transform: Callable | None, cache: bool) -> None:
        self.size = None if size is None else height_width(size)
        self.transform = transform
        fits = self.size is not None and len(self.pairs) * self.size[0] * self.size[1] * 4 <= _CACHE_BYTES
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] | None = {} if cache and fits else None

    @property
    def meaning(self) -> dict[str, Any]:
        """Return what the masks mean, as arguments for a `FolderDataset` of other masks of this kind."""
        return {**self._meaning, "class_names": self.class_names}

    def variant(self, size: Size | None = None, transform: Callable | None = None) -> "FolderDataset":
        """Return a data set of the same pairs with another size and transform."""
        other = copy.copy(self)
        other._options(size, transform, cache=True)
        return other

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image, mask = self.arrays(index)
        return Sample(*apply(self.transform, image, mask), self.pairs[index].name)

    def arrays(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the image (uint8 H×W×3) and class ids (uint8 H×W) of one pair, before the transform."""
        if self._cache is None:
            return self._read(self.pairs[index])
        index = range(len(self))[index]
        if index not in self._cache:
            self._cache[index] = self._read(self.pairs[index])
        return self._cache[index]

    def mask(self, index: int) -> np.ndarray:
        """Return the class ids of one pair (uint8 H×W) at the size of the file, without its image."""
        return read_mask(self.pairs[index].mask, **self._meaning)

    def _read(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        image_size, mask_size = image_facts(pair.image).shape, image_facts(pair.mask).shape
        if image_size != mask_size:  # resizing would hide the difference
            raise DataError(
                f"{pair.image} is {image_size[0]} x {image_size[1]} pixels, but its mask {pair.mask.name} is "
                f"{mask_size[0]} x {mask_size[1]}; both must have the same size (see `segcourse data check`)."
            )
        return read_image(pair.image, self.size), read_mask(pair.mask, size=self.size, **self._meaning)
