"""Exercise 2.4: FCN-32s on a given encoder."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from segcourse.exercises.engine import modules
from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.engine.weights import UNREGISTERED


class FCN32s(nn.Module):
    """Score the encoder's coarsest map, and enlarge the scores 32 times."""

    def __init__(self, encoder, num_classes):
        super().__init__()
        self.encoder = encoder
        self.score = nn.Conv2d(encoder.channels[-1], num_classes, kernel_size=1)
        self.up = nn.ConvTranspose2d(num_classes, num_classes, kernel_size=64, stride=32, padding=16)

    def forward(self, x):
        scores = self.score(self.encoder(x)[-1])  # N, num_classes, H/32, W/32, rounded up
        return self.up(scores)[..., : x.shape[-2], : x.shape[-1]]  # N, num_classes, H, W


class TwoMaps(nn.Module):
    """An encoder for the cases: means over 16 × 16 pixels and over 32 × 32, each with a 1 × 1 convolution.

    With `norm`, batch norm shows whether the encoder follows the network into training mode.
    """

    def __init__(self, fine: int, coarse: int, norm: bool = False):
        super().__init__()
        self.channels = (fine, coarse)
        self.norm = nn.BatchNorm2d(fine) if norm else nn.Identity()
        self.fine, self.coarse = nn.Conv2d(3, fine, 1, bias=False), nn.Conv2d(fine, coarse, 1, bias=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.norm(self.fine(F.avg_pool2d(x, 16, ceil_mode=True)))
        return [fine, self.coarse(F.avg_pool2d(fine, 2, ceil_mode=True))]


WHOLE, ANY, TRAINING = "pictures that 32 divides", "any size", "training"
NOT_AS_IT_IS = (
    "Your network changes the picture before the encoder sees it. `x` goes into the encoder as it is: "
    "nothing is normalised, padded or resized."
)


def _as_it_is(look: modules.Look) -> modules.Look:
    """Look, and stop where the encoder gets another picture than the network."""

    def observe(obj: Any, case: Case) -> dict[str, Any]:
        pictures: list[Any] = []

        def build(*sizes: Any) -> Any:
            model = obj(*sizes)
            if isinstance(model, nn.Module):
                model.register_forward_pre_hook(lambda module, inputs: pictures.append(*inputs))
            return model

        def compare(module: nn.Module, inputs: tuple) -> None:
            came, wanted = inputs[0], pictures[-1] if pictures else inputs[0]
            if isinstance(came, Tensor) and (came.shape != wanted.shape or bool((came != wanted).any())):
                raise Explained(NOT_AS_IT_IS)

        case.inputs["encoder"].register_forward_pre_hook(compare)
        return look(build, case)

    return modules.paste(look.line)(observe)


def cases(rng: Generator) -> Iterator[Case]:
    seed = int(rng.integers(1000))
    drawn = modules.output(seed=seed)

    def case(group, channels, num_classes, size, look, *traits, mean=0.5, norm=False):
        x = torch.from_numpy(rng.normal(mean, 1, (size[0], 3, *size[1:]))).float()
        return given(group, channels, num_classes, x, look, *traits, norm=norm)

    def given(group, channels, num_classes, x, look, *traits, norm=False):
        shape = " x ".join(map(str, x.shape))
        words = f"encoder.channels = {channels}, num_classes = {num_classes}, x: {shape}"
        inputs = {"encoder": TwoMaps(*channels, norm).eval(), "num_classes": num_classes, "x": x}
        return Case(group, inputs, traits, _as_it_is(look), given=words)

    x = torch.linspace(-1, 2, 3 * 64 * 96).reshape(1, 3, 64, 96)
    yield given(WHOLE, (2, 3), 2, x[..., :32, :32], drawn, "the coarsest map is a single cell")
    yield given(WHOLE, (2, 3), 2, x, drawn, "the coarsest map has 2 x 3 cells")
    yield given(ANY, (2, 3), 2, x[..., :33, :70], drawn, "the picture has 33 x 70 pixels")
    yield case(WHOLE, (2, 3), 2, (2, 64, 32), drawn, "there are two pictures")
    yield case(WHOLE, (4, 5), 3, (1, 64, 64), drawn, "the picture's mean is negative", mean=-0.5)
    for channels, num_classes in (((3, 6), 1), ((2, 2), 4), (tuple(map(int, rng.integers(2, 7, 2))), 5)):
        yield case(WHOLE, channels, num_classes, (1, 64, 32), drawn, f"there are {num_classes} classes")
    for height, width in (
        (33, 64),
        (64, 50),
        (20, 7),
        (int(rng.integers(65, 96)), int(rng.integers(34, 63))),
    ):
        yield case(ANY, (2, 3), 2, (1, height, width), drawn, f"the picture has {height} x {width} pixels")
    yield case(ANY, (2, 3), 2, (1, 101, 131), modules.shape, "the picture has 101 x 131 pixels")
    look = modules.output_after_smaller(seed)
    yield case(ANY, (2, 3), 2, (1, 70, 40), look, "the network has seen a smaller picture before")
    yield case(TRAINING, (2, 3), 2, (1, 40, 64), modules.training(seed), "the network is in training mode")
    look = modules.training(seed)
    yield case(TRAINING, (2, 3), 2, (2, 64, 96), look, "the encoder has batch norm", norm=True)
    yield case(TRAINING, (2, 3), 2, (1, 40, 64), modules.gradients(seed), "gradients are computed")
    counted = modules.trainable(lambda case: 0)
    for channels, num_classes in (((2, 3), 2), ((3, 4), 3)):
        yield given(TRAINING, channels, num_classes, x, counted, "the weights are counted")


class Changed(FCN32s):
    """The right answer, with a place for one change."""

    def __init__(self, encoder, num_classes):
        super().__init__(encoder, num_classes)
        self.prepare(encoder.channels, num_classes)

    def prepare(self, channels, num_classes):
        pass

    def features(self, x):
        return self.encoder(x)[-1]

    def enlarge(self, scores):
        return self.up(scores)

    def fit(self, logits, x):
        return logits[..., : x.shape[-2], : x.shape[-1]]

    def forward(self, x):
        return self.fit(self.enlarge(self.score(self.features(x))), x)


def changed(**pieces):
    return type("Changed", (Changed,), pieces)


def _other_up(**arguments):
    def prepare(self, channels, num_classes):
        settings = {"kernel_size": 64, "stride": 32, "padding": 16, **arguments}
        if settings.get("groups"):
            settings["groups"] = num_classes
        self.up = nn.ConvTranspose2d(num_classes, num_classes, **settings)

    return changed(prepare=prepare)


def _score_finest(self, channels, num_classes):
    self.score = nn.Conv2d(channels[0], num_classes, kernel_size=1)


def _score_3x3(self, channels, num_classes):
    self.score = nn.Conv2d(channels[-1], num_classes, kernel_size=3, padding=1)


def _one_channel(self, channels, num_classes):
    self.score = nn.Conv2d(channels[-1], 1, kernel_size=1)
    self.up = nn.ConvTranspose2d(1, 1, kernel_size=64, stride=32, padding=16)


def _no_score(self, channels, num_classes):
    self.score = nn.Identity()
    self.up = nn.ConvTranspose2d(channels[-1], num_classes, kernel_size=64, stride=32, padding=16)


def _score_last(self, channels, num_classes):
    wide = channels[-1]
    score = nn.Conv2d(wide, num_classes, kernel_size=1)
    self.score = nn.ConvTranspose2d(wide, wide, kernel_size=64, stride=32, padding=16)
    self.up = score


def _centred(self, logits, x):
    rows, columns = (a - b for a, b in zip(logits.shape[-2:], x.shape[-2:], strict=True))
    return logits[..., rows // 2 :, columns // 2 :][..., : x.shape[-2], : x.shape[-1]]


def _last_rows(self, logits, x):
    return logits[..., logits.shape[-2] - x.shape[-2] :, logits.shape[-1] - x.shape[-1] :]


def _norm(self, channels, num_classes):
    self.norm = nn.BatchNorm2d(num_classes)


class _HiddenEncoder(Changed):
    def __init__(self, encoder, num_classes):
        super().__init__(encoder, num_classes)
        del self.encoder
        self.parts = [encoder]

    def features(self, x):
        return self.parts[0](x)[-1]


def _without_weights(**how):
    """Return answers that enlarge the scores by interpolation, 32 times or to the picture's size."""
    return (
        changed(prepare=_no_up, enlarge=lambda self, scores: F.interpolate(scores, scale_factor=32, **how)),
        changed(
            prepare=_no_up,
            enlarge=lambda self, scores: scores,
            fit=lambda self, scores, x: F.interpolate(scores, x.shape[-2:], **how),
        ),
    )


INTERPOLATIONS = (
    {"mode": "bilinear"},
    {"mode": "bilinear", "align_corners": True},
    {"mode": "bicubic"},
    {"mode": "nearest"},
)


def _no_up(self, channels, num_classes):
    del self.up


def _end(function):
    return changed(fit=lambda self, logits, x: function(Changed.fit(self, logits, x)))


def celebrate(answer):
    """Train the network on a single lesion for a moment, and show what it draws."""
    from segcourse.exercises.engine.example import lesion
    from segcourse.losses import cross_entropy
    from segcourse.models.encoders import create_encoder
    from segcourse.plotting import outline, show_image

    torch.manual_seed(0)
    image, mask = lesion().image[None, :, :50, :61], lesion().mask[None, :50, :61]
    network = answer(create_encoder("small", width=8), 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(60):
        loss = cross_entropy(network(image), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = network(image).argmax(dim=1)[0]
    alt = "A lesion of 50 x 61 pixels with its true outline, and the outline that the network draws."
    panels = [outline(image[0], mask[0]), outline(image[0], found)]
    show_image(panels, ["truth, 50 x 61 pixels", "yours, 60 steps on this alone"], alt=alt)


EXERCISE = Exercise(
    FCN32s,
    number="2.4",
    difficulty=2,
    minutes=15,
    groups={WHOLE: 2, ANY: 1, TRAINING: 1},
    cases=cases,
    celebrate=celebrate,
    mistakes=[
        (
            "Your network scores the first map of the list, the finest. The last map is the coarsest, at "
            "1/32 of the size, and 32 times is how much you enlarge.",
            changed(prepare=_score_finest, features=lambda self, x: self.encoder(x)[0]),
        ),
        (
            "You hand the whole list of maps to the next layer. `encoder(x)` is a list; its last element "
            "is the coarsest map.",
            changed(features=lambda self, x: self.encoder(x)),
        ),
        (
            "Your result is larger than the picture where 32 does not divide its size: the map's cells "
            "were rounded up. Cut the rows and columns beyond the picture.",
            changed(fit=lambda self, logits, x: logits),
        ),
        *(
            (
                "Your network resizes its result to the picture's size. Then every pixel moves a little "
                "where 32 does not divide the size. Cut what is beyond the picture.",
                changed(fit=lambda self, logits, x, how=how: F.interpolate(logits, x.shape[-2:], **how)),
            )
            for how in INTERPOLATIONS
        ),
        (
            "You cut the rows beyond the picture, and not the columns. Cut both.",
            changed(fit=lambda self, logits, x: logits[..., : x.shape[-2], :]),
        ),
        (
            "You cut the columns beyond the picture, and not the rows. Cut both.",
            changed(fit=lambda self, logits, x: logits[..., : x.shape[-1]]),
        ),
        (
            "You cut the rows to the picture's width and the columns to its height. `x.shape` ends with "
            "rows, then columns.",
            changed(fit=lambda self, logits, x: logits[..., : x.shape[-1], : x.shape[-2]]),
        ),
        (
            "You cut half of the surplus from the top and the left. The surplus lies at the bottom and on "
            "the right; what you keep starts at the first row and column.",
            changed(fit=_centred),
        ),
        (
            "You cut the surplus from the top and the left. It lies at the bottom and on the right; what "
            "you keep starts at the first row and column.",
            changed(fit=_last_rows),
        ),
        *(
            (
                f"You enlarge the scores by interpolation ({how['mode']}). That has no weights, and here "
                "they are asked for: a transposed convolution, kernel 64, stride 32, padding 16.",
                wrong,
            )
            for how in INTERPOLATIONS
            for wrong in _without_weights(**how)
        ),
        *(
            (
                "Your transposed convolution has a kernel of 32. Then neighbouring copies do not overlap, "
                "and each cell draws a separate square. A kernel of 64 is asked for, with padding 16.",
                _other_up(kernel_size=32, padding=padding),
            )
            for padding in (0, 16)
        ),
        (
            "Your transposed convolution has padding 32: it cuts 32 pixels from each side. With a kernel of "
            "64 and a stride of 32, padding 16 makes the result 32 times as large as the map.",
            _other_up(padding=32),
        ),
        (
            "Your transposed convolution has no padding, so that its result is 32 pixels too large and "
            "lies 16 pixels too far down and right. Padding 16 cuts that off.",
            _other_up(padding=0),
        ),
        (
            "Your transposed convolution treats each class by itself (`groups`). From num_classes to "
            "num_classes channels, with all connections, is asked for.",
            _other_up(groups=1),
        ),
        (
            "Your network has no 1 x 1 convolution: the transposed convolution works on the encoder's "
            "channels. Score first; num_classes maps are cheaper to enlarge.",
            changed(prepare=_no_score),
        ),
        (
            "Your network enlarges the encoder's features and scores them afterwards. Score first: "
            "num_classes maps are cheaper to enlarge.",
            changed(prepare=_score_last),
        ),
        (
            "Your scores come from a 3 x 3 convolution. A 1 x 1 convolution is asked for: it is the "
            "classifier's last layer, applied to each cell.",
            changed(prepare=_score_3x3),
        ),
        (
            "There is one channel at the end. One channel per class is asked for: num_classes.",
            changed(prepare=_one_channel),
        ),
        (
            "Your scores are cut off at zero before they are enlarged, as by a ReLU. A score may be "
            "negative; nothing is asked for between the two layers.",
            changed(enlarge=lambda self, scores: self.up(scores.relu())),
        ),
        (
            "Your results add up to 1 over the classes, like those of a softmax at the end. The loss "
            "applies its own; return the logits.",
            _end(lambda logits: logits.softmax(dim=1)),
        ),
        (
            "Your results lie between 0 and 1 like those of a sigmoid at the end. The loss applies its "
            "own; return the logits.",
            _end(torch.sigmoid),
        ),
        (
            "Your results are cut off at zero, as by a ReLU at the end. Logits may be negative.",
            _end(torch.relu),
        ),
        (
            "Your results are logarithms of probabilities, like those of a log_softmax at the end. The loss "
            "applies its own; return the logits.",
            _end(lambda logits: logits.log_softmax(dim=1)),
        ),
        (
            "Your results lie between -1 and 1 like those of a tanh at the end. Logits may be any numbers.",
            _end(torch.tanh),
        ),
        *(
            (
                "You return class ids. `argmax` has no gradient, so that nothing could be trained; return "
                "the logits.",
                _end(lambda logits, keep=keep: logits.argmax(dim=1, keepdim=keep)),
            )
            for keep in (False, True)
        ),
        (
            "You return the largest logit of each pixel. Return the logits of all classes.",
            _end(lambda logits: logits.amax(dim=1, keepdim=True)),
        ),
        (
            "There is batch norm between your two layers. Nothing is asked for there: the scores are "
            "enlarged as they are.",
            changed(prepare=_norm, enlarge=lambda self, scores: self.up(self.norm(scores))),
        ),
        (
            "The features are cut off at zero before they are scored, as by a ReLU. Nothing is asked for "
            "between the encoder and the 1 x 1 convolution.",
            changed(features=lambda self, x: self.encoder(x)[-1].relu()),
        ),
        (
            "Your network scores the mean of all cells: a single score per class for a whole picture. Score "
            "each cell.",
            changed(features=lambda self, x: self.encoder(x)[-1].mean(dim=(2, 3), keepdim=True)),
        ),
        (NOT_AS_IT_IS, changed(features=lambda self, x: self.encoder((x - 0.5) / 0.5)[-1])),
        (
            "No gradient reaches the encoder (`.detach()`, or no_grad): only the two layers above it "
            "would learn.",
            changed(features=lambda self, x: self.encoder(x)[-1].detach()),
        ),
        (
            "You freeze the transposed convolution (`requires_grad`). It should be trained like the rest.",
            changed(prepare=lambda self, channels, num_classes: self.up.requires_grad_(False)),
        ),
        (
            "Your transposed convolution enlarges 16 times. The coarsest map has 1/32 of the picture's size: "
            "kernel 64, stride 32, padding 16.",
            _other_up(kernel_size=32, stride=16, padding=8),
        ),
        (
            "You freeze the encoder (`requires_grad`). It should be trained, too.",
            changed(prepare=lambda self, channels, num_classes: self.encoder.requires_grad_(False)),
        ),
        (
            "You put the encoder into eval mode. Its batch norms then never use the batch's own mean and "
            "variance; in training they should.",
            changed(features=lambda self, x: self.encoder.eval()(x)[-1]),
        ),
        (UNREGISTERED, _HiddenEncoder),
    ],
    finished=("segcourse.models.fcn:FCN", "segcourse.models:create_model"),
)
