"""The training loop: batch, forward, loss, backward, step; after each epoch, validate."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from segcourse.data import SampleDataset
from segcourse.devices import choose_speed
from segcourse.errors import TrainingError
from segcourse.losses import combined_loss
from segcourse.metrics import Scores
from segcourse.models.forward import IMAGENET, Forward
from segcourse.threads import choose_threads, use_threads
from segcourse.training.accelerator import from_main_process, make_accelerator
from segcourse.training.accumulation import backward_accumulated
from segcourse.training.batches import Batches, derive_seed, explain_divergence, groups
from segcourse.training.budget import check_length, seconds_to_validate
from segcourse.training.history import History
from segcourse.training.optimizer import cosine_schedule, make_optimizer, set_learning_rate
from segcourse.training.runs import Run, run_folder


def fit(
    model: nn.Module,
    train: SampleDataset,
    val: SampleDataset | None = None,
    *,
    epochs: int | None = 10,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
    loss: Callable = combined_loss,
    accumulate: int = 1,
    precision: str = "auto",
    device: str | torch.device | None = None,
    seed: int = 0,
    workers: int = 0,
    threads: int | None = None,
    folder: str | Path | Literal[False] | None = None,
    resume: bool = False,
    minutes: float | None = None,
    normalise: tuple = IMAGENET,
    progress: bool = True,
    on_epoch: Callable[[dict], None] | None = None,
) -> History:
    """Train `model` with AdamW and a cosine schedule; the model ends with the weights of its best epoch.

    The best epoch has the highest per-image Dice on `val` (mean IoU for more than two classes). Without `val`
    the last epoch counts as the best. Ctrl-C saves the position within the epoch; the returned history then
    has `interrupted` set.

    Args:
        model: maps normalised images N×3×H×W to logits N×C×H×W.
        train, val: data sets of (image float 3×H×W in [0, 1], mask int64 H×W with 255 ignored, name). The
            images of `val` may differ in size.
        epochs: passes over `train`; also the length of the schedule. None: as many as fit in `minutes`.
        batch_size: images per batch and device.
        loss: (logits, target) to a scalar tensor, the mean over its batch.
        accumulate: batches per step. The step equals that of one large batch, for any loss and with ignored
            pixels. Only batch normalisation still sees one small batch at a time.
        precision: "fp32", "bf16", or "auto", which takes the faster one on this machine.
        device: "cpu", "cuda", "cuda:1" or "mps". Default: a GPU if there is one.
        seed: random seed for shuffling, augmentation and dropout; the same for any number of `workers`.
        workers: processes that load data. 0 loads in this process, which keeps a data set's cache and is
            fast enough if loading takes up to 2 ms per image.
        threads: threads that PyTorch uses on a CPU. Default: 1 for small networks (see `choose_threads`),
            which are slow with more threads on a busy machine; else PyTorch's current number.
        folder: where best.safetensors, last.pt (to resume from), history.csv and TensorBoard's curves go.
            Default: `runs/<model>-<time>`. False writes nothing.
        resume: continue the run in `folder`, with the same numbers as an uninterrupted run.
        minutes: time budget, above 0. The schedule ends with it or after `epochs`, whichever comes first.
        normalise: mean and standard deviation of each colour channel.
        progress: show a progress bar.
        on_epoch: called with each epoch's row of `History.rows`.

    Returns:
        What happened, epoch by epoch.

    Raises:
        TrainingError: the loss became NaN or infinite; the message names the files of the batch. Or neither
            `epochs` nor a positive number of `minutes` ends the run.
        DeviceError: this machine has no such device.
        SaveError: a checkpoint could not be written; the previous checkpoint is intact.
        ModelFileError: there is nothing to resume, or `folder` holds another run.
    """
    check_length(epochs, minutes)
    accelerator = make_accelerator(device)
    share = {"rank": accelerator.process_index, "world": accelerator.num_processes}
    train_batches = Batches(train, batch_size, seed=seed, workers=workers, **share)
    val_batches = (
        None if val is None else Batches(val, batch_size, seed=seed, shuffle=False, workers=workers, **share)
    )

    model.to(accelerator.device)
    optimizer = make_optimizer(model, weight_decay)
    settings: dict[str, Any] = {
        "seed": seed,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "images": len(train),
    }
    settings |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "precision": precision}
    files = run_folder(folder, model, resume)
    steps = math.ceil(len(train_batches) / accumulate)
    main = accelerator.is_main_process
    run = Run(model, optimizer, settings, files, epochs, steps, minutes, progress, main)
    if resume:
        run.load()
    speed = run.history.speed = from_main_process(
        run.history.speed or choose_speed(accelerator.device, precision)
    )
    network, optimizer = accelerator.prepare(model.to(memory_format=speed.memory_format), optimizer)
    forward = Forward(network, accelerator.device, speed, *normalise)
    plain = Forward(model, accelerator.device, speed, *normalise)

    lr = 0.0
    model.eval()
    with run.interruptible(), use_threads(threads or choose_threads(forward, *train_batches.example())):
        if minutes and val_batches:  # time to reserve for the next validation, at most half of the budget
            needed = seconds_to_validate(lambda part: validate(plain, part, loss), val_batches)
            run.reserved = min(needed, 30 * minutes)
        while run.epoch < run.epochs and not run.out_of_time():
            model.train()
            for batches in groups(train_batches.epoch(run.epoch, run.step * accumulate), accumulate):
                images, targets, names = zip(*batches, strict=True)
                torch.manual_seed(derive_seed(seed, run.epoch, run.step))  # makes dropout resumable too
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
                row |= validate(plain, val_batches, loss)
                run.reserved = run.elapsed() - started
            run.epoch_done(row)
            if on_epoch:
                on_epoch(row)
    if run.best_weights:
        model.load_state_dict(run.best_weights)
    return run.history


def backward(
    accelerator: Accelerator, forward: Forward, loss: Callable, images: tuple, targets: tuple
) -> float:
    """Run forward and backward pass, accumulate the gradient in the parameters, and return the loss."""
    if len(images) > 1:
        return backward_accumulated(accelerator, forward, loss, images, targets)
    value = loss(forward(images[0]), targets[0].to(forward.device))
    accelerator.backward(value)
    return value.item()


@torch.inference_mode()
def validate(forward: Forward, batches: Batches, loss: Callable) -> dict:
    """Return loss and scores on the validation set, at its size; the loss is a mean over images."""
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
    results = scores.compute()
    return {
        "val_loss": sum(part[1] for part in parts) / sum(part[2] for part in parts),
        **{
            name: results[name]
            for name in ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        },
        "score": results["dice_per_image" if scores.num_classes == 2 else "mean_iou"],
    }
