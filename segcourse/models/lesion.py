"""LesionNet, the capstone's network: an EfficientNet encoder, ASPP with live rates, and a light decoder."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from segcourse.models.deeplab import ASPP
from segcourse.models.encoder_unet import LightDecoder
from segcourse.models.encoders import create_encoder
from segcourse.models.unet import initialise

#: A design met in notebooks for 256 × 256 pixels: of rates 6, 12, 18 two are dead on a map of 8 × 8.
PUBLISHED: dict[str, Any] = {"encoder": "efficientnet_b3", "rates": (6, 12, 18)}


class LesionNet(nn.Module):
    """ASPP on the encoder's last map, and a light decoder: N×C_in×H×W to logits N×C×H×W, for any H and W.

    The last map has stride 32: an image of 128 × 128 pixels leaves 4 × 4. A dilated 3×3 convolution whose
    rate is at least the side of its map sees zeros around the middle: only its middle weight lives.
    DeepLabV3's rates of 6, 12 and 18 are for maps of 33 × 33 and more (Chen et al. 2017, arXiv:1706.05587,
    section 3.3 and figure 4). Here the rates are 1, 2 and 3. `PUBLISHED` holds the options of a network whose
    rates are dead.

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        encoder, pretrained: name of the encoder, and whether it starts with ImageNet weights; see
            `create_encoder`.
        rates: dilations of ASPP.
        channels: channels of each branch of ASPP and of the decoder.
        dropout: share of the decoder's channels that training sets to zero before the last layer.
        width: channels of the first map, for the encoder "small".

    >>> import torch
    >>> LesionNet(3, 2, width=4, channels=8)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        encoder: str = "small",
        pretrained: bool = False,
        rates: Sequence[int] = (1, 2, 3),
        channels: int = 48,
        dropout: float = 0.1,
        width: int | None = None,
    ):
        super().__init__()
        options: dict[str, Any] = {} if width is None else {"width": width}
        self.encoder = create_encoder(encoder, pretrained=pretrained, in_channels=in_channels, **options)
        self.config = {
            "name": "lesion_net",
            **{"in_channels": in_channels, "num_classes": num_classes, "encoder": encoder},
            **{"rates": list(rates), "channels": channels, "dropout": dropout},
            **options,
        }
        *fine, coarse = self.encoder.channels
        self.aspp = ASPP(coarse, channels, rates)
        self.aspp.apply(initialise)
        self.decoder = LightDecoder([*fine, channels], channels, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        *fine, coarse = self.encoder(x)
        logits = self.decoder([*fine, self.aspp(coarse)])  # N, C, H/2, W/2
        return F.interpolate(logits, x.shape[-2:], mode="bilinear", align_corners=False)  # N, C, H, W
