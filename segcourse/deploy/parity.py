"""Compare an export with PyTorch, before it is written."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from segcourse.devices import Speed
from segcourse.errors import ModelFileError
from segcourse.inference.segmenter import Segmenter, class_ids
from segcourse.models.forward import Forward, logits_of

# How far an export may be from PyTorch. Another order of summation is 1e-6; 16 bits keep three digits, and so
# does TensorRT's arithmetic for float32.
TOLERANCE = {"fp32": 1e-4, "fp16": 3e-2, "engine": 3e-2}
_SIZES = ((1, 77, 131), (3, 128, 64))  # batch, height, width


class Reference:
    """A model in PyTorch, for exports to be compared with.

    Args:
        segmenter: the model, on the CPU.
        normalise: whether the export takes images in [0, 1]; otherwise it takes normalised ones.
        labels: whether it returns class ids instead of logits.

    Attributes:
        resizes: whether the network's logits have another size than its input.
    """

    def __init__(self, segmenter: Segmenter, normalise: bool = True, labels: bool = False):
        self.normalise, self.labels, self.threshold = normalise, labels, segmenter.threshold
        mean, std = segmenter.mean, segmenter.std
        self.forward = Forward(segmenter.model, segmenter.device, Speed(False, False), mean, std)
        with torch.inference_mode():
            self.forward(torch.zeros(1, len(mean), *_SIZES[0][1:]))  # finds out which sizes the network takes
            images = self.images(1, 96, 160)
            self.resizes = logits_of(segmenter.model(images))[0].shape[-2:] != images.shape[-2:]

    def images(self, batch: int, height: int, width: int) -> torch.Tensor:
        """Return random images in [0, 1], the next larger size that the network takes."""
        multiple = self.forward.multiple
        height, width = (-(-side // multiple) * multiple for side in (height, width))
        generator = torch.Generator().manual_seed(0)
        return torch.rand(batch, len(self.forward.mean), height, width, generator=generator)

    @torch.inference_mode()
    def difference(self, run: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return how much an export differs from PyTorch, at two sizes and batches.

        Args:
            run: the export: from images float32 N×C_in×H×W to its output.

        Returns:
            The largest difference of logits, as a share of the largest logit; of class ids, the share of the
            pixels with another one. Infinity if the output has another shape.
        """
        differences = []
        for shape in _SIZES:
            images = self.images(*shape)
            logits = self.forward(images)
            expected = (class_ids(logits, self.threshold) if self.labels else logits).numpy()
            found = run(
                (images if self.normalise else (images - self.forward.mean) / self.forward.std).numpy()
            )
            if found.shape != expected.shape:
                return math.inf
            if self.labels:
                differences.append((found != expected).mean())
            else:
                differences.append(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
        return float(np.max(differences))  # NaN if one is

    def refuse_above(self, allowed: float, difference: float, path: str | Path) -> None:
        """Raise a ModelFileError if the difference of an export is larger than allowed, or NaN."""
        if not difference <= allowed:
            raise ModelFileError(
                f"{path} was not written: its results would differ from PyTorch's by {difference:.1e} of the "
                f"{'pixels' if self.labels else 'largest logit'}, and {allowed:.0e} is allowed. Export in "
                "fp32; if that fails too, please report this network."
            )
