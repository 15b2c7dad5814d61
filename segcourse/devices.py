"""Choose the device, the number format and the memory format by asking and timing the machine."""

import functools
import time
from typing import NamedTuple

import torch
from torch import nn

from segcourse.errors import DeviceError
from segcourse.threads import thread_clock, use_threads

PRECISIONS = ("auto", "fp32", "bf16")


class Speed(NamedTuple):
    """How a network runs: bfloat16 autocast or float32, channels-last or contiguous memory format."""

    bf16: bool
    channels_last: bool

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def find_device(name: str | torch.device | None = None) -> torch.device:
    """Return the device called `name`; by default a GPU if the machine has one, else the CPU.

    Args:
        name: "cpu", "cuda", "cuda:0", "gpu" (the same as "cuda"), "mps" or a `torch.device`.

    Raises:
        DeviceError: the name is unknown, or this machine has no such device.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device("cuda" if name == "gpu" else name)
    except RuntimeError as error:
        raise DeviceError(
            f"there is no device called {str(name)!r}; use cpu, cuda, cuda:0 or mps."
        ) from error
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(device.type, False):
        gpus = torch.cuda.device_count()
        raise DeviceError(
            f"the device {str(name)!r} was requested, but PyTorch finds {gpus or 'no'} "
            f"GPU{'s' * (gpus != 1)} on this machine. Leave the device out to use the best one available, or "
            "install a PyTorch build for your GPU driver."
        )
    return device


def choose_speed(device: torch.device, precision: str = "auto") -> Speed:
    """Return the fastest way to train convolutions on `device`, as timed by `measure_speeds`.

    A processor without bfloat16 arithmetic emulates it several times more slowly, so both formats are timed:
    a fraction of a second, once per process. Plain float32 is kept unless another way saves a tenth of the
    time.

    Args:
        device: where the network will run.
        precision: "fp32" and "bf16" fix the number format; "auto" takes the faster one.

    Raises:
        DeviceError: the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise DeviceError(f"the precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}.")
    seconds = dict(measure_speeds(device))
    allowed = [speed for speed in seconds if precision == "auto" or speed.bf16 == (precision == "bf16")]
    plain = min(allowed)  # False sorts before True: float32 if allowed, in contiguous memory format
    fastest = min(allowed, key=seconds.__getitem__)
    return fastest if seconds[fastest] < 0.9 * seconds[plain] else plain


@functools.cache
def measure_speeds(device: torch.device, rounds: int = 4) -> tuple[tuple[Speed, float], ...]:
    """Time one training step of a small U-Net for each `Speed`; return the best seconds of several rounds.

    On a CPU this is the CPU time of one thread, so that other programs don't affect the result.
    """
    speeds = [Speed(bf16, channels_last) for bf16 in (False, True) for channels_last in (False, True)]
    best = dict.fromkeys(speeds, float("inf"))
    shape = (2, 3, 64, 64) if device.type == "cpu" else (32, 3, 256, 256)  # a smaller batch leaves a GPU idle
    with torch.random.fork_rng(devices=[]):
        block = _small_unet().to(device)
        image = torch.rand(shape).to(device)
    with use_threads(1):
        for _ in range(rounds):
            for speed in speeds:
                best[speed] = min(best[speed], _step_seconds(block, image, speed))
    return tuple(best.items())


def _small_unet() -> nn.Module:
    def convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

    # pooling and the transposed convolution decide which memory format is faster
    up = nn.ConvTranspose2d(64, 32, 2, stride=2)
    return nn.Sequential(*convolution(3, 32), nn.MaxPool2d(2), *convolution(32, 64), up, *convolution(32, 32))


def _step_seconds(block: nn.Module, image: torch.Tensor, speed: Speed) -> float:
    block = block.to(memory_format=speed.memory_format)
    image = image.to(memory_format=speed.memory_format)
    on_cpu = image.device.type == "cpu"
    clock = thread_clock if on_cpu else time.perf_counter
    wait = torch.cuda.synchronize if image.device.type == "cuda" else lambda: None
    wait()
    start = clock()
    with torch.autocast(image.device.type, torch.bfloat16, enabled=speed.bf16):
        output = block(image)
    output.float().square().mean().backward()
    wait()
    return clock() - start
