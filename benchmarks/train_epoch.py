"""Time a whole epoch of training on real images: loading, batches, steps and what `fit` does around them.

    python benchmarks/train_epoch.py [--images 32] [--batch 8] [--size 128] [--rounds 3] [--device cpu|cuda]

- segcourse: `fit` with the original U-Net (31.04 M parameters) and its settings for this machine.
- segcourse float32: the same with precision="fp32".
- plain float32: the same network, weights, loss and AdamW, in a plain PyTorch loop with a DataLoader.
- milesial: the same layers in the loop of milesial/Pytorch-UNet, without and with its option `--amp`.
- smp: the `Unet` of segmentation_models_pytorch, another network, in the loop of its example.
- segcourse, smp: `fit` with that network.

All train on the first --images of ISIC 2018, decoded and resized once, without augmentation and validation;
without that data set, on procedural lesions. `_peers.py` says what is the same as published. The training
losses of `fit` with and without bfloat16 are compared before anything is timed. On a CPU, the time is
core-seconds of one thread. `fit` checks data and network before its first step, which is part of its time.
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial

import torch
from _lesions import lesions_name
from _peers import Loop, milesial, smp_unet
from _race import cpu_time, cuda_time, race, table
from torch.utils.data import DataLoader, Subset
from train_step import own_loop

from segcourse import fit
from segcourse.data import SampleDataset, load_dataset
from segcourse.devices import Speed, choose_speed, find_device
from segcourse.models import UNet


def run_fit(model: torch.nn.Module, train: SampleDataset, **options) -> float:
    """Train a copy of the model for an epoch with `fit`, and return its training loss."""
    history = fit(copy.deepcopy(model), train, epochs=1, folder=False, progress=False, **options)
    return history.rows[0]["train_loss"]


def run_loop(make: Callable[[], Loop], train: SampleDataset, batch_size: int) -> float:
    """Train a new network for an epoch with a plain loop, and return its mean training loss."""
    loop, losses = make(), []
    for images, target, _ in DataLoader(train, batch_size=batch_size, shuffle=True):
        losses.append(loop.step(images, target))
    return sum(losses) / len(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = find_device(arguments.device)
    torch.set_num_threads(1)

    torch.manual_seed(0)
    model = UNet(3, 2).to(device)
    whole = load_dataset(lesions_name(), "train", size=arguments.size)
    train = Subset(whole, range(min(arguments.images, len(whole))))
    by_fit = partial(run_fit, train=train, batch_size=arguments.batch, learning_rate=1e-4, device=device)
    by_loop = partial(run_loop, train=train, batch_size=arguments.batch)
    runners = {
        "segcourse": partial(by_fit, model),
        "segcourse float32": partial(by_fit, model, precision="fp32"),
        "plain float32": partial(by_loop, lambda: own_loop(model, Speed(False, False), fused=False)),
        "milesial": partial(by_loop, lambda: milesial(device)),
        "milesial --amp": partial(by_loop, lambda: milesial(device, amp=True)),
    }
    if peer := smp_unet(device):
        network = peer.model[1]  # without its normalisation, which `fit` does
        runners |= {
            "smp": partial(by_loop, lambda: smp_unet(device)),
            "segcourse, smp": partial(by_fit, network),
        }
    losses = {name: run() for name, run in runners.items()}
    assert abs(losses["segcourse"] / losses["segcourse float32"] - 1) < 0.02, losses
    print(f"{len(train)} images of {arguments.size} × {arguments.size}, batch {arguments.batch}, {device}")
    print(f"{choose_speed(device)}\n")
    timer = cuda_time if device.type == "cuda" else cpu_time
    print(table(race(runners, arguments.rounds, warm_up=0, timer=timer), "segcourse", len(train)))


if __name__ == "__main__":
    main()
