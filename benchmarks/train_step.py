"""Time a training step of U-Nets: with `fit`'s settings, in plain float32, and in the loops of others.

    python benchmarks/train_step.py [--batch 4] [--size 256] [--rounds 7] [--device cpu|cuda] [--compile]

- segcourse: the original U-Net (31.04 M parameters) with fused AdamW and `fit`'s settings for this machine,
  which come from `segcourse.devices`. `--compile` adds the same with torch.compile.
- plain float32: the same network, weights, loss and AdamW, in PyTorch's default memory format.
- milesial: the same layers in the loop of milesial/Pytorch-UNet, without and with its option `--amp`.
- smp: the `Unet` of segmentation_models_pytorch, another network, in the loop of its example.

`_peers.py` says what exactly is the same as published. Before anything is timed, the logits of the two
U-Nets with equal weights are compared, and the losses of the first steps of equal networks, within
bfloat16's tolerance.

On a CPU, the time is core-seconds of one thread, so that other programs don't affect it. Convolutions take
85 % of our step, and AVX-512's bfloat16 instructions do twice the work of its float32 ones: a ratio of 2.1 to
2.4 to plain float32 is about what such a processor can give. torch.compile gains nothing there.

On a GPU, the time is that between CUDA events. The peak memory of each runner is printed: weights, gradients,
the optimizer's state and activations. No figures from a GPU are known yet.
"""

import argparse
import copy
from collections.abc import Callable
from functools import partial

import torch
from _peers import Loop, MilesialUNet, milesial, smp_unet
from _race import cpu_time, cuda_time, race, table

from segcourse.devices import Speed, choose_speed, find_device
from segcourse.losses import combined_loss
from segcourse.models import UNet, count_parameters
from segcourse.training.compiling import compiled

EQUAL = [
    ("segcourse", "plain float32"),
    ("segcourse, compiled", "plain float32"),
    ("milesial --amp", "milesial"),
]


def own_loop(model: torch.nn.Module, speed: Speed, fused: bool, compile: bool = False) -> Loop:
    """Return a copy of the model in a loop with AdamW and the course's loss."""
    model = copy.deepcopy(model).to(memory_format=speed.memory_format)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)
    if compile:
        model = compiled(model, next(model.parameters()).device)
    autocast = torch.bfloat16 if speed.bf16 else None
    return Loop(model, optimizer, combined_loss, autocast, memory_format=speed.memory_format)


def same_weights(model: torch.nn.Module, peer: torch.nn.Module) -> None:
    """Copy the weights of a network into another one with the same layers in the same order."""
    weights = model.state_dict().values()
    peer.load_state_dict(dict(zip(peer.state_dict(), weights, strict=True)))


@torch.no_grad()
def compare_logits(model: UNet, images: torch.Tensor) -> None:
    """Assert that milesial's network and ours are the same function."""
    peer = MilesialUNet().to(images.device)
    same_weights(model, peer)
    ours, theirs = (copy.deepcopy(one).eval()(images) for one in (model, peer))
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-3 * ours.abs().max().item())


def peak_memory(step: Callable[[], float], before: int) -> float:
    """Take a step and return the most memory of the GPU, in MB, that was in use beyond `before` bytes."""
    torch.cuda.reset_peak_memory_stats()
    step()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="also time our step with torch.compile")
    arguments = parser.parse_args()
    device = find_device(arguments.device)
    on_gpu = device.type == "cuda"
    torch.set_num_threads(1)

    torch.manual_seed(0)
    model = UNet(3, 2).to(device)
    shape = (arguments.batch, arguments.size, arguments.size)
    images = torch.rand(arguments.batch, 3, *shape[1:], device=device)
    target = (torch.rand(shape, device=device) < 0.2).long()
    compare_logits(model, images)
    ours = choose_speed(device)
    makers: dict[str, Callable[[], Loop | None]] = {
        "segcourse": lambda: own_loop(model, ours, fused=True),
        "segcourse, compiled": lambda: own_loop(model, ours, fused=True, compile=True),
        "plain float32": lambda: own_loop(model, Speed(False, False), fused=False),
        "milesial": lambda: milesial(device),
        "milesial --amp": lambda: milesial(device, amp=True),
        "smp": lambda: smp_unet(device),
    }
    if not arguments.compile:
        del makers["segcourse, compiled"]
    runners, first, second, memory = {}, {}, {}, {}
    for name, make in makers.items():
        before = torch.cuda.memory_allocated() if on_gpu else 0
        loop = make()
        if loop is None:
            continue
        if isinstance(loop.model, MilesialUNet):
            same_weights(model, loop.model)
        runners[name] = step = partial(loop.step, images, target)
        first[name] = step()
        memory[name] = peak_memory(step, before) if on_gpu else 0.0
        second[name] = step()
    for one, other in EQUAL:
        # a GradScaler skips its first steps, until its scale fits, so that later losses differ
        for losses in (first,) if "--amp" in one else (first, second):
            if one in runners:  # bfloat16 keeps 8 bits of a number: two or three digits
                assert abs(losses[one] / losses[other] - 1) < 0.02, (one, other, losses)
    print(f"{count_parameters(model):,} parameters, images {tuple(images.shape)}, {device}; {ours}\n")
    seconds = race(runners, arguments.rounds, warm_up=0, timer=cuda_time if on_gpu else cpu_time)
    print(table(seconds, ours="segcourse", images=arguments.batch))
    if on_gpu:
        print("\npeak memory: " + ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items()))


if __name__ == "__main__":
    main()
