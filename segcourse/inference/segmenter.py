"""Using a trained network: `Segmenter`, a model with all it needs in one file, and `evaluate`."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from segcourse.data.images import height_width, read_image
from segcourse.devices import Speed, choose_speed, find_device
from segcourse.errors import DataError, ModelFileError
from segcourse.inference.tiling import tiled
from segcourse.metrics import Scores
from segcourse.models import create_model
from segcourse.models.forward import IMAGENET, Forward, image_tensor
from segcourse.models.weights import load_weights, read_weights, save_weights, weights_of
from segcourse.palette import Palette

FORMAT = 1
FLIPS = {False: ((),), True: ((), (-1,)), "all": ((), (-1,), (-2,), (-2, -1))}


class Segmenter:
    """A network with its normalisation, classes, palette and working size: pictures of any size in, class ids
    out.

    Args:
        model: normalised images N×3×H×W to logits N×C×H×W.
        class_names: one name a class; by default the palette's.
        palette: their colours.
        mean, std: of each colour channel, for images in [0, 1], as in training.
        size: the network sees every image at this size (int or (height, width)), as in training; None: at its
            own.
        device: "cpu", "cuda", …; None takes a GPU if there is one.
        precision: "fp32"; "bf16" or "auto" may be faster and differ in the last digits.

    Raises:
        DataError: names and palette differ in number.
    """

    def __init__(
        self,
        model: nn.Module,
        class_names=None,
        palette: Palette | None = None,
        mean=IMAGENET[0],
        std=IMAGENET[1],
        size=None,
        device: str | torch.device | None = None,
        precision: str = "fp32",
    ):
        config = getattr(model, "config", {})
        names = class_names or (palette.names if palette else int(config.get("num_classes", 2)))
        palette = palette or Palette.default(names)
        self.class_names, self.palette = tuple(class_names or palette.names), palette
        if len(self.class_names) != len(palette):
            raise DataError(f"{len(self.class_names)} class names but a palette of {len(palette)} colours.")
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.size = None if size is None else height_width(size)
        self.device = find_device(device)
        speed = Speed(False, False) if precision == "fp32" else choose_speed(self.device, precision)
        self.model = model.to(self.device, memory_format=speed.memory_format).eval()
        self._forward = Forward(self.model, self.device, speed, self.mean, self.std)

    @torch.inference_mode()
    def logits(self, image, tile: int | None = None, overlap: int | None = None) -> torch.Tensor:
        """Scores before softmax, float32 C×H×W at the image's own size.

        The image is resized to the working size and the logits are resized back: resizing labels would make
        steps. With `tile` nothing is resized: tiles of so many pixels, overlapping by `overlap` (default a
        quarter), are blended (for pictures at the scale of the training set).

        Args:
            image: a path, a PIL image, uint8 H×W or H×W×3 (array or tensor), or float 3×H×W in [0, 1].
        """
        image = image_tensor(image)
        if tile is not None:
            return tiled(self._forward, image, tile, tile // 4 if overlap is None else overlap)
        if self.size is None:
            return self._forward(image[None])[0]
        return self._resize_back(self._forward(self._resize(image)[None]), image)

    @torch.inference_mode()
    def probabilities(self, image, flips: bool | str = False, tile=None, overlap=None) -> torch.Tensor:
        """Probabilities of the classes, float32 C×H×W at the image's own size.

        `flips=True` averages over the image and its mirror image; "all" also over both upside down (only
        where a picture has no upper end, as in dermoscopy or from the air).
        """
        if flips not in FLIPS:
            raise DataError(f"flips={flips!r}; False, True or 'all' was expected.")
        image = image_tensor(image)
        views = [self.logits(image.flip(axes), tile, overlap).softmax(0).flip(axes) for axes in FLIPS[flips]]
        return sum(views) / len(views)

    def predict(self, image, flips: bool | str = False, tile=None, overlap=None) -> np.ndarray:
        """Class ids, uint8 H×W at the image's own size; arguments as in `probabilities` and `logits`."""
        scores = (
            self.probabilities(image, flips, tile, overlap) if flips else self.logits(image, tile, overlap)
        )
        return _labels(scores)

    @torch.inference_mode()
    def predict_batch(
        self, images: list, flips: bool | str = False, tile=None, overlap=None
    ) -> list[np.ndarray]:
        """Class ids of several images, which may differ in size."""
        if flips or tile is not None or self.size is None:
            return [self.predict(image, flips, tile, overlap) for image in images]
        images = [image_tensor(image) for image in images]
        logits = self._forward(torch.stack([self._resize(image) for image in images]))
        return [
            _labels(self._resize_back(one[None], image)) for one, image in zip(logits, images, strict=True)
        ]

    def predict_files(
        self,
        paths: Iterable,
        batch_size: int = 8,
        *,
        on_error: str = "raise",
        progress: bool = True,
        **options,
    ) -> Iterator[tuple[Path, np.ndarray]]:
        """Yield (path, class ids) for each picture file, with a progress bar; `options` as in `predict`.

        Raises:
            DataError: a file cannot be read; with on_error="skip" it is reported on stderr and left out.
        """
        paths = [Path(path) for path in paths]
        with tqdm(total=len(paths), unit="image", disable=not progress) as bar:
            for start in range(0, len(paths), batch_size):
                batch = []
                for path in paths[start : start + batch_size]:
                    try:
                        batch.append((path, read_image(path)))
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

    def save(self, path: str | Path) -> None:
        """Write weights and description as one safetensors file, which can be read without running code.

        Raises:
            SaveError: the disk is full, or the folder cannot be written to; an older file is still there.
            ModelFileError: the model does not say how to build it again.
        """
        config = getattr(self.model, "config", None)
        if not config:
            raise ModelFileError(
                f"a {type(self.model).__name__} does not say how it is built: give it an attribute `config`, "
                "the arguments of create_model that make it."
            )
        description = {
            "format": FORMAT,
            "model": config,
            "class_names": self.class_names,
            "colours": self.palette.colours,
            "mean": self.mean,
            "std": self.std,
            "size": self.size,
        }
        metadata = {"segcourse": json.dumps(description)}
        save_weights(path, weights_of(self.model), metadata)

    @classmethod
    def load(cls, path: str | Path, device=None, precision: str = "fp32") -> "Segmenter":
        """The segmenter that `save` wrote.

        Raises:
            ModelFileError: no such file, not a safetensors file, another program's, a newer version's, or
                weights that do not fit the model it describes.
        """
        device = find_device(device)
        tensors, metadata = read_weights(path)
        if "segcourse" not in metadata:
            raise ModelFileError(
                f"{path} holds weights alone, without the description that segcourse saves beside them "
                "(classes, normalisation, size). Use a file written by Segmenter.save or `segcourse fit`."
            )
        try:
            described = json.loads(metadata["segcourse"])
            if described["format"] > FORMAT:
                raise ModelFileError(
                    f"{path} was written by a newer segcourse (file format {described['format']}, this one "
                    f"reads up to {FORMAT}). Update segcourse."
                )
            model = create_model(**described["model"])
            palette = Palette(described["class_names"], described["colours"])
            rest = {name: described[name] for name in ("mean", "std", "size")}
        except ModelFileError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise ModelFileError(
                f"{path} describes a model that cannot be built here ({error}); was the file changed by hand?"
            ) from error
        load_weights(model, tensors, path)
        return cls(model, palette.names, palette, device=device, precision=precision, **rest)

    def _resize(self, image: torch.Tensor) -> torch.Tensor:
        return F.interpolate(image[None], self.size, mode="bilinear", antialias=True)[0].clamp(0, 1)

    def _resize_back(self, logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)[0]


