"""From images to logits: normalisation, number format, and networks of other libraries, in one call."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.devices import Speed
from segcourse.errors import DataError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of natural RGB images
_MULTIPLES = (2, 4, 8, 16, 32, 64)


class Forward:
    """Map images (N×C_in×H×W in [0, 1], any device) to float32 logits N×C×H×W.

    Networks of other libraries are taken as they are. They may return a dictionary, as torchvision's do
    (key "out") and Hugging Face's ("logits"). Logits of another size are resized to the size of the image. An
    image whose sides the network can't take, because they are no multiple of 32 for example, is padded at the
    bottom and at the right by repeating its border, and the logits are cropped.

    Args:
        network: the network.
        device, speed: where it runs, and how.
        mean, std: the normalisation, one number per channel.
        multiple: sides are padded to a multiple of this number, which grows where the network refuses a size.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        speed: Speed,
        mean: Sequence[float],
        std: Sequence[float],
        multiple: int = 1,
    ):
        self.network, self.device, self.speed = network, device, speed
        self.mean = torch.tensor(mean, device=device).view(-1, 1, 1)
        self.std = torch.tensor(std, device=device).view(-1, 1, 1)
        self.multiple = multiple

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            DataError: the network can't take images of this size or number of channels, or does not return
                logits.
        """
        return self.heads(images)[0]

    def heads(self, images: Tensor) -> list[Tensor]:
        """Return the logits, then those of the auxiliary classifier (key "aux") if the network has one."""
        if images.shape[1] != len(self.mean):
            raise DataError(
                f"the images have {images.shape[1]} channels and the normalisation {len(self.mean)}; give "
                "one mean and one standard deviation per channel (for fit: normalise=(mean, std))."
            )
        images = images.to(self.device, memory_format=self.speed.memory_format, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.speed.bf16):
            found = logits_of(self._run((images - self.mean) / self.std))
            return [self._at_size(one, images.shape[-2:]).float() for one in found]

    def _run(self, x: Tensor) -> Any:
        try:
            return self.network(_padded(x, self.multiple))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:
            for multiple in _MULTIPLES:
                if multiple > self.multiple and any(side % multiple for side in x.shape[-2:]):
                    try:
                        output = self.network(_padded(x, multiple))
                    except (RuntimeError, AssertionError):
                        continue
                    self.multiple = multiple
                    return output
            raise DataError(
                f"the network can't take images of {' × '.join(map(str, x.shape))} (number × channels × "
                f"height × width), nor padded to a multiple of {_MULTIPLES[-1]}: {error} (The images are "
                f"read with as many channels as the normalisation has means, here {len(self.mean)}.)"
            ) from error

    def _at_size(self, logits: Tensor, size: torch.Size) -> Tensor:
        padded = [-(-side // self.multiple) * self.multiple for side in size]
        if list(logits.shape[-2:]) != padded:
            logits = F.interpolate(logits, padded, mode="bilinear", align_corners=False)
        return logits[..., : size[0], : size[1]]


def logits_of(output: Any) -> list[Tensor]:
    """Return the logits in what a network returned, those of its auxiliary classifier last."""
    found = [output]
    if isinstance(output, Mapping):
        found = [output[key] for key in ("out", "logits", "aux") if isinstance(output.get(key), Tensor)]
    if not found or not all(isinstance(one, Tensor) and one.ndim == 4 for one in found):
        raise DataError(
            f"the network returns {_describe(output)}; expected logits N×C×H×W, or a dictionary that holds "
            'them as "out" or "logits". Wrap the network in a module that returns its logits.'
        )
    return found


def _describe(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, Mapping):
        return f"a dictionary with the keys {', '.join(map(str, output))}"
    return f"a {type(output).__name__}"


def _padded(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[-2:]
    missing = (0, -width % multiple, 0, -height % multiple)
    return F.pad(x, missing, mode="replicate") if any(missing) else x
