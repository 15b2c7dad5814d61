"""DeepLabV3 (Chen et al. 2017, arXiv:1706.05587), with the light decoder of V3+ (2018, 1802.02611)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models.encoders import create_encoder
from segcourse.models.unet import initialise

RATES = {32: (3, 6, 9), 16: (6, 12, 18), 8: (12, 24, 36)}  # by output stride (section 3.3; 32: halved again)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: N×C_in×H×W to N×C_out×H×W (section 3.3).

    A 1×1 convolution, a dilated 3×3 convolution per rate and the mean over the whole map look at the same
    features side by side. They are concatenated, and a 1×1 convolution mixes them. The paper's pooled branch
    has batch norm, which can't train on a batch of one; this one has none.

    Args:
        in_channels: C_in.
        out_channels: C_out, also the channels of each branch.
        rates: dilation of each 3×3 branch. A rate as large as the map leaves only the middle weight.

    >>> ASPP(8, 4, rates=(1, 2))(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 4, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int, rates: Sequence[int]):
        super().__init__()
        branches = [_unit(in_channels, out_channels, kernel=1)]
        branches += [_unit(in_channels, out_channels, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList(branches)
        self.pooled = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.project = _unit((len(rates) + 2) * out_channels, out_channels, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]  # each N, C_out, H, W
        mean = F.relu(self.pooled(x.mean(dim=(2, 3), keepdim=True)))  # N, C_out, 1, 1
        return self.project(torch.cat([*maps, mean.expand_as(maps[0])], dim=1))  # N, C_out, H, W


class DeepLabV3(nn.Module):
    """A dilated encoder, ASPP and a classifier: N×C_in×H×W to logits N×C×H×W, for any H and W.

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        encoder, pretrained: name of the encoder, and whether it starts with ImageNet weights; see
            `create_encoder`.
        output_stride: 8, 16 or 32 input pixels per pixel of the map that ASPP sees.
        rates: dilations of ASPP. Default: the paper's, 6, 12, 18 at output stride 16, twice that at 8.
        channels: channels of ASPP.
        decoder: add V3+'s decoder, which joins the encoder's map of stride 4 (section 3.1 of the V3+ paper).
        width: channels of the first map, for the encoder "small".

    >>> DeepLabV3(3, 2, width=4, channels=8)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        encoder: str = "small",
        pretrained: bool = False,
        output_stride: int = 16,
        rates: Sequence[int] | None = None,
        channels: int = 256,
        decoder: bool = False,
        width: int | None = None,
    ):
        super().__init__()
        self.encoder = create_encoder(
            encoder, pretrained=pretrained, output_stride=output_stride, in_channels=in_channels, width=width
        )
        rates = list(rates or RATES[output_stride])
        self.config = {
            "name": "deeplabv3",
            **{"in_channels": in_channels, "num_classes": num_classes, "encoder": encoder},
            **{"output_stride": output_stride, "rates": rates, "channels": channels, "decoder": decoder},
            "width": width,
        }
        self.aspp = ASPP(self.encoder.channels[-1], channels, rates)
        fine = 48 if decoder else 0  # channels of the early map, few beside ASPP's (V3+ paper, table 1)
        self.reduce = _unit(self.encoder.channels[1], fine, kernel=1) if decoder else None
        self.refine = _unit(channels + fine, channels)
        self.head = nn.Conv2d(channels, num_classes, kernel_size=1)
        for part in (self.aspp, self.reduce, self.refine, self.head):
            if part is not None:
                part.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        features = self.encoder(x)
        x = self.aspp(features[-1])  # N, channels, H/16, W/16
        if self.reduce is not None:
            fine = self.reduce(features[1])  # N, 48, H/4, W/4
            x = F.interpolate(x, fine.shape[-2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, fine], dim=1)
        logits = self.head(self.refine(x))  # N, C, H/16 or H/4, …
        return F.interpolate(logits, size, mode="bilinear", align_corners=False)  # N, C, H, W


def _unit(in_channels: int, out_channels: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and ReLU; the size stays."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
