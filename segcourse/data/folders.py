"""A data set from any folder of images and masks."""

import os
from collections.abc import Callable, Sequence

import numpy as np
from torch.utils.data import Dataset

from segcourse.data import Sample
from segcourse.data.decode import Size, height_width, image_facts
from segcourse.data.images import read_image, read_mask
from segcourse.data.pairing import Pair, pair_files, pairs_from_csv
from segcourse.data.transforms import apply
from segcourse.data.values import mask_value_scheme, stored_values
from segcourse.errors import DataError
from segcourse.palette import Palette

# decoded images are kept in memory up to here; a training reads them in every epoch
_CACHE_BYTES = 4 * 2**30


class FolderDataset(Dataset):
    """Images and masks from one or two folders, or from a CSV, as Samples: float32 3×H×W in [0, 1], int64
    H×W, name.

    Args:
        images: folder with images, or with images and masks.
        masks: folder with masks. `segcourse.data.pairing` says which namings are understood.
        csv: file with the columns `image`, `mask` and, if `split` is given, `split`; paths are relative to
            `images`, or to the CSV file.
        names: only these stems, in this order.
        mask_values: the values in the files in the order of the class ids; found out when not given: `(0,
            255)` for a binary mask saved in black and white, else the values are the ids.
        void_values: values that stand for "ignored", as 255 does.
        class_names: one a class; found out when not given.
        palette: colours of the classes, also for masks stored as colours.
        size: side in pixels or (height, width); images are resized bilinear and antialiased, masks by
            nearest.
        transform: joint transform, see `segcourse.data.transforms.apply`.
        cache: keep decoded images in memory when `size` is given.

    Raises:
        DataError: as in `pairing` and `images`; a mask whose size differs from its image's; a class id beyond
            the classes.
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
            raise DataError("a folder with images, or a CSV file with the columns image,mask, was expected")
        else:
            self.pairs = pair_files(images, masks, names)
        self.size = None if size is None else height_width(size)
        self.transform = transform
        names_given = palette.names if class_names is None and palette is not None else class_names
        scheme = mask_value_scheme(stored_values(self.pairs, palette), mask_values, void_values, names_given)
        self.mask_values, self.class_names, self.void_values = scheme
        self.palette = palette or Palette.default(self.class_names)
        self._meaning = {
            "mask_values": self.mask_values,
            "void_values": self.void_values,
            "palette": palette,
        }
        fits = self.size is not None and len(self.pairs) * self.size[0] * self.size[1] * 4 <= _CACHE_BYTES
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] | None = {} if cache and fits else None

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image, mask = self.arrays(index)
        return Sample(*apply(self.transform, image, mask), self.pairs[index].name)

    def arrays(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 H×W×3 and class ids uint8 H×W of one pair, before the transform."""
        if self._cache is None:
            return self._read(self.pairs[index])
        index = range(len(self))[index]
        if index not in self._cache:
            self._cache[index] = self._read(self.pairs[index])
        return self._cache[index]

    def _read(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        of_image, of_mask = image_facts(pair.image).shape, image_facts(pair.mask).shape
        if of_image != of_mask:  # said before resizing, which would hide it
            raise DataError(
                f"{pair.image} is {of_image[0]} x {of_image[1]} pixels and its mask {pair.mask.name} "
                f"{of_mask[0]} x {of_mask[1]}; both must have the same size (see `segcourse data check`)"
            )
        return read_image(pair.image, self.size), read_mask(pair.mask, size=self.size, **self._meaning)
