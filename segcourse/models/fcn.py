"""Fully convolutional networks (Long, Shelhamer and Darrell 2015, arXiv:1411.4038): FCN-32s, 16s and 8s."""

import torch
from torch import Tensor, nn

from segcourse.errors import DataError
from segcourse.models.encoders import create_encoder
from segcourse.models.unet import initialise


class FCN(nn.Module):
    """Score coarse maps, upsample and add finer scores: N×C_in×H×W to logits N×C×H×W, for any H and W.

    FCN-32s upsamples the scores of the map at stride 32. FCN-16s first doubles them and adds the scores of
    the map at stride 16; FCN-8s does this once more (section 4.2 and figure 3 of the paper). As there, the
    upsampling starts as bilinear interpolation and the scores of finer maps start at zero. Unlike
    there, the last upsampling is learned too, and all layers are trained together. The paper's encoder is
    VGG16 with its fully connected layers; here it is any of `create_encoder`, without a classifier.

    Args:
        in_channels: channels of the input.
        num_classes: C, channels of the output.
        stride: of the finest map that is scored: 32, 16 or 8.
        encoder: a name for `create_encoder`.
        pretrained: start with the encoder's ImageNet weights. Normalise images with `model.encoder.mean` and
            `model.encoder.std` then.
        width: channels of the first map, for the encoder "small".

    Raises:
        DataError: `stride` is another number, or as `create_encoder`.
        ModelFileError: as `create_encoder`.

    >>> FCN(3, 2, stride=16, width=4)(torch.zeros(1, 3, 101, 131)).shape
    torch.Size([1, 2, 101, 131])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        stride: int = 8,
        encoder: str = "small",
        pretrained: bool = False,
        width: int | None = None,
    ):
        super().__init__()
        if stride not in (32, 16, 8):
            raise DataError(f"an FCN of stride {stride!r} was requested; use 32, 16 or 8.")
        self.config = {  # the weights of a saved model replace the pretrained ones
            "name": "fcn",
            **{"in_channels": in_channels, "num_classes": num_classes, "stride": stride, "encoder": encoder},
            "width": width,
        }
        self.encoder = create_encoder(encoder, pretrained=pretrained, in_channels=in_channels, width=width)
        used = [
            channels
            for channels, at in zip(self.encoder.channels, self.encoder.strides, strict=True)
            if at >= stride
        ]
        self.scores = nn.ModuleList(nn.Conv2d(wide, num_classes, kernel_size=1) for wide in reversed(used))
        initialise(self.scores[0])
        for score in self.scores[1:]:
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)
        steps = [2] * (len(used) - 1) + [stride]
        self.ups = nn.ModuleList(bilinear_upsampling(num_classes, step) for step in steps)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.encoder(x)[::-1]  # coarsest first
        logits = self.scores[0](maps[0])  # N, C, H/32, W/32
        for up, score, finer in zip(self.ups, self.scores[1:], maps[1:], strict=False):
            height, width = finer.shape[-2:]
            logits = up(logits)[..., :height, :width] + score(finer)  # N, C, H/16, W/16; then H/8, W/8
        return self.ups[-1](logits)[..., : x.shape[-2], : x.shape[-1]]  # N, C, H, W


def bilinear_kernel(stride: int) -> Tensor:
    """Return the weights with which a transposed convolution interpolates: 2s×2s for stride s (even).

    With padding s/2 the result equals `interpolate(mode="bilinear", align_corners=False)`, except near the
    border, where the transposed convolution fades to about half: there are no copies from outside.

    >>> bilinear_kernel(2)[0] * 4  # an outer product of (0.25, 0.75, 0.75, 0.25)
    tensor([0.2500, 0.7500, 0.7500, 0.2500])
    """
    offsets = torch.arange(2 * stride) - (stride - 0.5)  # from the kernel's centre, in fine pixels
    tent = 1 - offsets.abs() / stride
    return tent[:, None] * tent


def bilinear_upsampling(channels: int, stride: int) -> nn.ConvTranspose2d:
    """Return a learned upsampling by an even `stride`, N×C×h×w to N×C×sh×sw, that starts as bilinear."""
    up = nn.ConvTranspose2d(
        channels, channels, kernel_size=2 * stride, stride=stride, padding=stride // 2, bias=False
    )
    with torch.no_grad():
        up.weight.zero_()
        for channel in range(channels):
            up.weight[channel, channel] = bilinear_kernel(stride)
    return up
