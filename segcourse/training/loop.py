"""Training: `fit()`, a loop to read on one screen, and the few functions that it calls."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from torch import nn
from torch.utils.data import Dataset

from segcourse.devices import choose_speed, find_device
from segcourse.errors import ModelFileError, TrainingError
from segcourse.losses import combined_loss
from segcourse.metrics import Scores
from segcourse.models.forward import IMAGENET, Forward
from segcourse.training.batches import Batches, mix
from segcourse.training.runs import History, Run, agreed


def fit(
    model: nn.Module,
    train: Dataset,
    val: Dataset | None = None,
    *,
    epochs: int = 10,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
    loss: Callable = combined_loss,
    accumulate: int = 1,
    precision: str = "auto",
    device: str | torch.device | None = None,
    seed: int = 0,
    workers: int = 0,
    folder: str | Path | bool | None = None,
    resume: bool = False,
    minutes: float | None = None,
    normalise: tuple = IMAGENET,
    progress: bool = True,
    on_epoch: Callable[[dict], None] | None = None,
) -> History:
    """Train `model` with AdamW under a cosine schedule, and leave it with the weights of its best epoch.

    Args: model: normalised images N×3×H×W to logits N×C×H×W. train, val: data sets of (image float 3×H×W
    in [0, 1], mask int64 H×W with 255 ignored, name). epochs: passes over `train`; also the length of the
    schedule. batch_size: images in memory at once, on each device. loss: (logits, target) to a scalar, the
    mean over its batch. accumulate: so many batches make one step, the very step of one large batch, for
    any loss and with ignored pixels; batch normalisation still sees one small batch at a time. precision:
    "fp32", "bf16", or "auto": what is measured to be faster here. device: "cpu", "cuda", "cuda:1", "mps";
    None takes a GPU if there is one. seed: fixes order, augmentation and dropout, whatever `workers` is.
    workers: processes that load data; 0 keeps what a data set has cached, which is fast enough at 1 to 2
    ms an image. folder: gets best.safetensors, last.pt (to resume from) and TensorBoard's curves; None
    makes `runs/<model>-<time>`, False writes nothing. resume: continue in `folder`, to the numbers of an
    uninterrupted run. minutes: a budget; the schedule ends when it is spent, or after `epochs`, whichever
    comes first. normalise: mean and standard deviation of each colour channel. on_epoch: called with each
    epoch's row.

    The best epoch has the highest per-image Dice on `val` (mean IoU for more than two classes); without `val`
    it is the last. Ctrl-C saves the place within the epoch and returns the history with `interrupted` set.

    Raises:
        TrainingError: the loss became NaN or infinite; names the files of the batch.
        DeviceError: no such device here.
        SaveError: a checkpoint could not be written; the previous one is intact.
        ModelFileError: nothing to resume, or another run.
    """
    accelerator = make_accelerator(device)
    share = {"rank": accelerator.process_index, "world": accelerator.num_processes}
    train_batches = Batches(train, batch_size, seed=seed, workers=workers, **share)
    val_batches = (
        None if val is None else Batches(val, batch_size, seed=seed, shuffle=False, workers=workers, **share)
    )

    model.to(accelerator.device)
    optimizer = make_optimizer(model, weight_decay)
    settings = {"seed": seed, "batch_size": batch_size, "accumulate": accumulate, "images": len(train)}
    settings |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "precision": precision}
    folder = run_folder(folder, model, resume)
    steps = math.ceil(len(train_batches) / accumulate)
    main = accelerator.is_main_process
    run = Run(model, optimizer, settings, folder, epochs, steps, minutes, progress, main)
    if resume:
        run.load()
    speed = run.history.speed = agreed(run.history.speed or choose_speed(accelerator.device, precision))
    network, optimizer = accelerator.prepare(model.to(memory_format=speed.memory_format), optimizer)
    forward = Forward(network, accelerator.device, speed, *normalise)

    lr = 0.0
    with run.interruptible():
        while run.epoch < epochs and not run.out_of_time():
            model.train()
            for batches in groups(train_batches.epoch(run.epoch, run.step * accumulate), accumulate):
                images, targets, names = zip(*batches, strict=True)
                torch.manual_seed(mix(seed, run.epoch, run.step))  # dropout, too, can be resumed anywhere
                lr = set_learning_rate(optimizer, learning_rate * cosine_schedule(run.fraction()))
                value = backward(accelerator, forward, loss, images, targets)
                if not math.isfinite(value):
                    raise TrainingError(explain_divergence(value, images, names))
                optimizer.step()
                optimizer.zero_grad()
                run.step_done(value, images=sum(map(len, images)))
                if run.out_of_time():
                    break
            row = {"epoch": run.epoch + 1, "train_loss": run.train_loss(), "lr": lr}
            if val_batches:
                started = run.elapsed()
                row |= validate(Forward(model, accelerator.device, speed, *normalise), val_batches, loss)
                run.reserved = run.elapsed() - started  # of the budget, for the next time
            run.epoch_done(row)
            if on_epoch:
                on_epoch(row)
    if run.best_weights:
        model.load_state_dict(run.best_weights)
    return run.history


def backward(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Leave in the parameters the gradient of the loss of all micro-batches as one batch; return that loss.

    The mean of the micro-batches' losses would be another number as soon as they hold different numbers of
    valid pixels, and for a loss that is no mean over pixels, such as Dice, always. So all logits are computed
    first without keeping activations, the loss of them all is differentiated down to the logits, and each
    micro-batch then carries its part of that gradient back (gradient caching, Gao et al. 2021, section 3). It
    costs a second forward pass.
    """
    target = torch.cat(targets).to(forward.device)
    if len(images) == 1:
        value = loss(forward(images[0]), target)
        accelerator.backward(value)
        return value.item()
    buffers = [(buffer, buffer.clone()) for buffer in forward.network.buffers()]
    with torch.no_grad(), torch.random.fork_rng():  # the second pass draws the same dropout again
        logits = torch.cat([forward(batch) for batch in images])
        for buffer, before in buffers:
            buffer.copy_(before)  # running statistics count each image once
    value = loss(logits.requires_grad_(), target)
    (gradient,) = torch.autograd.grad(value, logits)
    for i, part in enumerate(gradient.split([len(batch) for batch in images])):
        last = i == len(images) - 1  # several devices exchange gradients once a step
        with contextlib.nullcontext() if last else accelerator.no_sync(forward.network):
            accelerator.backward(forward(images[i]), gradient=part)
    return value.item()


