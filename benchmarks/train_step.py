"""Time a training step of the original U-Net (31.04 M parameters) with `fit`'s settings.

    python benchmarks/train_step.py [--batch 4] [--size 256] [--rounds 7] [--device cpu|cuda]

Both use the same network, initial weights, loss and AdamW. `fit`'s settings for this machine come from
`segcourse.devices`; the alternative is float32 in PyTorch's default memory format. The losses of the first
steps are compared, within bfloat16's tolerance, before anything is timed.
"""

import argparse
import copy
from collections.abc import Callable

import torch
from _race import race, table

from segcourse.devices import Speed, choose_speed
from segcourse.losses import combined_loss
from segcourse.models import UNet, count_parameters


def make_step(model, images, target, speed: Speed, fused: bool) -> Callable[[], float]:
    """Return a function that takes one training step and returns its loss."""
    model = copy.deepcopy(model).to(memory_format=speed.memory_format)
    images = images.contiguous(memory_format=speed.memory_format)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=speed.bf16):
            logits = model(images)
        loss = combined_loss(logits, target)
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for the GPU

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)

    torch.manual_seed(0)
    model = UNet(3, 2).to(device)
    shape = (arguments.batch, arguments.size, arguments.size)
    images = torch.rand(arguments.batch, 3, *shape[1:], device=device)
    target = (torch.rand(shape, device=device) < 0.2).long()
    ours = choose_speed(device)
    runners = {
        "segcourse": make_step(model, images, target, ours, fused=True),
        "plain float32": make_step(model, images, target, Speed(False, False), fused=False),
    }
    for number in range(2):
        losses = {name: step() for name, step in runners.items()}
        # bfloat16 keeps 8 bits of a number: two or three digits
        assert abs(losses["segcourse"] / losses["plain float32"] - 1) < 0.02, losses
        print(
            f"step {number + 1}: loss " + ", ".join(f"{loss:.4f} ({name})" for name, loss in losses.items())
        )
    print(f"{count_parameters(model):,} parameters, images {tuple(images.shape)}, {device}; {ours}\n")
    print(table(race(runners, arguments.rounds, warm_up=0), ours="segcourse"))


if __name__ == "__main__":
    main()
