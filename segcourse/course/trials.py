"""Train variants of a network from the same starts, and keep what a comparison needs."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from segcourse.data import Sample, SampleDataset
from segcourse.inference.segmenter import Segmenter
from segcourse.models.unet import initialise
from segcourse.plotting import outline
from segcourse.threads import use_threads
from segcourse.training.loop import fit
from segcourse.widgets import play
from segcourse.widgets.frames import Frames

Key = tuple[str, int]  # variant, seed


@dataclass
class Trials:
    """The trained networks of a comparison; each dict has a key (variant, seed).

    Attributes:
        curves: validation Dice after each epoch.
        segmenters: the trained networks, with the weights of their best epoch.
        watch: the watched samples.
        watched: their masks after each epoch: epochs × samples × H × W, int64.
    """

    watch: Sequence[Sample] = ()
    curves: dict[Key, list[float]] = field(default_factory=dict)
    segmenters: dict[Key, Segmenter] = field(default_factory=dict)
    watched: dict[Key, Tensor] = field(default_factory=dict)

    def masks(self, samples: Iterable[Any]) -> dict[Key, Tensor]:
        """Return each network's masks of the samples (image, …), which have one size: N×H×W, int64."""
        images = [sample[0] for sample in samples]
        return {key: predict(segmenter, images) for key, segmenter in self.segmenters.items()}

    def play(self, index: int = 0) -> Frames:
        """Show a watched sample with its true outline, and each network's outline epoch by epoch."""
        image, mask, _ = self.watch[index]
        epochs = len(next(iter(self.watched.values())))
        pictures = {"truth": [outline(image, mask)] * epochs}
        for (name, seed), masks in self.watched.items():
            title = name if len({seed for _, seed in self.watched}) == 1 else f"{name}, seed {seed}"
            pictures[title] = [outline(image, one) for one in masks[:, index]]
        return play(pictures, range(1, epochs + 1), name="epoch")


def compare(
    variants: Mapping[str, Mapping[str, Any]],
    train: SampleDataset,
    val: SampleDataset,
    *,
    seeds: Sequence[int] = (0,),
    watch: Sequence[Sample] = (),
    progress: bool = True,
    **plan: Any,
) -> Trials:
    """Train each variant from each seed, on the same images in the same order.

    Variants with the same layers start with the same weights: drawn with the seed, by He initialisation.

    Args:
        variants: name of each variant: the arguments of `fit` in which it differs, and `model`, a function
            without arguments that returns a new network. With `initial=None`, the network keeps the weights
            that this function gives it.
        train, val: data sets for `fit`.
        seeds: random seeds, for initial weights and the order of images.
        watch: samples whose masks are kept after each epoch.
        progress: show one progress bar for all trainings.
        plan: arguments of `fit` that the variants share; a `model` too.

    Raises:
        TrainingError: as `fit`.
    """
    trials, images = Trials(watch), [sample[0] for sample in watch]
    keys = [(name, seed) for seed in seeds for name in variants]
    total = len(keys) * plan.get("epochs", 10)
    with tqdm(total=total, unit="epoch", leave=False, file=sys.stdout, disable=not progress) as bar:
        for name, seed in keys:
            bar.set_description(f"{name}, seed {seed}")
            options = {**plan, **variants[name]}
            segmenter = Segmenter(_new(options.pop("model"), seed, options.pop("initial", initialise)))
            curve: list[float] = []
            masks: list[Tensor] = []

            def epoch_done(row: dict) -> None:
                bar.update()
                curve.append(row["dice_per_image"])  # noqa: B023  (called before the next loop turn)
                if watch:
                    segmenter.model.eval()  # noqa: B023
                    masks.append(predict(segmenter, images))  # noqa: B023

            options |= {"seed": seed, "folder": False, "progress": False, "on_epoch": epoch_done}
            fit(segmenter.model, train, val, **options)
            segmenter.model.eval()
            trials.curves[name, seed], trials.segmenters[name, seed] = curve, segmenter
            if watch:
                trials.watched[name, seed] = torch.stack(masks)
    return trials


def _new(make: Callable[[], nn.Module], seed: int, initial: Callable[[nn.Module], None] | None) -> nn.Module:
    torch.manual_seed(seed)
    return make().apply(initial) if initial else make()


def predict(segmenter: Segmenter, images: Sequence[Any]) -> Tensor:
    """Return the masks of images of one size, N×H×W, int64."""
    with use_threads(1):
        return torch.stack([torch.from_numpy(mask).long() for mask in segmenter.predict_batch(list(images))])
