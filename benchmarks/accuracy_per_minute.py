"""Compare the accuracy on real skin lesions that training reaches in the same core-minutes.

    python benchmarks/accuracy_per_minute.py [--minutes 10] [--val 400] [--seed 0] [--device cpu|cuda]

- segcourse: `segcourse fit` with the recipe of the data set, for --minutes.
- segcourse, U-Net: the same with the original U-Net (31.04 M parameters), the network of milesial.
- segcourse, smp: the same with the `Unet` of segmentation_models_pytorch.
- milesial, milesial --amp: milesial/Pytorch-UNet in its own loop.
- smp: the `Unet` of segmentation_models_pytorch in the loop of its example.

All networks start from random weights and see the same training images at the same size in batches of the
same size; `_peers.py` says what is the same as published. The loops of others run for as much CPU time as the
first run of `fit` took (on a GPU: time), including its validation. So other programs on the machine change
how long a comparison takes, but hardly its result. The scores are those of the validation images at their own
size, per image, with a threshold of 0.5 for everyone; nan stands for a budget that ended before a step.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from _lesions import lesions_name
from _peers import Loop, milesial, smp_unet
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, Subset

from segcourse import recipes
from segcourse.devices import Speed, find_device
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter
from segcourse.losses import combined_loss
from segcourse.models.forward import Forward
from segcourse.recipes.plan import Recipe
from segcourse.recipes.sources import Sets, at_own_size, behind
from segcourse.training.batches import Batches
from segcourse.training.optimizer import cosine_schedule, set_learning_rate
from segcourse.training.validation import validate

UNNORMALISED = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SMP = {"model": "segmentation_models_pytorch.Unet", "model_options": {"encoder_weights": None}}
COLUMNS = ("dice_per_image", "jaccard_per_image", "threshold_jaccard")


def lesions(minutes: float, val: int, seed: int) -> tuple[Recipe, Sets, Sets]:
    """Return the recipe of the lesions, their sets for `fit`, and these sets without augmentation."""
    name = lesions_name()
    plan = recipes.recipe(name, minutes=minutes, size=128, threshold=0.5)
    sets = [recipes.datasets(name, plan=one, seed=seed) for one in (plan, replace(plan, augment="none"))]
    ours, plain = ((train, Subset(both, range(min(val, len(both))))) for train, both in sets)
    return plan, ours, plain


def train_by_fit(plan: Recipe, sets: Sets, clock: Callable[[], float], **options) -> tuple[float, dict]:
    """Train with `fit`; return the seconds until the last validation, and the scores."""
    ends, start = [], clock()
    with TemporaryDirectory() as folder:
        options |= {"progress": False, "on_epoch": lambda row: ends.append(clock() - start)}
        _, scores = recipes.train(plan, sets, Path(folder), **options)
    return (ends[-1] if ends else clock() - start), scores


def train_by_loop(
    loop: Loop, plan: Recipe, sets: Sets, clock: Callable[[], float], seconds: float, device: torch.device
) -> tuple[float, dict]:
    """Train with a plain loop for a number of seconds; return the seconds and the scores."""
    train, val = sets
    speed = Speed(loop.autocast is not None, loop.memory_format == torch.channels_last)
    forward = Forward(loop.model, device, speed, *UNNORMALISED)
    val_batches = Batches(val, plan.batch_size, shuffle=False)
    every = max(1, len(train) // (5 * plan.batch_size))
    start = clock()
    for number, (images, target, _) in enumerate(forever(train, plan.batch_size), start=1):
        used = (clock() - start) / seconds
        if used >= 1:
            break
        if loop.cosine:
            set_learning_rate(loop.optimizer, loop.cosine * cosine_schedule(used, warm_up=0))
        loop.model.train()
        loop.step(images, target)
        if loop.plateau and number % every == 0:
            loop.plateau.step(validate(forward, val_batches, combined_loss)["dice_per_image"])
    used = clock() - start
    names = behind(train).class_names
    mean, std = UNNORMALISED
    segmenter = Segmenter(loop.model, names, size=plan.size, mean=mean, std=std, device=device)
    return used, evaluate(segmenter, at_own_size(val), plan.batch_size, progress=False).compute()


def forever(train, batch_size: int) -> Iterator[list]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from DataLoader(train, batch_size, shuffle=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="time per method; there are six")
    parser.add_argument("--val", type=int, default=400, help="number of validation images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = find_device(arguments.device)
    torch.set_num_threads(1)
    # the loss of each step is read, so that a GPU's work is done when the clock is
    clock, unit = (time.process_time, "core-min") if device.type == "cpu" else (time.perf_counter, "minutes")
    steps = []
    register_optimizer_step_post_hook(lambda *_: steps.append(1))

    plan, ours, plain = lesions(arguments.minutes, arguments.val, arguments.seed)
    print(f"{len(ours[0])} training and {len(ours[1])} validation images, {device}")
    print(f"{'method':18} {unit:>8} {'images':>7} {'images/s':>8}   Dice  Jaccard  threshold Jaccard")

    def show(name: str, seconds: float, scores: dict) -> None:
        images = len(steps) * plan.batch_size
        values = "{:6.3f} {:8.3f} {:18.3f}".format(*(scores.get(column, math.nan) for column in COLUMNS))
        print(f"{name:18} {seconds / 60:8.1f} {images:7} {images / seconds:8.1f} {values}", flush=True)
        steps.clear()

    options = {"seed": arguments.seed, "device": str(device)}
    budget, scores = train_by_fit(plan, ours, clock, **options)
    show("segcourse", budget, scores)
    big = replace(plan, model="unet", model_options={"width": 64})
    show("segcourse, U-Net", *train_by_fit(big, ours, clock, **options))
    loops = {
        "milesial": lambda: milesial(device),
        "milesial --amp": lambda: milesial(device, amp=True),
        "smp": lambda: smp_unet(device),
    }
    for name, make in loops.items():
        torch.manual_seed(arguments.seed)
        if loop := make():
            show(name, *train_by_loop(loop, plan, plain, clock, budget, device))
    if loop:
        show("segcourse, smp", *train_by_fit(replace(plan, **SMP), ours, clock, **options))


if __name__ == "__main__":
    main()
