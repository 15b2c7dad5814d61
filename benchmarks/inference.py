"""Compare ways to run a trained model on a CPU: speed, and the accuracy that each costs.

    python benchmarks/inference.py [--model lesions] [--data isic2018] [--threads 1] [--rounds 30]

Each way maps the same batch of images at the working size to logits: PyTorch as it stands ("eager"), with
channels-last memory and bfloat16, and compiled; the exports of `segcourse export` in ONNX Runtime, fp32 and
int8; and both in OpenVINO, where that is installed (pip install openvino). The int8 file is calibrated on 100
training images.

The ways take turns, so that other programs affect all of them. With one thread the time is core-seconds. With
several threads it is wall time, because threads that wait for each other also use up core-seconds; then the
machine should be idle. The accuracy is the mean per-image Dice on the validation images, each at its full
size.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from _lesions import lesions_name
from _race import cpu_time, race, table, wall_time
from torch import nn

from segcourse.data import load_dataset
from segcourse.deploy.exports import export
from segcourse.devices import Speed
from segcourse.inference.evaluation import evaluate
from segcourse.inference.segmenter import Segmenter


class OpenVINO(nn.Module):
    """An ONNX file in OpenVINO as a network."""

    def __init__(self, path: Path, threads: int):
        super().__init__()
        import openvino

        hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        hints["INFERENCE_PRECISION_HINT"] = "f32"  # else a CPU with bfloat16 uses that
        self.compiled = openvino.Core().compile_model(str(path), "CPU", hints)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.compiled(images.numpy())[0])


def with_network(like: Segmenter, network: nn.Module, **options) -> Segmenter:
    """Return a segmenter with the settings of another one."""
    names = ("class_names", "palette", "mean", "std", "size", "threshold", "upright")
    return Segmenter(network, **({name: getattr(like, name) for name in names} | options), device="cpu")


def ways(model: str, folder: Path, data: str, threads: int, compiled: bool) -> dict[str, Segmenter]:
    """Return a segmenter for each way to run the model that this machine has."""
    eager = Segmenter.load(model, "cpu")
    found = {"eager": eager}
    speed = Speed(bf16=True, channels_last=True)
    bf16 = copy.deepcopy(eager.model).to(memory_format=speed.memory_format)
    found["bf16, channels-last"] = with_network(eager, bf16)
    found["bf16, channels-last"]._forward.speed = speed
    if compiled:
        found["torch.compile"] = with_network(eager, torch.compile(copy.deepcopy(eager.model)))
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    print(export(model, fp32))
    print(export(model, int8, "int8", samples={"data": data}, max_loss=1.0))
    found |= {"ONNX Runtime": Segmenter.load(fp32), "ONNX Runtime, int8": Segmenter.load(int8)}
    try:
        raw = with_network(eager, nn.Identity(), mean=(0, 0, 0), std=(1, 1, 1))  # the files normalise
        for name, file in (("OpenVINO", fp32), ("OpenVINO, int8", int8)):
            found[name] = with_network(raw, OpenVINO(file, threads))
    except ImportError:
        print("OpenVINO is missing; to compare with it, pip install openvino.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lesions")
    parser.add_argument("--data", help="data set with splits train and val [default: isic2018 or lesions]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--no-accuracy", action="store_true", help="leave the Dice scores out")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = arguments.data or lesions_name()
    with tempfile.TemporaryDirectory() as folder:
        found = ways(arguments.model, Path(folder), data, arguments.threads, not arguments.no_compile)
        height, width = found["eager"].size or (256, 256)
        timer = cpu_time if arguments.threads == 1 else wall_time
        for batch in (1, 8):
            images = torch.rand(batch, len(found["eager"].mean), height, width)
            runners: dict[str, Callable[[], object]] = {
                name: partial(torch.inference_mode()(segmenter._forward), images)
                for name, segmenter in found.items()
            }
            seconds = race(runners, arguments.rounds, warm_up=3, timer=timer)
            print(f"\nbatch {batch}, {height} × {width} pixels, {arguments.threads} thread(s)")
            print(table(seconds, ours="eager", images=batch))
        if arguments.no_accuracy:
            return
        validation = load_dataset(data, "val")
        print(f"\nper-image Dice on {len(validation)} validation images of {data}")
        for name, segmenter in found.items():
            dice = evaluate(segmenter, validation, progress=False).compute()["dice_per_image"]
            print(f"{name:26} {dice:.4f}")


if __name__ == "__main__":
    main()