def evaluate(
    segmenter: Segmenter, dataset: Dataset, batch_size: int = 8, *, progress: bool = True, **options
) -> Scores:
    """Scores of a segmenter, each image at its mask's own size.

    Args:
        dataset: of (image float 3×H×W in [0, 1], mask H×W, name), for example a FolderDataset without a size.
        options: `flips`, `tile`, `overlap`, as in `Segmenter.predict`.

    Raises:
        DataError: an image and its mask differ in size, or a mask holds a class that the model does not have.
    """
    if len(dataset) == 0:
        raise DataError("the data set is empty; there is nothing to evaluate.")
    scores = Scores(len(segmenter.class_names))
    with tqdm(total=len(dataset), unit="image", disable=not progress) as bar:
        for start in range(0, len(dataset), batch_size):
            samples = [dataset[i] for i in range(start, min(start + batch_size, len(dataset)))]
            predictions = segmenter.predict_batch([image for image, _, _ in samples], **options)
            for prediction, (_, mask, name) in zip(predictions, samples, strict=True):
                if prediction.shape != mask.shape:
                    raise DataError(
                        f"the image {name} is {prediction.shape[0]}×{prediction.shape[1]}, its mask is "
                        f"{mask.shape[0]}×{mask.shape[1]}; masks of the images' own size were expected."
                    )
                scores.update(prediction[None], np.asarray(mask)[None], names=[name])
            bar.update(len(samples))
    return scores


def _labels(scores: torch.Tensor) -> np.ndarray:
    return scores.argmax(0).to(torch.uint8).cpu().numpy()
