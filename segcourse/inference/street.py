"""Networks that know real streets, and a photograph to try them on: what this machine has or can download."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from segcourse.data.catalogue import candidates
from segcourse.data.images import read_image
from segcourse.data.samples import image_tensor
from segcourse.errors import DataError, ModelFileError
from segcourse.inference.segmenter import Segmenter
from segcourse.inference.shipped import TORCHVISION

OWN = "street.safetensors"  # in the folder `models` beside the data sets
VEHICLES = ("car", "bus", "truck", "train", "motorbike", "bicycle", "bicyclist")


class PhotographSegmenter(Segmenter):
    """A segmenter that shrinks an image to the size of its training, and keeps its proportions.

    Without that, a network that learned from images of 520 pixels sees a photograph of 3000 pixels as one
    enormous detail.

    Args:
        shorter: the shorter side in pixels that a larger image is shrunk to, unless it is predicted in tiles.
        others: the arguments of `Segmenter`.
    """

    def __init__(self, *others: Any, shorter: int, **options: Any):
        super().__init__(*others, **options)
        self.shorter = shorter

    @torch.inference_mode()
    def logits(self, image: Any, tile: int | None = None, overlap: int | None = None) -> torch.Tensor:
        """Return the logits of an image at its size, as `Segmenter.logits`."""
        image = image_tensor(image, len(self.mean))
        scale = self.shorter / min(image.shape[-2:])
        if tile is not None or scale >= 1:
            return super().logits(image, tile, overlap)
        size = [round(scale * side) for side in image.shape[-2:]]
        small = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        return self._resize_back(super().logits(small)[None], image)


def torchvision_segmenter(
    name: str = TORCHVISION[0], device: str | torch.device | None = None, precision: str = "fp32"
) -> Segmenter:
    """Return a network of torchvision with its weights, which are downloaded at the first use.

    The weights were trained on COCO, with the 21 classes of PASCAL VOC.

    Args:
        name: "deeplabv3_mobilenet_v3_large" (42 MB), "deeplabv3_resnet50" (161 MB), "deeplabv3_resnet101"
            (233 MB), "lraspp_mobilenet_v3_large" (12 MB), "fcn_resnet50" (135 MB) or "fcn_resnet101"
            (208 MB).
        device, precision: as in `Segmenter`.

    Raises:
        DataError: the name is none of these.
        ModelFileError: the weights can't be downloaded.
    """
    import torchvision.models  # here, because it takes a second

    if name not in TORCHVISION:
        raise DataError(f"there is no network {name!r}; use one of {', '.join(TORCHVISION)}.")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        with _patience(seconds=10):
            network = torchvision.models.get_model(name, weights=weights)
    except (OSError, RuntimeError) as error:  # no network, or a download that was cut off
        raise ModelFileError(
            f"the weights of {name!r} could not be downloaded ({error}). Connect to the internet and try "
            "again."
        ) from error
    given = weights.transforms()
    return PhotographSegmenter(
        network,
        tuple(name.strip("_") for name in weights.meta["categories"]),  # "__background__"
        mean=given.mean,
        std=given.std,
        device=device,
        precision=precision,
        shorter=given.resize_size[0],
    )


def load_street_model(
    name: str = TORCHVISION[0], otherwise: Segmenter | None = None
) -> tuple[Segmenter, str]:
    """Return a network that knows streets, and a sentence that says which one it is.

    The first that can be had: torchvision's network, `models/street.safetensors` beside the data sets, and
    `otherwise`.

    Args:
        name: torchvision's network, see `torchvision_segmenter`.
        otherwise: what to return where neither is there.

    Raises:
        DataError: there is no network of this name.
        ModelFileError: there is none of the three. The message says how to get one.
    """
    try:
        return torchvision_segmenter(name), f"{name}, with the weights that torchvision downloaded."
    except ModelFileError as error:
        missing = str(error)
    files = [folder / OWN for folder in candidates("models")]
    file = next((file for file in files if file.is_file()), None)
    if file is not None:
        return Segmenter.load(file), f"The weights of {name} can't be downloaded here. This is {file}."
    if otherwise is None:
        raise ModelFileError(
            f"{missing} Or train a network with `segcourse fit --data camvid` and copy its model.safetensors "
            f"to {files[0]}."
        )
    return otherwise, (
        f"The weights of {name} can't be downloaded here, and there is no {files[0]}. This is the network "
        "that learned from scenes drawn by code: it doesn't know real streets."
    )


def street_photograph(path: str | Path | None = None, side: int = 360) -> np.ndarray | None:
    """Return a photograph, uint8 H×W×3, its shorter side at most `side` pixels; None where there is none.

    Args:
        path: the file. Default: the first picture in the folder `photos` beside the data sets.
        side: the shorter side in pixels.

    Raises:
        DataError: the file can't be read.
    """
    if path is None:
        found = (file for folder in candidates("photos") for file in sorted(folder.glob("*.[jp][pn]g")))
        path = next(found, None)
        if path is None:
            return None
    image = read_image(path)
    scale = min(1.0, side / min(image.shape[:2]))
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def shares(mask: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Return the share of the pixels of each class that occurs, largest first.

    Args:
        mask: class ids, H×W; 255 counts as no class.
        names: one name per class.

    >>> shares(np.array([[0, 2], [2, 255]]), ("road", "sky", "car"))
    {'car': 0.5, 'road': 0.25}
    """
    counts = np.bincount(np.asarray(mask).ravel(), minlength=256)[: len(names)] / np.asarray(mask).size
    found = {name: float(share) for name, share in zip(names, counts, strict=True) if share}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Let connections give up after some seconds: without a network, a download can wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
