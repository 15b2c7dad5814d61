"""Exercise 7.4: right answers in other styles, promises and their breakers, mutants that are equal."""

import io
import warnings
from pathlib import Path

import pytest
import torch
from contract import Contract

from segcourse import exercises
from segcourse.exercises.l07_deployment import export_onnx as module
from segcourse.exercises.l07_deployment.export_onnx import export_onnx as answer

pytest.importorskip("onnx", reason="the extra deploy is not installed")
pytest.importorskip("onnxruntime", reason="the extra deploy is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


def by_bytes(network, file):
    """Export to memory, then write; a batch of one is enough for this exporter."""
    mode, stream = network.training, io.BytesIO()
    axes = {name: [0, 2, 3] for name in ("images", "logits")}
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            network.eval(), torch.zeros(1, 3, 16, 16), stream, dynamo=False, dynamic_axes=axes,
            input_names=list(axes)[:1], output_names=list(axes)[1:],
        )  # fmt: skip
    Path(file).write_bytes(stream.getvalue())
    network.train(mode)


def by_trace(model, path):
    """Trace first; the output's axes are free because they follow the input's."""
    import copy

    twin = copy.deepcopy(model).eval()
    example = torch.rand(4, 3, 24, 40)
    traced = torch.jit.trace(twin, example)
    torch.onnx.export(
        traced, (example,), str(path), dynamo=False, input_names=["images"], output_names=["logits"],
        dynamic_axes={"images": {0: "n", 2: "h", 3: "w"}}, opset_version=17,
    )  # fmt: skip


def by_wrapper(model, path):
    class Deployed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = model

        def forward(self, images):
            return self.network(images) + 0

    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        Deployed().train(model.training), (torch.rand(2, 3, 20, 20),), path, dynamo=False, input_names=["images"],
        output_names=["logits"], dynamic_axes=dict.fromkeys(("images", "logits"), free),
    )  # fmt: skip


def by_dynamo(model, path):
    free, mode = torch.export.Dim.DYNAMIC, model.training
    torch.onnx.export(
        model.eval(), (torch.rand(2, 3, 32, 48),), path, dynamo=True, input_names=["images"],
        output_names=["logits"], dynamic_shapes=({0: free, 2: free, 3: free},), external_data=False, verbose=False,
    )  # fmt: skip
    model.train(mode)


def in_double(model, path):
    torch.onnx.export(
        model.double(), (torch.rand(2, 3, 32, 48).double(),), path, dynamo=False, input_names=["images"],
        output_names=["logits"],
    )  # fmt: skip


def frozen(model, path):
    answer(model.requires_grad_(False), path)


def without_path(model, path):
    answer(model, path if isinstance(path, str) else path.name)


def three_channels(model, path):
    answer(model, Path(path).with_suffix(".pb"))


class TestExportOnnx(Contract):
    name = "export_onnx"
    library = staticmethod(by_bytes)
    right = {"bytes": by_bytes, "trace": by_trace, "wrapper": by_wrapper}
    promises = (
        ("the file predicts as in eval mode", "the model is in training mode",
         module._made(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)),
        ("the model is in the mode in which it came", "the model is in training mode",
         lambda model, path: answer(model.eval(), path)),
        ("the model is in the mode in which it came", "the model is in eval mode", module._then_training,
         module._made(step=lambda logits: logits, alike=False)),
        ("a string or a `pathlib.Path`", "the path is a pathlib.Path", module._nothing_written, three_channels,
         lambda model, path: answer(model, path + "")),
        ("a string or a `pathlib.Path`", "the path is a string", lambda model, path: answer(model, path / "")),
        ("a copy of this file works alone, in another folder", "one file", module._weights_beside),
        ("one input, `images`, and one output, `logits`", "the same numbers", module._made(names=("images",)),
         module._made(names=("images", "scores")), module._made(export_params=False)),
        ("both float32", "the same numbers", module._made(step=lambda logits: logits.half())),
        ("any batch from 1", "batch, height and width change", module._made(free=(2, 3)), module._made(free=())),
        ("any height and width", "batch, height and width change", module._made(free=(0,)), module._made(free=(0, 2))),
        ("any height and width", "a side is odd", module._made(free=(0,))),
        ("the model's own logits", "the same numbers", module._made(step=lambda logits: logits.softmax(dim=1)),
         module._made(step=lambda logits: logits.argmax(dim=1)), module._made(step=lambda logits: logits / 255)),
    )  # fmt: skip
    equal = {
        r"->.*torch\.rand\(-?\d+, 3, -?\d+, -?\d+\)": "the example's size does not matter",
        r"['\"](?:batch|height|width)": "any name will do for an axis",
        r"'logits': free": "the output's axes follow the input's",
        r"True.*dynamo|dynamo.*True": "the newer exporter takes the same arguments",
    }
    said = (
        (module._made(free=(), example=(1, 3, 8, 8)), "it was written for images 1 x 3 x 8 x 8"),
        (lambda model, path: model(torch.rand(2, 3, 8, 8)), "You write no file to `path`"),
        (module._made(names=("images", "scores")), "the outputs scores; one input `images`"),
        (lambda model, path: answer(model, f"{path}.onnx"), "network.onnx.onnx lies beside it"),
        (lambda model, path: Path(path).write_text("a network"), "Your file isn't ONNX."),
        (lambda model, path: torch.jit.script(model).save(str(path)), "You write a format of PyTorch's own"),
        (in_double, "Your file takes double; float32 is asked for."),
        (frozen, "changes the mode of model: training or eval, or which weights are trainable"),
    )

    def test_results_learned_by_heart_get_no_point_on_other_cases(self):
        pytest.skip("the result is a file")


@pytest.mark.slow
def test_the_newer_exporter_is_right_as_well():
    case = exercises.engine.exercise.draw(module.EXERCISE)[1]
    seen = exercises.engine.observing.observe(module.EXERCISE, by_dynamo, case)
    assert "error" not in seen, seen


def test_missing_packages_are_named_and_nothing_is_earned(monkeypatch):
    monkeypatch.setattr(module, "MISSING", ["onnxruntime"])
    verdict = exercises.assess("export_onnx", by_bytes)
    assert verdict.points == 0
    assert "needs onnxruntime" in verdict.diagnosis
    assert "segcourse[deploy]" in verdict.diagnosis
