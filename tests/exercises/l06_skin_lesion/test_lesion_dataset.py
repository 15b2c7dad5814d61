"""Exercise 6.1: right answers in other styles, promises and their breakers, mutants that are equal."""

import numpy as np
import torch
from contract import Contract
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional

from segcourse.exercises.l06_skin_lesion import lesion_dataset as module
from segcourse.exercises.l06_skin_lesion.lesion_dataset import LesionDataset as answer


class InPyTorch(Dataset):
    def __init__(self, pictures, labels, change=None):
        self.pairs = [(pictures[key], labels[key]) for key in pictures]
        self.change = change or (lambda *pair: pair)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        picture, label = self.pairs[i]
        image = functional.to_dtype(functional.to_image(picture), torch.float32, scale=True)
        return self.change(image.as_subclass(torch.Tensor), torch.tensor(label > 127).long())


class InNumPy:
    def __init__(self, images, masks, transform=None):
        self.names, self.images, self.masks, self.transform = tuple(images), images, masks, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = np.moveaxis(self.images[self.names[i]], -1, 0).astype(np.float32) / 255
        mask = np.where(self.masks[self.names[i]] < 128, 0, 1).astype(np.int64)
        pair = [torch.from_numpy(np.ascontiguousarray(one)) for one in (image, mask)]
        return pair if self.transform is None else list(self.transform(*pair))


class PixelByPixel(InNumPy):
    def __getitem__(self, i):
        image, mask = self.images[self.names[i]], self.masks[self.names[i]]
        height, width = mask.shape
        x = torch.zeros(3, height, width)
        y = torch.zeros(height, width, dtype=torch.int64)
        for row in range(height):
            for column in range(width):
                y[row, column] = int(mask[row, column] >= 128)
                for channel in range(3):
                    x[channel, row, column] = int(image[row, column, channel]) / 255
        return self.transform(x, y) if self.transform else (x, y)


class Shared(answer):
    """Keeps its tensors and hands the same ones out."""

    def __init__(self, *given):
        super().__init__(*given)
        self.items = [super(Shared, self).__getitem__(i) for i in range(len(self))]

    def __getitem__(self, index):
        return self.items[index]


class Endless(answer):
    def __getitem__(self, index):
        return super().__getitem__(index % len(self.names))


class ByKey(answer):
    def __getitem__(self, index):
        return super().__getitem__({i: i for i in range(len(self.names))}[index])


class NoNegative(InPyTorch):
    def __getitem__(self, index):
        if index < 0:
            raise IndexError(index)
        return super().__getitem__(index)


class AsOneSize(answer):
    def __getitem__(self, index):
        image, mask = super().__getitem__(index)
        return image[:, :1, :2], mask[:1, :2]


class TransformFirst(InNumPy):
    def __getitem__(self, i):
        name = self.names[i]
        pair = torch.from_numpy(self.images[name]).permute(2, 0, 1), torch.from_numpy(self.masks[name])
        image, mask = pair if self.transform is None else self.transform(*pair)
        return image / 255, (mask >= 128).long()


class TestLesionDataset(Contract):
    name = "LesionDataset"
    library = InPyTorch
    right = {
        "torchvision": InPyTorch,
        "NumPy": InNumPy,
        "loops": PixelByPixel,
        "no negative index": NoNegative,
    }
    promises = (
        ("uint8 arrays H x W x 3, RGB, by name", "there is one pair", module._wrong(image=lambda x: x / 255),
         module._wrong(image=lambda x: x.permute(2, 0, 1).flip(0) / 255)),
        ("may differ from image to image", "the sizes differ", AsOneSize),
        ("in any order", "the masks come in another order",
         module._wrong(pair=lambda data, i: list(data.masks.values())[i])),
        ("0 is skin and 255 is lesion", "the mask is full", module._wrong(mask=lambda y: y.long())),
        ("0 is skin and 255 is lesion", "the mask is empty", module._wrong(mask=lambda y: (y < 128).long())),
        ("from 128 on, a pixel is lesion", "the mask was saved as JPEG",
         module._wrong(mask=lambda y: (y == 255).long()), module._wrong(mask=lambda y: (y > 0).long()),
         module._wrong(mask=lambda y: (y > 128).long())),
        ("gets image and mask as tensors and returns both", "the transform mirrors both", module._ImageOnly,
         module._wrong(transform=False)),
        ("gets image and mask as tensors and returns both", "the transform looks at both", module._wrong(transform=False)),
        ("The tensors are finished", "each call of the transform gives something else", TransformFirst),
        ("Call it once each time an item is asked for", "each call of the transform gives something else",
         module._Once, module._Apart),
        ("is the number of images", "there is one pair", module._Shorter),
        ("the i-th name of `images`", "the images are not sorted by name", module._wrong(names=sorted)),
        ("raises an IndexError", "there is one pair", Endless, ByKey),
        ("a float32 tensor, 3 x H x W, 0 … 1", "the image is nearly black",
         module._wrong(image=lambda x: x.permute(2, 0, 1) / x.max()), module._wrong(image=lambda x: x.permute(2, 0, 1))),
        ("an int64 tensor, H x W, of 0 and 1", "values and types", module._wrong(mask=lambda y: (y >= 128).float())),
        ("shares no memory", "the right pairs", Shared),
    )  # fmt: skip
    equal = {
        r">= -128": "-128 becomes 128 when it is compared with uint8",
        r"^self\.names.*->  self\.images": "the order of two assignments does not matter",
        r"^image = .*; mask = .*->  mask = ": "the order of two assignments does not matter",
        r"^def __len__.*->  def __getitem__": "the order of methods does not matter",
    }
    said = (
        (
            module._wrong(mask=lambda y: (y >= 128).int()),
            "Your item's mask has the type torch.int32; torch.int64",
        ),
        (Shared, "shares its memory"),
        (ByKey, "stops with a KeyError"),
        (lambda images, masks, transform=None: [1] * len(images), "Your item is one int"),
    )
