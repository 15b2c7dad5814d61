"""Compare tiled prediction with MONAI's `sliding_window_inference`: time, memory and seams.

    python benchmarks/tiling.py [--side 2048] [--tile 256] [--rounds 5] [--large 20000]

Both predict the same image with the same tile, an overlap of a quarter and one tile at a time; MONAI with its
Gaussian blending, segcourse with its own (the outer quarter of an overlap is discarded, the inner half is a
ramp). Two functions: the identity, which leaves only the cost of tiling, and a real network.

- Time: core-seconds of one thread.
- Memory: the most that the memory of a separate process grows by, the result included.
- Seams: the largest difference from the prediction of the whole image in one piece, for a network of four
  convolutions that sees four pixels far. What differs is what tiles lack at their borders.

`--large N` then predicts an N × N image that lies on the disk with `Segmenter.predict(tile=1024)`, in a
separate process, and prints its peak memory beside the bound that the documentation states. The network is
a single convolution, because the bound leaves out what a network needs for one tile.
"""

import argparse
import importlib.util
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _race import cpu_time, race, table
from torch import nn

from segcourse.inference.segmenter import Segmenter
from segcourse.inference.tiling import tiled
from segcourse.models import create_model

OVERLAP = 0.25
Runner = Callable[[torch.Tensor, int], torch.Tensor]


def runners(function: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, Runner]:
    """Return the two ways to apply a function to an image 3×H×W in tiles."""
    from monai.inferers import sliding_window_inference

    def ours(image: torch.Tensor, tile: int) -> torch.Tensor:
        return tiled(function, image, tile, int(OVERLAP * tile))

    def monai(image: torch.Tensor, tile: int) -> torch.Tensor:
        return sliding_window_inference(image[None], tile, 1, function, OVERLAP, mode="gaussian")[0]

    return {"segcourse": ours, "MONAI": monai}


def identity(images: torch.Tensor) -> torch.Tensor:
    return images


def network() -> nn.Module:
    """Return a light network, with its random weights: they take the same time as trained ones."""
    torch.manual_seed(0)
    return create_model("half_unet", num_classes=2, width=8).eval()


def near_sighted() -> nn.Module:
    """Return four 3×3 convolutions, whose results depend on four pixels around."""
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))).eval()


FUNCTIONS = {"identity": lambda: identity, "half_unet": network}


def growth(run: Callable[[], object]) -> float:
    """Return by how many MB the memory of this process grows at most while `run` runs (on Linux)."""

    def status(name: str) -> float:
        return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024

    Path("/proc/self/clear_refs").write_text("5")  # forgets the earlier peak
    before = status("VmRSS")
    run()
    return status("VmHWM") - before


@torch.inference_mode()
def _grow(function: str, way: str, side: int, tile: int, pipe) -> None:
    """Send by how many MB the peak memory of this process grows during one prediction."""
    torch.set_num_threads(1)
    run = runners(FUNCTIONS[function]())[way]
    run(torch.rand(3, 2 * tile, 2 * tile), tile)  # buffers that a first call allocates
    image = torch.rand(3, side, side)
    pipe.send(growth(partial(run, image, tile)))


def _large(path: str, side: int, tile: int, pipe) -> None:
    """Predict the image in a file; send the seconds, and the peak memory in MB without that of the start."""
    torch.set_num_threads(1)
    segmenter = Segmenter(nn.Conv2d(3, 2, 1), device="cpu")
    segmenter.predict(np.zeros((2 * tile, 2 * tile, 3), np.uint8), tile=tile)
    image = np.memmap(path, np.uint8, "c", shape=(side, side, 3))
    start = time.perf_counter()
    grown = growth(lambda: segmenter.predict(image, tile=tile))
    pipe.send((time.perf_counter() - start, grown))


def in_own_process(function: Callable, *arguments: object):
    """Return what a function sends through its last argument, from a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*arguments, sender))
    process.start()
    sender.close()
    received = receiver.recv()
    process.join()
    return received


def large(side: int, tile: int = 1024) -> None:
    """Predict a very large image from the disk, and print its memory beside the bound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.raw"
        rows = np.random.default_rng(0).integers(0, 256, (tile, side, 3), dtype=np.uint8)
        with path.open("wb") as file:
            for top in range(0, side, tile):
                file.write(rows[: side - top].tobytes())
        seconds, grown = in_own_process(_large, str(path), side, tile)
    bound = (side**2 + 4 * 3 * side * (2 * tile + tile // 4)) / 2**20
    pages = 3 * side**2 / 2**20
    print(
        f"{side} × {side} pixels in tiles of {tile}: {seconds:.0f} s; peak memory {grown:.0f} MB. Bound: "
        f"{bound:.0f} MB for the mask and the blocks, and at most {pages:.0f} MB for the file's pages, which "
        "the system takes back when memory is short."
    )


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="side of the image in pixels")
    parser.add_argument("--tile", type=int, default=256, help="side of the tiles in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=0, help="then predict an image of this side from disk")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if importlib.util.find_spec("monai") is None:
        print('MONAI is missing; to compare with it, pip install "segcourse[peers]".')
        return
    image = torch.rand(3, arguments.side, arguments.side)
    for name, make in FUNCTIONS.items():
        both = runners(make())
        seconds = race(
            {way: partial(run, image, arguments.tile) for way, run in both.items()},
            arguments.rounds,
            timer=cpu_time,
        )
        print(f"\n{name}, {arguments.side} × {arguments.side} pixels, tiles of {arguments.tile}")
        print(table(seconds, ours="segcourse"))
    near = near_sighted()
    small = image[:, : 4 * arguments.tile, : 4 * arguments.tile]
    whole = near(small[None])[0]
    print("\nseams: largest difference from the whole image, of logits of size", f"{whole.abs().max():.2f}")
    for way, run in runners(near).items():
        print(f"{way}: {(run(small, arguments.tile) - whole).abs().max():.1e}")
    print("\npeak memory")
    for name in FUNCTIONS:
        for way in ("segcourse", "MONAI"):
            grown = in_own_process(_grow, name, way, arguments.side, arguments.tile)
            print(f"{name}, {way}: {grown:.0f} MB", flush=True)
    if arguments.large:
        large(arguments.large)


if __name__ == "__main__":
    main()
