"""`Segmenter`: a trained network with everything it needs to predict, saved as one file."""

import copy
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from segcourse.data.decode import Size, height_width
from segcourse.data.samples import image_tensor, pixel_tensor
from segcourse.devices import Speed, choose_speed, find_device
from segcourse.errors import DataError, DeviceError, first_few
from segcourse.inference.engine_file import EngineNetwork, read_engine
from segcourse.inference.model_file import read_model_file, write_model_file
from segcourse.inference.onnx_file import OnnxNetwork, read_onnx
from segcourse.inference.shipped import TORCHVISION, weights_file
from segcourse.inference.tiling import row_blocks, tiled
from segcourse.models import is_own
from segcourse.models.foreign import Constructor
from segcourse.models.forward import IMAGENET, Forward
from segcourse.palette import Palette

_MIRRORED, _ALL = ((), (-1,)), ((), (-1,), (-2,), (-2, -1))  # axes to flip, of C×H×W
FLIPS = {False: ((),), True: _MIRRORED, "all": _ALL}


class Segmenter:
    """A network with its normalisation, classes, palette and working size, for images of any size.

    Args:
        model: maps normalised images N×3×H×W to logits N×C×H×W; also another library's, see `Forward`.
        class_names: one name per class. Default: the names of the palette.
        palette: class colours. Default: `Palette.default`.
        mean, std: mean and standard deviation of each channel in training, for images in [0, 1]. Their number
            is the number of channels of an image. For a network that was trained on images that had been
            normalised already, give the numbers of that normalisation.
        size: working size, side in pixels or (height, width): images are resized to it, as in training.
            Default: the size of each image.
        device: "cpu", "cuda", "cuda:1" or "mps". Default: a GPU if there is one.
        precision: "fp32", "bf16" or "auto"; the last two can be faster and differ in the last digits.
        threshold: with two classes, pixels are class 1 where its probability is above this.
        upright: whether the images of the training had an up and a down, as photographs have and dermoscopic
            images don't. It decides what `flips=True` means, see `probabilities`.

    Raises:
        DataError: the numbers of class names and palette colours differ.
        DeviceError: this machine has no such device.
    """

    def __init__(
        self,
        model: nn.Module,
        class_names: Sequence[str] | None = None,
        palette: Palette | None = None,
        mean: Sequence[float] = IMAGENET[0],
        std: Sequence[float] = IMAGENET[1],
        size: Size | None = None,
        device: str | torch.device | None = None,
        precision: str = "fp32",
        threshold: float = 0.5,
        upright: bool = True,
    ):
        own: Any = model.config if is_own(model) else {}
        names = class_names or (palette.names if palette else int(own.get("num_classes", 2)))
        palette = palette or Palette.default(names)
        self.class_names, self.palette = tuple(class_names or palette.names), palette
        if len(self.class_names) != len(palette):
            raise DataError(
                f"{len(self.class_names)} class names but a palette of {len(palette)} colours; "
                "give one colour per name."
            )
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.size = None if size is None else height_width(size)
        self.threshold, self.upright = threshold, upright
        self.device = find_device(device)
        speed = Speed(False, False) if precision == "fp32" else choose_speed(self.device, precision)
        self.model = model.to(self.device).to(memory_format=speed.memory_format).eval()
        self._forward = Forward(self.model, self.device, speed, self.mean, self.std)

    @torch.inference_mode()
    def logits(self, image: Any, tile: int | None = None, overlap: int | None = None) -> torch.Tensor:
        """Return the logits of an image, float32 C×H×W at the size of the image.

        The image is resized to the working size and the logits are resized back. (Resizing class ids instead
        would make jagged borders.)

        Args:
            image: a path, a PIL image, an array or a tensor, see `image_tensor`.
            tile: side of the tiles in pixels. Tiles are predicted without resizing and then blended, for
                large images at the scale of the training set. Default: no tiles.
            overlap: overlap of neighbouring tiles in pixels. Default: a quarter of `tile`.

        Raises:
            DataError: the image can't be read or has an unsupported format, or the network has another
                number of classes than there are class names.
        """
        image = image_tensor(image, len(self.mean))
        if tile is not None:
            return tiled(self._scores, image, tile, overlap)
        if self.size is None:
            return self._scores(image[None])[0]
        return self._resize_back(self._scores(self._resize(image)[None]), image)

    @torch.inference_mode()
    def probabilities(
        self, image: Any, flips: bool | str = False, tile: int | None = None, overlap: int | None = None
    ) -> torch.Tensor:
        """Return the class probabilities of an image, float32 C×H×W at the size of the image.

        Args:
            image, tile, overlap: as in `logits`.
            flips: True averages over the image and its mirror image, and where images are not upright (see
                `Segmenter`) also over both upside down. "all" does so for any model. With `tile`, each tile
                is flipped.

        Raises:
            DataError: the image can't be read, or `flips` is not False, True or "all".
        """
        views, image = self._views(flips), image_tensor(image, len(self.mean))
        if flips and tile is not None:
            return tiled(partial(self._averaged, views), image, tile, overlap)
        seen = [self.logits(image.flip(axes), tile, overlap).softmax(0).flip(axes) for axes in views]
        return torch.stack(seen).mean(0)

    @torch.inference_mode()
    def predict(
        self, image: Any, flips: bool | str = False, tile: int | None = None, overlap: int | None = None
    ) -> np.ndarray:
        """Return the class ids of an image, uint8 H×W at its size; arguments as in `probabilities`.

        With `tile`, a very large image takes little memory beside the image and the result: about
        4·(C + 1)·W·(2·`tile` + `overlap`) bytes and what the network needs for one tile. An 8-bit array H×W×3
        isn't copied if it can be written to, and can be a `numpy.memmap` (mode "c").
        """
        if tile is None:
            return self._labels(self.probabilities(image, flips).log() if flips else self.logits(image))
        function = partial(self._averaged, self._views(flips)) if flips else self._scores
        pixels = pixel_tensor(image, len(self.mean))
        mask = np.empty(pixels.shape[-2:], np.uint8)
        for top, scores in row_blocks(lambda part: function(_unit(part)), pixels, tile, overlap):
            mask[top : top + scores.shape[1]] = self._labels(scores.log() if flips else scores)
        return mask

    @torch.inference_mode()
    def predict_batch(
        self,
        images: list[Any],
        flips: bool | str = False,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> list[np.ndarray]:
        """Return the class ids of several images, which can differ in size; arguments as in `predict`."""
        if flips or tile is not None or self.size is None:
            return [self.predict(image, flips, tile, overlap) for image in images]
        images = [image_tensor(image, len(self.mean)) for image in images]
        logits = self._scores(torch.stack([self._resize(image) for image in images]))
        return [
            self._labels(self._resize_back(one[None], image))
            for one, image in zip(logits, images, strict=True)
        ]

    def predict_files(
        self,
        paths: Iterable[str | Path],
        batch_size: int = 8,
        *,
        on_error: str = "raise",
        progress: bool = True,
        **options: Any,
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """Yield (path, class ids) for each image file.

        Args:
            paths: image files.
            batch_size: images per batch.
            on_error: "raise", or "skip" to report unreadable files on stderr and leave them out.
            progress: show a progress bar.
            options: `flips`, `tile` and `overlap`, as in `predict`.

        Raises:
            DataError: a file can't be read, and `on_error` is "raise".
        """
        files = [Path(path) for path in paths]
        with tqdm(total=len(files), unit="image", disable=not progress) as bar:
            for start in range(0, len(files), batch_size):
                batch = []
                for path in files[start : start + batch_size]:
                    try:
                        batch.append((path, pixel_tensor(path, len(self.mean))))
                    except DataError as error:
                        if on_error != "skip":
                            raise
                        bar.write(f"skipped: {error}", file=sys.stderr)
                        bar.update()
                if batch:
                    masks = self.predict_batch([image for _, image in batch], **options)
                    for (path, _), mask in zip(batch, masks, strict=True):
                        yield path, mask
                        bar.update()

    def through(self, wrap: Callable[[Callable], Callable]) -> "Segmenter":
        """Return a segmenter with the same network, whose calls go through `wrap(forward)`.

        Args:
            wrap: takes and returns a function of images, N×C_in×H×W in [0, 1], to logits N×C×H×W. The web
                service uses it to compute the calls of several threads together.
        """
        other = copy.copy(self)
        other._forward = wrap(self._forward)  # type: ignore[assignment]
        return other

    def save(self, path: str | Path, half: bool = False) -> None:
        """Write weights and settings to one safetensors file, which can be read without running code.

        For another library's network the file also says which function built it, and with which arguments if
        the network knows them (see `load`).

        Args:
            path: the file.
            half: write the weights of convolutions in float16: half the size, and predictions differ in the
                third digit. A loaded network computes in float32 again.

        Raises:
            SaveError: the folder is not writable or the disk is full. An older file is unchanged.
        """
        if isinstance(self.model, OnnxNetwork | EngineNetwork):
            raise DataError(
                f"{path} was not written: an export can't be turned into a model file again. Copy the "
                "export, or save the model that it was made from."
            )
        write_model_file(path, self.model, self.settings(), half=half)

    def settings(self) -> dict[str, Any]:
        """Return what a file holds beside the network: classes, colours, normalisation, size, threshold."""
        kept = ("mean", "std", "size", "threshold", "upright")
        classes = {"class_names": self.class_names, "colours": self.palette.colours}
        return classes | {name: getattr(self, name) for name in kept}

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str | torch.device | None = None,
        precision: str = "fp32",
        build: Constructor | str | None = None,
    ) -> "Segmenter":
        """Load a segmenter from a file of `save` or `segcourse export`, or one that comes with the package.

        Loading runs no code that the file names. A network of another library is therefore built by the
        function that you pass as `build`.

        Args:
            path: the safetensors file; an export, .onnx or .engine; "lesions": the network that outlines skin
                lesions in dermoscopic images, see `segcourse/weights/lesions.md`; or a network of torchvision
                by name, such as "deeplabv3_resnet50", see `segcourse.inference.street.torchvision_segmenter`.
            device: as in `Segmenter`. A .engine file needs an NVIDIA GPU.
            precision: as in `Segmenter`. The precision of an export was chosen when it was written.
            build: for another library's network, the function or class that builds it, or its import path,
                such as "torchvision.models.segmentation.deeplabv3_resnet50". It is called with the arguments
                in the file, and with options that download weights switched off. If the file knows no
                arguments, it is called without any; then pass a function such as `lambda: MyNet(width=8)`.

        Raises:
            ModelFileError: the file is missing, damaged, not written by segcourse, written by a newer
                version, or its weights don't fit its settings; or it needs `build`, or ONNX Runtime or
                TensorRT, which is missing.
            DeviceError: this machine has no such device.
        """
        read = {".onnx": read_onnx, ".engine": read_engine}.get(Path(path).suffix.lower())
        if read is not None:
            if precision == "bf16":
                raise DeviceError(
                    f"{path} computes in the precision of its export; leave precision={precision!r} out, or "
                    "export the model again."
                )
            model, palette, preprocessing, device = read(path, device)
            return cls(model, palette.names, palette, device=device, **preprocessing)
        device = find_device(device)
        if str(path) in TORCHVISION:
            from segcourse.inference.street import torchvision_segmenter  # which imports this file

            return torchvision_segmenter(str(path), device, precision)
        model, palette, preprocessing = read_model_file(weights_file(path), build)
        return cls(model, palette.names, palette, device=device, precision=precision, **preprocessing)

    def _views(self, flips: bool | str) -> Sequence[tuple[int, ...]]:
        """Return the axes to flip, once for each view of an image."""
        if flips not in FLIPS:
            raise DataError(f"flips is {flips!r}; expected False, True or 'all'.")
        return _ALL if flips and not self.upright else FLIPS[flips]

    def _averaged(self, views: Sequence[tuple[int, ...]], images: torch.Tensor) -> torch.Tensor:
        """Return the mean class probabilities over some views of images, without resizing."""
        return torch.stack([self._scores(images.flip(axes)).softmax(1).flip(axes) for axes in views]).mean(0)

    def _scores(self, images: torch.Tensor) -> torch.Tensor:
        logits = self._forward(images)
        if logits.shape[1] != len(self.class_names):
            raise DataError(
                f"the network returns {logits.shape[1]} channels, but there are {len(self.class_names)} "
                f"class names ({first_few(self.class_names)}); a network has one output channel per class, "
                "the background included."
            )
        return logits

    def _resize(self, image: torch.Tensor) -> torch.Tensor:
        return F.interpolate(image[None], self.size, mode="bilinear", antialias=True)[0].clamp(0, 1)

    def _resize_back(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)[0]

    def _labels(self, logits: torch.Tensor) -> np.ndarray:
        return class_ids(logits, self.threshold).cpu().numpy()


def _unit(pixels: torch.Tensor) -> torch.Tensor:
    return pixels / 255 if pixels.dtype == torch.uint8 else pixels


def class_ids(logits: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Return the class ids of logits …×C×H×W, uint8 …×H×W.

    With two classes, a pixel is class 1 where its probability is above `threshold`; with more, its class has
    the largest logit.

    >>> logits = torch.tensor([[[0.0, 0.0]], [[1.0, 2.0]]])  # 2 classes, 1 × 2 pixels
    >>> class_ids(logits, 0.8)  # probabilities of class 1: 0.73 and 0.88
    tensor([[0, 1]], dtype=torch.uint8)
    """
    if logits.shape[-3] == 2:
        # softmax of two logits is the sigmoid of their difference
        above = logits.select(-3, 1) - logits.select(-3, 0) > math.log(threshold / (1 - threshold))
        return above.to(torch.uint8)
    return logits.argmax(-3).to(torch.uint8)
