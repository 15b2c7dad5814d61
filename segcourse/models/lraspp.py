"""LR-ASPP, the head that MobileNetV3 was published with (Howard et al. 2019, arXiv:1905.02244)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models.encoders import create_encoder
from segcourse.models.unet import initialise


class LRASPP(nn.Module):
    """A light encoder and two 1×1 convolutions: N×C_in×H×W to logits N×C×H×W, for any H and W.

    The paper's section 6.4: the coarsest map is weighted per channel by a gate, which sees the mean of the
    whole map, and its scores are added to those of a map twice as fine. As in torchvision's
    `lraspp_mobilenet_v3_large`, the gate's mean is that of the whole map, where the paper has large windows.

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        encoder, pretrained: name of the encoder, "mobilenet_v3_large" in the paper, and whether it starts
            with ImageNet weights; see `create_encoder`.
        channels: channels of the gated map.
        width: channels of the first map, for the encoder "small".

    >>> LRASPP(3, 2, width=4, channels=8)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        encoder: str = "small",
        pretrained: bool = False,
        channels: int = 128,
        width: int | None = None,
    ):
        super().__init__()
        self.encoder = create_encoder(
            encoder, pretrained=pretrained, output_stride=16, in_channels=in_channels, width=width
        )
        self.config = {
            "name": "lraspp",
            **{"in_channels": in_channels, "num_classes": num_classes, "encoder": encoder},
            "channels": channels,
            "width": width,
        }
        *_, fine, _, coarse = self.encoder.channels  # strides 8, 16, 16
        self.project = nn.Sequential(
            nn.Conv2d(coarse, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        self.gate = nn.Conv2d(coarse, channels, kernel_size=1, bias=False)
        self.coarse_head = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.fine_head = nn.Conv2d(fine, num_classes, kernel_size=1)
        for part in (self.project, self.gate, self.coarse_head, self.fine_head):
            part.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        *_, fine, _, coarse = self.encoder(x)
        gate = torch.sigmoid(self.gate(coarse.mean(dim=(2, 3), keepdim=True)))  # N, channels, 1, 1
        gated = self.project(coarse) * gate  # N, channels, H/16, W/16
        up = F.interpolate(gated, fine.shape[-2:], mode="bilinear", align_corners=False)
        logits = self.coarse_head(up) + self.fine_head(fine)  # N, C, H/8, W/8
        return F.interpolate(logits, x.shape[-2:], mode="bilinear", align_corners=False)  # N, C, H, W
