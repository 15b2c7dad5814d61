"""Time `fit` on a CPU with one thread and with PyTorch's default, alone and beside busy processes.

    python benchmarks/threads.py [--rounds 5] [--busy 2]

Each run is one epoch of four steps, from the same weights on the same images. The losses of both runs are
compared before anything is timed. The table shows where `segcourse.threads.FEW` comes from: networks with
fewer multiplications per batch use one thread.
"""

import argparse
import contextlib
import copy
import statistics
import subprocess
import sys
from collections.abc import Iterator

import torch
from _race import race

from segcourse import create_model, fit
from segcourse.threads import FEW, multiplications

STEPS = 4
# model, width, side of the images in pixels, images per batch: from small lessons to three times FEW
RUNS = [
    ("half_unet", 8, 64, 8),
    ("half_unet", 16, 64, 16),
    ("unet", 8, 96, 8),
    ("half_unet", 16, 128, 16),
    ("unet", 16, 128, 8),
]


def runners(model: torch.nn.Module, size: int, batch: int, default: int) -> dict:
    """Return functions that train a copy of the model for one epoch, by the number of threads."""
    torch.manual_seed(0)
    images = torch.rand(STEPS * batch, 3, size, size)
    samples = [(image, (image[0] < 0.2).long(), str(i)) for i, image in enumerate(images)]
    options = {"epochs": 1, "batch_size": batch, "device": "cpu", "precision": "fp32"}

    def train(threads: int) -> float:
        history = fit(copy.deepcopy(model), samples, **options, folder=False, progress=False, threads=threads)
        return history.rows[0]["train_loss"]

    return {"one": lambda: train(1), "default": lambda: train(default)}


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Let `count` other processes compute inside the `with` block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=2, help="number of busy processes")
    arguments = parser.parse_args()
    default = torch.get_num_threads()
    print(f"{default} threads by default, FEW is {FEW:.0e}; medians of {arguments.rounds} runs")
    columns = f"{'multiplications':>15} {'beside':>7} {'1 thread':>9} {'default':>9} {'ratio':>6}"
    print(f"{'network and batch':34} {columns}")
    for name, width, size, batch in RUNS:
        torch.manual_seed(0)
        model = create_model(name, 2, width=width)
        both = runners(model, size, batch, default)
        losses = {name: run() for name, run in both.items()}
        assert abs(losses["one"] / losses["default"] - 1) < 1e-3, losses
        count = batch * multiplications(model.eval(), torch.zeros(1, 3, size, size))
        for others in (0, arguments.busy):
            with busy(others):
                seconds = race(both, arguments.rounds, warm_up=0)
            one, more = (statistics.median(seconds[name]) for name in both)
            ratio = statistics.median(b / a for a, b in zip(*seconds.values(), strict=True))
            label = f"{name}, width {width}, {batch} × {size} × {size}"
            print(f"{label:34} {count:15.1e} {others:7} {one:7.2f} s {more:7.2f} s {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