@torch.inference_mode()
def validate(forward: Forward, batches: Batches, loss: Callable) -> dict:
    """Loss and scores on the validation set, at its size; a batch's loss weighs as much as it has images."""
    forward.network.eval()
    scores, loss_sum, images = None, 0.0, 0
    for image, target, names in batches.epoch(0):
        logits = forward(image)
        scores = scores or Scores(logits.shape[1])
        loss_sum += loss(logits, target.to(logits.device)).item() * len(image)
        images += len(image)
        scores.update(logits.argmax(1).cpu(), target, names)
    parts = gather_object([(scores, loss_sum, images)])
    scores = parts[0][0]
    for other, _, _ in parts[1:]:
        if other is not None:
            scores.merge(other)
    figures = scores.compute()
    return {
        "val_loss": sum(part[1] for part in parts) / sum(part[2] for part in parts),
        **{
            name: figures[name]
            for name in ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        },
        "score": figures["dice_per_image" if scores.num_classes == 2 else "mean_iou"],
    }


def cosine_schedule(fraction: float, warm_up: float = 0.03) -> float:
    """The part of the full learning rate at this fraction (0 to 1) of a run: a short straight rise, then half
    a cosine down to 0 (Loshchilov & Hutter 2017, equation 5, one period).

    >>> [round(cosine_schedule(f, warm_up=0.2), 2) for f in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if fraction < warm_up:
        return fraction / warm_up
    return 0.5 * (1 + math.cos(math.pi * (fraction - warm_up) / (1 - warm_up)))


def make_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) that decays weights, but neither biases nor normalisation's scales."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> float:
    """Make `lr` the learning rate of all parameters, and return it."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


def groups(batches: Iterable, size: int) -> Iterator[list]:
    """Consecutive batches in lists of `size`; the last list may be shorter.

    >>> list(groups("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batches = iter(batches)
    while group := list(islice(batches, size)):
        yield group


def make_accelerator(device: str | torch.device | None) -> Accelerator:
    """Accelerate's view of `device`, or of all devices when started by `accelerate launch`."""
    device = find_device(device)
    state = AcceleratorState._shared_state
    if state and state["num_processes"] == 1:  # an earlier run in this process may have used another device
        AcceleratorState._reset_state(reset_partial_state=True)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no")


def run_folder(folder: str | Path | bool | None, model: nn.Module, resume: bool) -> Path | None:
    """Where a run keeps its files; None for nowhere."""
    if resume and not folder:
        raise ModelFileError("resume needs the folder of the run to continue: pass folder=….")
    if folder is None:
        folder = f"runs/{type(model).__name__.lower()}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path(folder) if folder else None


def explain_divergence(value: float, images: tuple, names: tuple) -> str:
    """A sentence on a loss that is NaN or infinite, with the files of its batch, or those of them that are to
    blame."""
    files = [(name, image) for batch, batch_names in zip(images, names, strict=True)
             for image, name in zip(batch, batch_names, strict=True)]  # fmt: skip
    broken = [name for name, image in files if not image.isfinite().all()]
    if broken:
        return (
            f"the loss became {value}, because these images hold NaN or infinite values: {', '.join(broken)}."
        )
    return (
        f"the loss became {value} in the batch of {', '.join(name for name, _ in files)}. Look at these "
        "images and masks; if they are fine, lower the learning rate or use precision='fp32'."
    )
