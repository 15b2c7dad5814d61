"""What each skip connection of a U-Net adds to its prediction."""

import contextlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segcourse.errors import DataError
from segcourse.models.forward import IMAGENET
from segcourse.palette import Palette
from segcourse.plotting.arrays import ERROR_COLOURS, small_enough
from segcourse.plotting.formats import as_images
from segcourse.plotting.results import prepare
from segcourse.widgets.frames import Column, Frames
from segcourse.widgets.masks import legend_html, panels

Normalisation = tuple[Sequence[float], Sequence[float]]  # mean and standard deviation of each channel


def skip_viewer(
    model: nn.Module,
    image: Any,
    true_mask: Any = None,
    *,
    palette: Palette | None = None,
    normalise: Normalisation = IMAGENET,
) -> Frames:
    """Show a slider over the number of skips: the prediction with the coarsest skip only, with two, with all.

    A skip that is left out is replaced by its mean per channel: the decoder learns how strong each feature is
    on average, but not where it is. All weights stay. The network was trained with all skips, so the frames
    show what it takes from each of them, and not how well a network without skips can be trained.

    Args:
        model: a network with modules that are called with (x, skip), N×C×h×w and N×C×H×W, the skip being the
            larger one: `UNet`, or one of your own.
        image: one image, in any format of `segcourse.plotting.formats`.
        true_mask: class ids, H×W, for the scores and the errors.
        palette: names and colours of the classes.
        normalise: mean and standard deviation of each colour channel in training, as for `fit`.

    Raises:
        DataError: the model has no such modules.
    """
    (picture,) = as_images(image)
    ups = steps_up(model, picture, normalise)
    if not ups:
        raise DataError(
            f"{type(model).__name__} has no modules called with (x, skip), so that its skips can't be "
            "reached. Pass a U-Net such as `segcourse.UNet`."
        )
    predictions = [predict_with(model, picture, ups[count:], normalise) for count in range(len(ups) + 1)]
    classes = int(max(one.max() for one in predictions)) + 1
    palette = palette or Palette.default(("background", "foreground") if classes <= 2 else classes)
    cases = [prepare(picture, true_mask, one, None, palette)[0][0] for one in predictions]
    shown = [panels(case, palette) for case in cases]
    columns = [Column(title, (), [one[title] for one in shown]) for title in shown[0]]
    changed = [before != after for before, after in itertools.pairwise([predictions[0], *predictions])]
    columns.append(Column("changed by this skip", (), [[_map(one)] for one in changed]))
    captions = ["no skip"]
    for count in range(1, len(ups) + 1):
        size = f"1/{2 ** (len(ups) - count)} of the size" if count < len(ups) else "full size"
        captions.append(f"the skip at {size} changes {changed[count].mean():.1%} of the pixels")
    if true_mask is not None:
        captions = [f"{says}. {case.score_line(palette)}" for says, case in zip(captions, cases, strict=True)]
    labels = [f"{count} of {len(ups)}" for count in range(len(ups) + 1)]
    foot = legend_html(cases, palette)
    return Frames(columns, captions, labels, name="skips", foot=foot, playable=True).show()


def steps_up(model: nn.Module, image: np.ndarray, normalise: Normalisation = IMAGENET) -> list[nn.Module]:
    """Return the modules that get a skip, coarsest first: called with two maps, the second being larger.

    Of several for one size, such as an attention gate and the step up behind it, it is the first.
    """
    found: dict[torch.Size, nn.Module] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        if len(args) == 2 and all(isinstance(arg, Tensor) and arg.ndim == 4 for arg in args):
            x, skip = args
            if skip.shape[-2:] > x.shape[-2:]:
                found.setdefault(skip.shape[-2:], module)

    hooks = [module.register_forward_pre_hook(note) for module in model.modules()]
    try:
        predict_with(model, image, (), normalise)
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.values())


def predict_with(
    model: nn.Module,
    image: np.ndarray,
    without: Collection[nn.Module],
    normalise: Normalisation = IMAGENET,
) -> np.ndarray:
    """Return the prediction (uint8 H×W) of a network of which these modules get no skip."""
    weight = next(model.parameters())
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(weight) / 255  # 1, 3, H, W
    mean, std = (torch.tensor(numbers).to(weight).view(3, 1, 1) for numbers in normalise)
    was_training = model.training
    model.eval()
    with without_skips(without), torch.no_grad():
        labels = model((pixels - mean) / std)[0].argmax(dim=0)
    model.train(was_training)
    return labels.to(torch.uint8).cpu().numpy()


@contextlib.contextmanager
def without_skips(ups: Collection[nn.Module]) -> Iterator[None]:
    """Replace the skip of each of these modules by its mean per channel, as long as the block runs."""

    def flatten(module: nn.Module, args: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, skip = args
        return x, skip.mean(dim=(-2, -1), keepdim=True).expand_as(skip)

    hooks = [up.register_forward_pre_hook(flatten) for up in ups]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _map(changed: np.ndarray) -> np.ndarray:
    colours = np.array([ERROR_COLOURS["true negative"], ERROR_COLOURS["wrong class"]], np.uint8)
    return colours[small_enough(changed.astype(int))]
