"""The blocks of a U-Net: double convolution, downsampling, upsampling, and the attention gate."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice 3×3 convolution, batch norm and ReLU: N×C_in×H×W to N×C_out×H×W.

    The original (Ronneberger et al. 2015, section 2) has no padding and no batch norm. The convolutions have
    no bias, because batch norm subtracts the mean and with it any bias.

    >>> DoubleConv(3, 8)(torch.zeros(1, 3, 5, 7)).shape
    torch.Size([1, 8, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Down(nn.Module):
    """2×2 max pooling, then `DoubleConv`: N×C_in×H×W to N×C_out×(H/2)×(W/2), rounded down.

    >>> Down(8, 16)(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 16, 2, 3])
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        window = [min(2, side) for side in x.shape[-2:]]  # a side of one pixel cannot be halved
        return self.conv(F.max_pool2d(x, window))  # N, C_out, H/2, W/2


class Up(nn.Module):
    """Transposed convolution to twice the size, concatenation with the skip, then `DoubleConv`.

    `x` is N×C_in×h×w, `skip` is N×C_skip×H×W with H about 2h, and the result is N×C_out×H×W. Where pooling
    dropped an odd row or column, `x` is padded with zeros. (Ronneberger et al. crop the skip instead.)

    >>> Up(16, 8, 8)(torch.zeros(1, 16, 2, 3), skip=torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 8, 5, 7])
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels // 2 + skip_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)  # N, C_in/2, 2h, 2w
        missing_rows, missing_columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        x = F.pad(x, [0, missing_columns, 0, missing_rows])  # N, C_in/2, H, W; a negative number crops
        return self.conv(torch.cat([skip, x], dim=1))  # N, C_out, H, W


class AttentionGate(nn.Module):
    """Weight the skip by attention per pixel: skip × sigmoid(ψ relu(W_x skip + W_g gate)).

    `gate` is N×C_gate×h×w; `skip` and the result are N×C_skip×H×W. The attention is one number in 0..1 per
    pixel (Oktay et al. 2018, section 2, equations 1 and 2). Oktay et al. downsample the skip to the size of
    the gate and upsample the attention. Here the gate is upsampled, which keeps the detail of the skip.

    >>> AttentionGate(16, 8, 4)(torch.zeros(1, 16, 2, 3), skip=torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 8, 5, 7])
    """

    def __init__(self, gate_channels: int, skip_channels: int, inner_channels: int):
        super().__init__()
        self.gate = nn.Conv2d(gate_channels, inner_channels, kernel_size=1)
        self.skip = nn.Conv2d(skip_channels, inner_channels, kernel_size=1, bias=False)  # `gate` has a bias
        self.attention = nn.Conv2d(inner_channels, 1, kernel_size=1)

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        gate = self.gate(gate)  # N, C_inner, h, w
        size = skip.shape[-2:]
        gate = F.interpolate(gate, size, mode="bilinear", align_corners=False)  # N, C_inner, H, W
        attention = torch.sigmoid(self.attention(F.relu(self.skip(skip) + gate)))  # N, 1, H, W
        return skip * attention
