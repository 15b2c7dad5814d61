"""A U-Net with an encoder of `segcourse.models.encoders` and a light decoder (FPN, arXiv:1612.03144)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models.encoders import create_encoder
from segcourse.models.unet import initialise


class LightDecoder(nn.Module):
    """From an encoder's maps to logits at the stride of the finest map.

    Every map passes a 1×1 convolution to the same few channels. From coarse to fine, the sum so far is
    resized to the next map, the map is added, and a 3×3 convolution smooths the sum (Lin et al. 2017, section
    3; there without batch norm and ReLU). A sum instead of U-Net's concatenation keeps the decoder light.

    Args:
        in_channels: channels of each map, finest first.
        channels: channels of the decoder.
        num_classes: C, channels of the output.
        dropout: share of the channels of the last sum that training sets to zero.

    >>> import torch
    >>> maps = [torch.zeros(1, 8, 6, 8), torch.zeros(1, 16, 3, 4)]
    >>> LightDecoder((8, 16), channels=4, num_classes=2)(maps).shape
    torch.Size([1, 2, 6, 8])
    """

    def __init__(self, in_channels: Sequence[int], channels: int, num_classes: int, dropout: float = 0.0):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(inside, channels, kernel_size=1) for inside in in_channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
            for _ in in_channels
        )
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.apply(initialise)

    def forward(self, maps: list[Tensor]) -> Tensor:
        x: Tensor | None = None
        for lateral, smooth, fine in zip(self.lateral[::-1], self.smooth[::-1], maps[::-1], strict=True):
            added = lateral(fine)
            if x is not None:
                added = added + F.interpolate(x, fine.shape[-2:], mode="bilinear", align_corners=False)
            x = smooth(added)  # N, channels, H/32, W/32; … N, channels, H/2, W/2
        return self.head(self.dropout(x))  # N, C, H/2, W/2


class EncoderUNet(nn.Module):
    """An encoder and a light decoder: N×C_in×H×W to logits N×C×H×W, for any H and W.

    With ImageNet weights it needs a fraction of the epochs that a network from scratch needs. The last step,
    from stride 2 to full size, is a bilinear resize of the logits: layers at full size take most of a U-Net's
    time and add little.

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        encoder, pretrained: name of the encoder, and whether it starts with ImageNet weights; see
            `create_encoder`.
        channels: channels of the decoder.
        dropout: share of the decoder's channels that training sets to zero before the last layer.
        width: channels of the first map, for the encoder "small".

    >>> import torch
    >>> EncoderUNet(3, 2, width=4, channels=8)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        encoder: str = "small",
        pretrained: bool = False,
        channels: int = 48,
        dropout: float = 0.1,
        width: int | None = None,
    ):
        super().__init__()
        self.encoder = create_encoder(encoder, pretrained=pretrained, in_channels=in_channels, width=width)
        self.config = {
            "name": "encoder_unet",
            **{"in_channels": in_channels, "num_classes": num_classes, "encoder": encoder},
            **{"channels": channels, "dropout": dropout},
            "width": width,
        }
        self.decoder = LightDecoder(self.encoder.channels, channels, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.decoder(self.encoder(x))  # N, C, H/2, W/2
        return F.interpolate(logits, x.shape[-2:], mode="bilinear", align_corners=False)  # N, C, H, W
