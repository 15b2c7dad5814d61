"""Exercise 7.4: a network as one ONNX file; judged by what the file does in ONNX Runtime."""

import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import nn

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import clip
from segcourse.exercises.engine.observing import Explained
from segcourse.exercises.l07_deployment import _pictures


def export_onnx(model, path):
    """Write a network to one ONNX file that takes any batch, height and width."""
    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(  # in eval mode; afterwards this exporter restores the mode
        model,
        (torch.rand(2, 3, 32, 48),),
        path,
        dynamo=False,
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": free, "logits": free},
    )


SIZES, SAME, ALONE = "any batch and size", "the same numbers", "one file"
_PACKAGES = ("onnx", "onnxruntime")
MISSING = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


class Halved(nn.Module):
    """A network that works at half resolution and returns logits at the size of its input."""

    def __init__(self, rng: Generator, width: int, classes: int):
        super().__init__()
        self.down = nn.Conv2d(3, width, kernel_size=3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Conv2d(width, classes, kernel_size=1)
        with torch.no_grad():
            for number in (*self.parameters(), self.norm.running_mean):
                number.copy_(torch.from_numpy(rng.normal(0, 1, tuple(number.shape))))

    def forward(self, x):
        y = F.relu(self.norm(self.down(x)))
        if self.training:  # dropout as a formula: ONNX Runtime skips the layer in every mode
            y = y * (torch.rand_like(y) > 0.5)
        return F.interpolate(self.head(y), size=x.shape[-2:], mode="bilinear", align_corners=False)


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(7)

    def case(group, sizes, *traits, rng=fixed, width=3, classes=2, training=False, path="network.onnx"):
        model = Halved(rng, width, classes).train(training)
        inputs = {"model": model, "path": path}
        shapes = ", then ".join(f"{n} x 3 x {height} x {width}" for n, height, width in sizes)
        given = f"a small network, and a file name; the file gets images {shapes}"
        return Case(group, inputs, traits, given=given, truth=sizes)

    yield case(SAME, [(2, 32, 32)], "the model is in eval mode")
    yield case(SIZES, [(1, 32, 48), (5, 32, 48), (2, 40, 24)], "batch, height and width change")
    yield case(ALONE, [(1, 24, 24)], "the path is a pathlib.Path", path=Path("network.onnx"))
    wide, many = int(rng.integers(4, 40)), int(rng.integers(3, 9))
    size = 8 * int(rng.integers(2, 6)), 8 * int(rng.integers(2, 6))
    yield case(SIZES, [(3, 17, 41), (1, *size)], "a side is odd", rng=rng, width=wide, classes=many)
    yield case(SAME, [(2, *size)], "the model is in training mode", rng=rng, width=wide, training=True)
    yield case(ALONE, [(2, *size)], "the path is a string", rng=rng, width=wide, classes=many)


def look(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe what a copy of the written file does in ONNX Runtime, in a folder of its own."""
    if MISSING and getattr(obj, "__module__", "") != __name__:  # the answer is compared with itself
        raise Explained(
            f"This exercise needs {' and '.join(MISSING)}, which are not installed. Run `pip install "
            "'segcourse[deploy]'` in a terminal, then restart the kernel."
        )
    model, path = case.inputs["model"], case.inputs["path"]
    modes = [module.training for module in model.modules()]
    torch._C._jit_set_onnx_log_enabled(False)  # else a failed export prints the graph above the reply
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        obj(model, file if isinstance(path, Path) else str(file))
        if MISSING:
            return {}
        session = _session(file)
        same = [module.training for module in model.modules()] == modes
        sizes = {
            f"output for {n} x 3 x {height} x {width}": (n, height, width) for n, height, width in case.truth
        }
        seen = {name: _run(session, *size) for name, size in sizes.items()}
    return seen | {"the model's mode is as before": same}


def _open(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its messages would stand above the reply
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _session(file: Path) -> Any:
    """Open a copy of the file, alone in a folder, and look at its inputs and outputs."""
    if not file.is_file():
        others = ", ".join(sorted(one.name for one in file.parent.iterdir()))
        raise Explained(
            f"There is no file at `path`, {file.name}, after your function has returned"
            f"{f'; {others} lies beside it' if others else ''}."
        )
    alone = file.parent / "elsewhere"
    alone.mkdir()
    copy = Path(shutil.copy(file, alone / "network.onnx"))
    try:
        session = _open(copy)
    except Exception as error:
        try:
            _open(file)
        except Exception:
            raise Explained(_unreadable(file, error)) from error
        beside = sorted(one.name for one in file.parent.iterdir() if one.is_file() and one != file)
        raise Explained(
            f"A copy of your file can't be opened in another folder, without {', '.join(beside)}: the "
            "weights are in there. One file is asked for: `external_data=False`."
        ) from error
    return _checked(session)


def _unreadable(file: Path, error: Exception) -> str:
    """Return why ONNX Runtime can't open a file."""
    if zipfile.is_zipfile(file):
        return (
            "Your file isn't ONNX: `torch.save`, `torch.jit.save` and `torch.export.save` write formats of "
            "PyTorch's own. `torch.onnx.export` writes ONNX."
        )
    import onnx

    try:
        graph = onnx.load(file, load_external_data=False).graph
        kinds = {
            onnx.TensorProto.DataType.Name(one.type.tensor_type.elem_type).lower() for one in graph.input
        }
    except Exception:
        kinds = set()
    if not kinds:
        return "Your file isn't ONNX. `torch.onnx.export` writes ONNX."
    if kinds - {"float"}:
        return f"Your file takes {', '.join(kinds)}; float32 is asked for."
    return f"ONNX Runtime can't open your file: {clip(str(error), 200)}"


def _checked(session: Any) -> Any:
    """Return an open file, after a look at its inputs and outputs."""
    ends = session.get_inputs(), session.get_outputs()
    names = [[one.name for one in side] for side in ends]
    if names != [["images"], ["logits"]]:
        came = ", ".join(names[0][:2]) + ", …" * (len(names[0]) > 2), ", ".join(names[1])
        raise Explained(
            f"Your file has the inputs {came[0]} and the outputs {came[1]}; one input `images` and one "
            "output `logits` are asked for."
        )
    kinds = [side[0].type.removeprefix("tensor").strip("()") for side in ends]
    if kinds != ["float", "float"]:
        raise Explained(
            f"Your file takes {kinds[0]} and returns {kinds[1]}; float32 is asked for, both times."
        )
    return session


def _run(session: Any, batch: int, height: int, width: int) -> np.ndarray:
    images = np.random.default_rng(batch + height + width).random((batch, 3, height, width), np.float32)
    try:
        (logits,) = session.run(None, {"images": images})
        (again,) = session.run(None, {"images": images})
    except Exception as error:
        axes = session.get_inputs()[0].shape
        sizes = " x ".join("any" if isinstance(n, str) else str(n) for n in axes)
        how = (
            "Its axes 0, 2 and 3 (batch, height, width) must be free: by `dynamic_axes`, whose keys are the "
            "names of input and output, or by `dynamic_shapes` with the newer exporter."
            if any(isinstance(axes[i], int) for i in (0, 2, 3))
            else "So it says that they are free, and somewhere inside the example's size is kept."
        )
        raise Explained(
            f"Your file refuses {batch} images of {height} x {width} pixels: it was written for images "
            f"{sizes}. {how}"
        ) from error
    if not np.array_equal(logits, again):
        raise Explained(
            "Your file gives different results for the same images: its dropout is on, so it holds the "
            "network in training mode. Export it in eval mode: `model.eval()`, and leave `training` as it is."
        )
    return logits


class _Ends(nn.Module):
    """A network with one more step at its end."""

    def __init__(self, model, step):
        super().__init__()
        self.model, self.step = model, step

    def forward(self, x):
        return self.step(self.model(x))


def _made(
    free=(0, 2, 3), example=(2, 3, 32, 48), step=None, names=("images", "logits"), alike=True, **options
):
    """Return an answer that exports in one thing differently.

    Args:
        alike: whether a network with one more step is in its model's mode; if not, it is in training mode, as
            every new module is, and the exporter brings that mode back, for all parts.
    """

    def wrong(model, path):
        mode = model.training
        made = _Ends(model, step).train(mode) if step and alike else _Ends(model, step) if step else model
        called = dict(zip(("input_names", "output_names"), ([name] for name in names), strict=False))
        axes = {name: {axis: f"axis{axis}" for axis in free} for name in ("images", "logits")[: len(names)]}
        given = {"dynamic_axes": axes} | called | options
        torch.onnx.export(made, (torch.rand(example),), path, dynamo=False, **given)
        if alike:
            model.train(mode)

    return wrong


def _then_training(model, path):
    export_onnx(model, path)
    model.train()


class _Normalised(nn.Module):
    """A network that normalises its images by the mean and spread of photographs, as many networks do."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        mean, std = (
            torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        return self.model((x - mean) / std)


def _normalising(alike):
    def wrong(model, path):
        mode, made = model.training, _Normalised(model)
        export_onnx(made.train(mode) if alike else made, path)

    return wrong


def _weights_beside(model, path):
    import onnx

    export_onnx(model, path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.data", size_threshold=0)


def _nothing_written(model, path):
    import io

    file = io.BytesIO()
    export_onnx(model, file)
    return file.getvalue()


class _Dark(nn.Conv2d):
    """The smallest network that finds a lesion: a pixel is lesion where it is darker than `threshold`."""

    def __init__(self, threshold: float):
        super().__init__(3, 2, kernel_size=1)
        with torch.no_grad():
            for sign, row in zip((1, -1), range(2), strict=True):  # skin, lesion
                self.weight[row] = sign / 3
                self.bias[row] = -sign * threshold


def celebrate(answer):
    """Show what ONNX Runtime finds with a file that the answer has written, at a size that it never saw."""
    from segcourse.plotting import outline, show_image

    image, mask = _pictures.lesion()
    pixels = (image / 255).astype(np.float32)
    inside, outside = (float(pixels[mask == one].mean()) for one in (1, 0))
    with tempfile.TemporaryDirectory() as folder:
        answer(_Dark((inside + outside) / 2).eval(), str(Path(folder) / "dark.onnx"))
        (logits,) = _session(Path(folder) / "dark.onnx").run(
            None, {"images": pixels.transpose(2, 0, 1)[None]}
        )
    found = torch.from_numpy(logits[0]).argmax(dim=0)
    alt = "A lesion with the outline that an ONNX file gives, run without PyTorch."
    show_image(outline(image, found), "a network of two channels, run without PyTorch", alt=alt)


EXERCISE = Exercise(
    export_onnx,
    number="7.4",
    difficulty=2,
    minutes=20,
    groups={SAME: 1, SIZES: 2, ALONE: 1},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "Your file takes the example's batch, height and width and nothing else. That is the default: "
            "say which axes are free, by `dynamic_axes` (or `dynamic_shapes` with the newer exporter).",
            _made(free=()),
        ),
        (
            "Only the batch is free in your file; height and width are those of the example. Free the axes 2 "
            "and 3 as well.",
            _made(free=(0,)),
        ),
        (
            "Height and width are free in your file, and the batch is that of the example. Free axis 0 as "
            "well.",
            _made(free=(2, 3)),
        ),
        (
            "Height is free in your file and width is not. Free axis 3 as well.",
            _made(free=(0, 2)),
        ),
        (
            "You export the network in the mode in which it comes. In training mode, batch norm uses the "
            "statistics of each batch and dropout draws at random. Call `model.eval()` first.",
            _made(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False),
        ),
        (
            "You ask for training mode, by `training`. There batch norm uses the statistics of each batch "
            "and dropout draws at random. Leave that option out.",
            _made(training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False),
        ),
        (
            "The model is always in training mode after your export, also if it came in eval mode (by "
            "`model.train()`, or as a part of a new network, which is in training mode). `model.training` "
            "tells the mode in which it came.",
            _then_training,
        ),
        (
            "The model stays in eval mode after your export. Bring its mode back: a training that goes "
            "on would miss the batch statistics.",
            lambda model, path: export_onnx(model.eval(), path),
        ),
        *(
            (sentence, _made(step=step, alike=alike))
            for alike in (True, False)
            for sentence, step in (
                (
                    "Your file returns probabilities: there is a softmax at its end. The model's own logits "
                    "are asked for.",
                    lambda logits: logits.softmax(dim=1),
                ),
                (
                    "Your file returns probabilities: there is a sigmoid at its end. The model's own logits "
                    "are asked for.",
                    torch.sigmoid,
                ),
                (
                    "Your file returns class ids: there is an argmax at its end. The model's own logits are "
                    "asked for.",
                    lambda logits: logits.argmax(dim=1),
                ),
            )
        ),
        *(
            (
                "Your file normalises its images before the model gets them. Here the model's own logits for "
                "the images are asked for: what a model needs is part of it, as in `Deployed`.",
                _normalising(alike),
            )
            for alike in (True, False)
        ),
        (
            "Your file's input and output have names of the exporter's choice. A program that uses the file "
            'needs names that stay: `input_names=["images"]`, `output_names=["logits"]`.',
            _made(names=(), free=()),
        ),
        (
            "Your file's output has a name of the exporter's choice: add `output_names=[\"logits\"]`.",
            _made(names=("images",)),
        ),
        (
            "Your weights are in a second file beside the first, which the first one doesn't work without. "
            "One file is asked for: `external_data=False`.",
            _weights_beside,
        ),
        (
            "Your file has no weights: each one became an input. Leave `export_params` as it is.",
            _made(export_params=False),
        ),
        (
            "You write no file to `path`. Hand `path` to `torch.onnx.export`.",
            _nothing_written,
        ),
        (
            "You write a format of PyTorch's own, such as that of `torch.save`. ONNX Runtime reads ONNX: "
            "`torch.onnx.export`.",
            lambda model, path: torch.save(model.state_dict(), path),
        ),
    ],
)
