"""U-Net (Ronneberger et al. 2015, arXiv:1505.04597); attention U-Net (Oktay et al. 2018, 1804.03999)."""

import itertools

import torch
from torch import Tensor, nn

from segcourse.models.blocks import AttentionGate, DoubleConv, Down, Up


class UNet(nn.Module):
    """Encoder and decoder with skip connections: N×C_in×H×W to logits N×C×H×W, for any H and W.

    With the original width, `UNet(3, 2)` has 31.04 M parameters. The paper's network has the same widths but
    takes one grey channel, has biases and no batch norm, and does not pad. Its output is therefore smaller
    than its input (572 in, 388 out).

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        width: channels at full resolution; each step down doubles them.
        depth: number of steps down.
        attention: put an attention gate on each skip connection.
        skips: False puts zeros in place of the skips; layers and weights stay. It shows what skips are for.

    >>> UNet(3, 2, width=4)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    >>> sum(p.numel() for p in UNet(3, 2).parameters())
    31037698
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        width: int = 64,
        depth: int = 4,
        attention: bool = False,
        skips: bool = True,
    ):
        super().__init__()
        self.skips = skips
        self.config = {
            "name": "attention_unet" if attention else "unet",
            **{"in_channels": in_channels, "num_classes": num_classes, "width": width, "depth": depth},
            **({} if skips else {"skips": False}),
        }
        widths = [width * 2**step for step in range(depth + 1)]  # 64, 128, 256, 512, 1024
        steps = list(itertools.pairwise(widths))  # (64, 128), (128, 256), …
        self.stem = DoubleConv(in_channels, width)
        self.downs = nn.ModuleList(Down(fine, coarse) for fine, coarse in steps)
        self.gates = nn.ModuleList(
            AttentionGate(coarse, fine, max(1, fine // 2)) for fine, coarse in reversed(steps) if attention
        )
        self.ups = nn.ModuleList(Up(coarse, fine, fine) for fine, coarse in reversed(steps))
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]  # N, 64, H, W
        for down in self.downs:
            features.append(down(features[-1]))  # N, 128, H/2, W/2; … N, 1024, H/16, W/16
        x = features.pop()
        for step, up in enumerate(self.ups):
            skip = features.pop() if self.skips else torch.zeros_like(features.pop())
            if self.gates:
                skip = self.gates[step](x, skip)
            x = up(x, skip)  # N, 512, H/8, W/8; … N, 64, H, W
        return self.head(x)  # N, C, H, W


def initialise(module: nn.Module) -> None:
    """Apply He initialisation (U-Net paper, section 3): a gain of √2 keeps the variance through ReLUs."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
