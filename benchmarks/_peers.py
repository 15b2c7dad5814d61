"""Networks and training loops of other libraries, to compare with: what their own authors publish.

**milesial/Pytorch-UNet**, written from its description, without its code. Read for it: `unet_model.py`
(commit 0203cad9), `unet_parts.py` (07debeb9), `train.py` (c0147f14) and `evaluate.py` (546dddea). These
parts are newer, and were read in copies in other repositories: convolutions without biases before
batch norm, momentum 0.999, clipping, channels-last, and the pooled Dice.

- The same: layers, widths, biases, batch norm and initial weights of the network; RMSprop with its learning
  rate of 1e-5, momentum of 0.999 and weight decay of 1e-8; gradients clipped to a norm of 1; cross-entropy
  plus a Dice loss that pools the classes; channels-last; float32, or for `--amp` autocast with a GradScaler;
  images in [0, 1] without normalisation or augmentation; validation five times per epoch, and a tenth of the
  learning rate after six validations without a better Dice.
- Not the same: no progress bar, no wandb with its histograms, no checkpoints, and images come decoded and
  resized from memory instead of from files. All of that makes the loop faster than the published one. Scaled
  gradients are unscaled before they are clipped. The batch size is that of the comparison (published: 1), and
  so are the validation images.

**segmentation_models_pytorch**: its own `Unet`, with a ResNet-34 encoder from scratch, in the loop of its
example `binary_segmentation_intro`: inputs normalised as for ImageNet, Adam with a learning rate of 2e-4 and
a cosine schedule, Dice loss, float32. Not the same: two output channels instead of one, and the schedule
decays to 0 at the end of the comparison; that of the example decays to 1e-5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2 import Normalize

from segcourse.models.forward import IMAGENET

MILESIAL_LR, SMP_LR = 1e-5, 2e-4


@dataclass
class Loop:
    """A network with all that a plain PyTorch loop needs to train it.

    Attributes:
        model: maps images N×3×H×W in [0, 1] to logits N×C×H×W.
        optimizer: updates the model.
        loss: (logits, target) to a scalar tensor.
        autocast: number format of autocast; None for float32.
        scaler: scales the loss, for float16.
        clip: gradients are clipped to this norm; None for no limit.
        plateau: scheduler that gets the validation Dice five times per epoch.
        cosine: maximum of a learning rate that decays along a cosine; None for none.
        memory_format: that of the images.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Callable[[Tensor, Tensor], Tensor]
    autocast: torch.dtype | None = None
    scaler: torch.amp.GradScaler | None = None
    clip: float | None = None
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
    cosine: float | None = None
    memory_format: torch.memory_format = torch.contiguous_format

    def step(self, images: Tensor, target: Tensor) -> float:
        """Take one training step, and return its loss (which waits for a GPU)."""
        device = next(self.model.parameters()).device
        images, target = images.to(device, memory_format=self.memory_format), target.to(device)
        scaler = self.scaler or torch.amp.GradScaler(enabled=False)
        self.optimizer.zero_grad()
        with torch.autocast(device.type, self.autocast, enabled=self.autocast is not None):
            loss = self.loss(self.model(images), target)
        scaler.scale(loss).backward()
        if self.clip is not None:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        scaler.step(self.optimizer)
        scaler.update()
        return loss.item()


class MilesialUNet(nn.Module):
    """The U-Net of milesial/Pytorch-UNet with transposed convolutions: the layers of `UNet(3, 2)`.

    >>> sum(p.numel() for p in MilesialUNet().parameters())
    31037698
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2):
        super().__init__()
        widths = [64, 128, 256, 512, 1024]
        self.first = _two_convolutions(in_channels, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), _two_convolutions(*pair)) for pair in pairwise(widths)
        )
        self.up = nn.ModuleList(_Up(coarse, fine) for coarse, fine in pairwise(widths[::-1]))
        self.last = nn.Conv2d(widths[0], num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.first(x)]  # N, 64, H, W
        for down in self.down:
            skips.append(down(skips[-1]))  # …, N, 1024, H/16, W/16
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop())  # …, N, 64, H, W
        return self.last(x)


class _Up(nn.Module):
    def __init__(self, coarse: int, fine: int):
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(coarse, coarse // 2, kernel_size=2, stride=2)
        self.convolutions = _two_convolutions(coarse, fine)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.enlarge(x)
        rows, columns = (skip.shape[axis] - x.shape[axis] for axis in (2, 3))  # missing after odd sizes
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.convolutions(torch.cat([skip, x], dim=1))


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, kernel_size=3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def milesial_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return cross-entropy plus 1 - Dice, where one Dice counts all classes and images together.

    >>> milesial_loss(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])).item()  # ln 2 + 1/2
    1.193147...
    """
    probability = logits.softmax(dim=1).float()
    truth = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2).float()
    overlap, area = (probability * truth).sum(), probability.sum() + truth.sum()
    return F.cross_entropy(logits, target) + 1 - (2 * overlap + 1e-6) / (area + 1e-6)


def milesial(device: torch.device, amp: bool = False) -> Loop:
    """Return milesial's network in milesial's loop; `amp` is its option of that name."""
    model = MilesialUNet().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.RMSprop(
        model.parameters(), lr=MILESIAL_LR, weight_decay=1e-8, momentum=0.999, foreach=True
    )
    return Loop(
        model,
        optimizer,
        milesial_loss,
        autocast=torch.get_autocast_dtype(device.type) if amp else None,
        scaler=torch.amp.GradScaler(device.type, enabled=amp and device.type == "cuda"),
        clip=1.0,
        plateau=torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=5),
        memory_format=torch.channels_last,
    )


def smp_unet(device: torch.device) -> Loop | None:
    """Return the `Unet` of segmentation_models_pytorch in the loop of its example; None if it is missing."""
    try:
        import segmentation_models_pytorch as smp
    except ImportError:
        print('segmentation_models_pytorch is missing; to compare with it, pip install "segcourse[peers]".')
        return None
    network = smp.Unet("resnet34", encoder_weights=None, in_channels=3, classes=2)
    model = nn.Sequential(Normalize(*IMAGENET), network).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=SMP_LR)
    return Loop(model, optimizer, smp.losses.DiceLoss("multiclass", from_logits=True), cosine=SMP_LR)
