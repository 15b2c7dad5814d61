"""LesionNet, the capstone's network: an EfficientNet encoder, ASPP with live rates, and a light decoder."""

from collections.abc import Sequence
from typing import Any

from segcourse.models.deeplab import ASPP
from segcourse.models.encoder_unet import EncoderUNet
from segcourse.models.unet import initialise

#: A design met in notebooks for 256 × 256 pixels: of rates 6, 12, 18 two are dead on a map of 8 × 8.
PUBLISHED: dict[str, Any] = {"encoder": "efficientnet_b3", "rates": (6, 12, 18)}


class LesionNet(EncoderUNet):
    """An `EncoderUNet` with ASPP on the encoder's last map, in place of the decoder's 1×1 convolution.

    The last map has stride 32: an image of 128 × 128 pixels leaves 4 × 4. A dilated 3×3 convolution whose
    rate is at least the side of its map sees zeros around the middle: only its middle weight lives.
    DeepLabV3's rates of 6, 12 and 18 are for maps of 33 × 33 and more (Chen et al. 2017, arXiv:1706.05587,
    section 3.3 and figure 4). Here the rates are 1, 2 and 3. `PUBLISHED` holds the options of a network whose
    rates are dead.

    Args:
        in_channels, num_classes, options: as in `EncoderUNet`.
        rates: dilations of ASPP.
        channels: channels of each branch of ASPP and of the decoder.

    >>> import torch
    >>> LesionNet(3, 2, width=4, channels=8)(torch.zeros(2, 3, 101, 131)).shape
    torch.Size([2, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        rates: Sequence[int] = (1, 2, 3),
        channels: int = 48,
        **options: Any,
    ):
        super().__init__(in_channels, num_classes, channels=channels, **options)
        self.config |= {"name": "lesion_net", "rates": list(rates)}
        self.decoder.lateral[-1] = ASPP(self.encoder.channels[-1], channels, rates).apply(initialise)
