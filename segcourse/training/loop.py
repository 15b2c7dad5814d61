"""The training loop: batch, forward, loss, backward, step; after each epoch, validate."""

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from segcourse.data import SampleDataset
from segcourse.data.samples import as_samples
from segcourse.devices import choose_speed
from segcourse.errors import TrainingError
from segcourse.losses import combined_loss
from segcourse.models.forward import IMAGENET, Forward
from segcourse.threads import choose_threads, use_threads
from segcourse.training.accelerator import from_main_process, make_accelerator, mean_over_processes
from segcourse.training.accumulation import backward
from segcourse.training.averaging import weight_average
from segcourse.training.batches import Batches, derive_seed, explain_divergence, groups
from segcourse.training.budget import check_length, seconds_to_validate
from segcourse.training.checkpointing import activation_checkpointing
from segcourse.training.checks import check_batches, check_weights
from segcourse.training.compiling import compiled
from segcourse.training.history import History
from segcourse.training.optimizer import cosine_schedule, make_optimizer, set_learning_rate
from segcourse.training.runs import Run, run_folder
from segcourse.training.validation import validate


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
    ema: float | None = None,
    checkpointing: bool = False,
    compile: bool = False,
    precision: str = "auto",
    device: str | torch.device | None = None,
    seed: int = 0,
    workers: int = 0,
    threads: int | None = None,
    folder: str | Path | Literal[False] | None = None,
    resume: bool = False,
    minutes: float | None = None,
    normalise: tuple[Sequence[float], Sequence[float]] = IMAGENET,
    progress: bool = True,
    on_epoch: Callable[[dict], None] | None = None,
) -> History:
    """Train `model` with AdamW and a cosine schedule; the model ends with the weights of its best epoch.

    The best epoch has the highest per-image Dice on `val` (mean IoU for more than two classes). Without `val`
    the last epoch counts as the best. Ctrl-C saves the position within the epoch; the returned history then
    has `interrupted` set.

    Args:
        model: maps normalised images N×3×H×W to logits N×C×H×W. torchvision's dictionaries, logits of another
            size and networks that need multiples of 32 pixels are fine, see `Forward`; the loss of an "aux"
            output counts half, as in torchvision's own training.
        train, val: data sets of (image float 3×H×W in [0, 1], mask int64 H×W with 255 ignored, name), or any
            list or data set of pairs of arrays, see `as_samples`.
            The images of `val` may differ in size.
        epochs: passes over `train`; also the length of the schedule. None: as many as fit in `minutes`.
        batch_size: images per batch and device.
        loss: (logits, target) to a scalar tensor, the mean over its batch.
        accumulate: batches per step. The step equals that of one large batch, for any loss and with ignored
            pixels. Only batch normalisation still sees one small batch at a time.
        ema: decay of a moving average of the weights, such as 0.999. The average is then validated, saved as
            best.safetensors and left in `model`. Default: no average.
        checkpointing: keep only the inputs of the network's blocks for the backward pass and compute the rest
            twice: less memory, a third more time, the same numbers.
        compile: compile the network with torch.compile. The first step then takes a minute or more, so it is
            for long runs on a GPU. On a CPU no gain could be measured (half_unet, 16 images of 128×128).
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
        normalise: mean and standard deviation, one number per channel of the images. (0, 0, 0) and (1, 1, 1)
            leave images that were normalised already as they are.
        progress: show a progress bar.
        on_epoch: called with each epoch's row of `History.rows`.

    Returns:
        What happened, epoch by epoch.

    Raises:
        TrainingError: the loss became NaN or infinite (the message names the files of the batch), or the
            network can't be trained with these options. Or neither `epochs` nor a positive number of
            `minutes` ends the run.
        DataError: the data are not images with masks, or don't fit the network.
        DeviceError: this machine has no such device.
        SaveError: a checkpoint could not be written; the previous checkpoint is intact.
        ModelFileError: there is nothing to resume, or `folder` holds another run.
    """
    check_length(epochs, minutes)
    accelerator = make_accelerator(device)
    share: dict[str, Any] = {"rank": accelerator.process_index, "world": accelerator.num_processes}
    share |= {"batch_size": batch_size, "seed": seed, "workers": workers}
    kind = len(normalise[0]), not any(normalise[0])  # channels; normalised already
    train_batches = Batches(as_samples(train, *kind), **share)
    val_batches = None if val is None else Batches(as_samples(val, *kind), shuffle=False, **share)

    check_weights(model)
    model.to(accelerator.device)
    optimizer = make_optimizer(model, weight_decay)
    average = None if ema is None else weight_average(model, ema)
    settings: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "accumulate": accumulate}
    settings |= {"images": len(train), "learning_rate": learning_rate, "weight_decay": weight_decay}
    settings |= {"precision": precision, "ema": ema}
    files = run_folder(folder, model, resume)
    steps = math.ceil(len(train_batches) / accumulate)
    main = accelerator.is_main_process
    run = Run(model, optimizer, settings, files, epochs, steps, minutes, progress, main, average)
    if resume:
        run.load()
    speed = run.history.speed = from_main_process(
        run.history.speed or choose_speed(accelerator.device, precision)
    )
    network, optimizer = accelerator.prepare(model.to(memory_format=speed.memory_format), optimizer)
    plain = Forward(model, accelerator.device, speed, *normalise)
    scored = plain if average is None else Forward(average.module, accelerator.device, speed, *normalise)

    lr = 0.0
    model.eval()
    with run.interruptible(), contextlib.ExitStack() as during:
        image = check_batches(plain, train_batches, val_batches)
        during.enter_context(use_threads(threads or choose_threads(plain, image, batch_size)))
        if checkpointing:
            during.enter_context(activation_checkpointing(model))
        if compile:
            network = compiled(network, accelerator.device)
        forward = Forward(network, accelerator.device, speed, *normalise, multiple=plain.multiple)
        if (
            minutes and val_batches is not None
        ):  # time to reserve for the next validation, at most half of the budget
            needed = seconds_to_validate(lambda part: validate(scored, part, loss), val_batches)
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
                if average is not None:
                    average.update_parameters(model)
                run.step_done(value, images=sum(map(len, images)))
                if run.out_of_time():
                    break
            row = {
                "epoch": run.epoch + 1,
                "train_loss": mean_over_processes(run.loss_sum, run.images),
                "lr": lr,
            }
            if val_batches is not None:  # of several processes, one may have no batch of it
                started = run.elapsed()
                row |= validate(scored, val_batches, loss)
                run.reserved = run.elapsed() - started
            run.epoch_done(row)
            if on_epoch:
                on_epoch(row)
    if run.best_weights:
        model.load_state_dict(run.best_weights)
    return run.history
