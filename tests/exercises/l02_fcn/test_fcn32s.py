"""Exercise 2.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import torch
import torch.nn.functional as F
from contract import Contract
from torch import nn

from segcourse.exercises.l02_fcn import fcn32s as module
from segcourse.exercises.l02_fcn.fcn32s import changed
from segcourse.models.fcn import FCN


class Library(FCN):
    """The library's FCN-32s on another encoder."""

    def __init__(self, encoder, num_classes):
        super().__init__(3, num_classes, stride=32, width=1)
        self.encoder = encoder
        self.scores[0] = nn.Conv2d(encoder.channels[-1], num_classes, kernel_size=1)


class InOneHead(nn.Module):
    """Both layers in one nn.Sequential, without biases; the size is cut axis by axis."""

    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        *_, wide = backbone.channels
        self.head = nn.Sequential(
            nn.Conv2d(wide, classes, 1, bias=False),
            nn.ConvTranspose2d(classes, classes, 64, 32, 16, bias=False),
        )

    def forward(self, picture):
        *_, coarsest = self.backbone(picture)
        y = self.head(coarsest)
        return y.narrow(2, 0, picture.size(2)).narrow(3, 0, picture.size(3))


class ByFunction(nn.Module):
    """Weights as parameters; the 1 x 1 convolution as an einsum."""

    def __init__(self, encoder, c):
        super().__init__()
        self.net = encoder
        self.w = nn.Parameter(torch.randn(c, encoder.channels[-1]))
        self.k = nn.Parameter(torch.randn(c, c, 64, 64))

    def forward(self, x):
        scores = torch.einsum("oc,nchw->nohw", self.w, self.net(x)[-1])
        return F.conv_transpose2d(scores, self.k, stride=32, padding=16)[:, :, : x.size(2), : x.size(3)]


class CutsByHand(nn.Module):
    """No padding in the layer: the first 16 rows and columns are cut off by hand."""

    def __init__(self, encoder, num_classes):
        super().__init__()
        self.encoder = encoder
        self.score = nn.LazyConv2d(num_classes, 1)
        self.up = nn.ConvTranspose2d(num_classes, num_classes, 64, stride=32)

    def forward(self, x):
        height, width = x.shape[2:]
        return self.up(self.score(self.encoder(x)[-1]))[:, :, 16 : 16 + height, 16 : 16 + width]


class LinearScores(nn.Module):
    """The classifier's linear layer, cell by cell."""

    def __init__(self, encoder, num_classes):
        super().__init__()
        self.encoder, self.score = encoder, nn.Linear(encoder.channels[-1], num_classes)
        self.up = nn.ConvTranspose2d(num_classes, num_classes, 64, 32, 16)

    def forward(self, x):
        scores = self.score(self.encoder(x)[-1].movedim(1, -1)).movedim(-1, 1)
        return self.up(scores)[..., : x.shape[-2], : x.shape[-1]]


class Remembers(module.Changed):
    """Cuts to the size of the first picture it saw."""

    size = None

    def fit(self, logits, x):
        self.size = self.size or x.shape[-2:]
        return logits[..., : self.size[0], : self.size[1]]


def picture(function):
    """Return an answer that does something to the picture first."""
    return changed(features=lambda self, x: self.encoder(function(x))[-1])


def padded(x):
    return F.pad(x, [0, -x.shape[-1] % 32, 0, -x.shape[-2] % 32])


class TestFCN32s(Contract):
    name = "FCN32s"
    library = Library
    right = {
        "one head": InOneHead,
        "by function": ByFunction,
        "cuts by hand": CutsByHand,
        "linear layer": LinearScores,
    }
    promises = (
        ("its channel numbers are in `encoder.channels`", "there are 4 classes",
         changed(prepare=lambda self, channels, n: setattr(self, "score", nn.Conv2d(3, n, 1)))),
        ("N x 3 x H x W, any H and W", "the picture has 20 x 7 pixels", module._HiddenEncoder, picture(lambda x: x[..., :16, :])),
        ("N x 3 x H x W, any H and W", "the network has seen a smaller picture before", Remembers),
        ("`x` goes into the encoder as it is", "the picture has 33 x 70 pixels", picture(padded),
         picture(lambda x: F.interpolate(x, (64, 64)))),
        ("Only this map is used", "the coarsest map has 2 x 3 cells",
         changed(prepare=module._score_finest, features=lambda self, x: self.encoder(x)[0])),
        ("a 1 x 1 convolution turns the map into num_classes scores", "the weights are counted",
         changed(prepare=module._no_score), changed(prepare=module._score_3x3)),
        ("from num_classes to num_classes channels", "there are 5 classes", module._other_up(groups=1)),
        ("kernel 64, stride 32, padding 16", "the coarsest map has 2 x 3 cells", module._other_up(padding=0),
         module._other_up(kernel_size=32, padding=0), module._without_weights(mode="bilinear")[0]),
        ("returns N x num_classes x H x W", "there are 5 classes", changed(prepare=module._one_channel)),
        ("rows and columns beyond the picture are cut off at the bottom and on the right", "any size",
         changed(fit=lambda self, logits, x: logits), changed(fit=module._centred), changed(fit=module._last_rows)),
        ("with no activation anywhere after the encoder", "the picture's mean is negative",
         changed(enlarge=lambda self, scores: self.up(scores.relu())), module._end(torch.relu)),
        ("returns logits", "pictures that 32 divides", module._end(torch.sigmoid),
         module._end(lambda logits: logits.softmax(dim=1))),
        ("the encoder is trained, too", "gradients are computed",
         changed(features=lambda self, x: self.encoder(x)[-1].detach())),
    )  # fmt: skip
    equal = {
        r"bias": "biases are neither asked for nor forbidden",
        r"-> .*(channels|\(x\))\[(1|--1)\]": "the encoder has two maps",
        r"-> .*shape\[(2|--2)\]": "of four axes, the last but one is axis 2",
        r"^self\.(encoder|score) = .*; self\.(score|up) = .*  ->  ": "the order of the lines does not matter",
    }
    said = (
        (Remembers, "only where the network has seen a smaller picture before"),
        (module._HiddenEncoder, "plain Python list"),
        (picture(padded), "changes the picture before the encoder sees it"),
        (picture(lambda x: (x - x.mean()) / x.std()), "changes the picture before the encoder sees it"),
        (
            changed(features=lambda self, x: self.encoder(x)),
            "You hand the whole list of maps",
        ),
    )
