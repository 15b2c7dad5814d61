"""What only calls a finished implementation is told so; every right answer of one's own keeps its points."""

import concurrent.futures
import copy
import functools
import importlib.util
import json
import sys
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import segcourse
from segcourse import exercises, losses, metrics, models
from segcourse.course import solutions
from segcourse.exercises.engine import judging, own_work
from segcourse.exercises.engine.exercise import draw
from segcourse.exercises.engine.judging import observed
from segcourse.exercises.engine.own_work import functions_of
from segcourse.models import blocks, deeplab

torch.set_num_threads(1)
NAMES = exercises.names()
FUNCTIONS = [name for name in NAMES if not isinstance(exercises.get(name).answer, type)]
CLASSES = [name for name in NAMES if name not in FUNCTIONS]


def cell(source, **names):
    """The names after a notebook's cell has run: code of a cell bears the cell's file name."""
    names = {"__name__": "__main__", "torch": torch, "nn": nn, "F": F, "segcourse": segcourse} | names
    exec(compile(source, "/tmp/ipykernel_1/1.py", "exec"), names)
    return names


def typed(name):
    """The solved notebook's answer, as a student who typed it has it."""
    return cell(solutions.source_of(name))[name]


def where(name):
    answer = exercises.get(name).answer
    return f"{answer.__module__}.{answer.__qualname__}"


def assert_told(name, obj, what=None, points=0):
    verdict = exercises.assess(name, obj, seed=5)
    assert verdict.diagnosis is not None
    assert verdict.diagnosis.startswith(f"This answer hands the work to {what or where(name)}; the exercise")
    assert (verdict.points, verdict.status, verdict.partly) == (points, "wrong", False)
    assert len(verdict.diagnosis) < 300  # an observation's texts are cut there


# Right answers keep their points.


@pytest.mark.parametrize("name", NAMES)
def test_the_solved_answer_is_ones_own(name):
    assert exercises.assess(name, typed(name), seed=5).passed


def test_a_one_liner_that_many_people_write_is_ones_own():
    mean = "def mean_iou(matrix):\n    return segcourse.iou_per_class(matrix).nanmean()"
    count = """
def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
"""
    assert exercises.assess("mean_iou", cell(mean)["mean_iou"]).passed
    assert exercises.assess("count_parameters", cell(count)["count_parameters"]).passed


OWN_DICE = """
def own(p, t):
    p, t = p.bool(), t.bool()
    return 2 * (p & t).sum((-2, -1)).double() / (p.sum((-2, -1)) + t.sum((-2, -1)))
"""

SUSPICIOUS = {
    "a fall-back of one's own": (
        "dice_score",
        OWN_DICE
        + """
def dice_score(p, t):
    try:
        return segcourse.dice_score(p, t)
    except Exception:
        return own(p, t)
""",
    ),
    "a comparison that may fail": (
        "dice_score",
        OWN_DICE
        + """
import contextlib

def dice_score(p, t):
    with contextlib.suppress(Exception):
        print("the library says", segcourse.dice_score(p, t))
    return own(p, t)
""",
    ),
    "the library's name for one's own": (
        "dice_score",
        OWN_DICE + "from segcourse import dice_score\ndice_score = own",
    ),
    "another library, used elsewhere": (
        "dice_score",
        OWN_DICE
        + """
def compared(p, t):
    from sklearn.metrics import f1_score
    return f1_score(p.flatten(), t.flatten())

print(compared(torch.ones(2), torch.ones(2)))
dice_score = own
""",
    ),
    "counts from another function": (
        "dice_score",
        """
def dice_score(p, t):
    if p.ndim > 2:
        return torch.stack([dice_score(*pair) for pair in zip(p, t)])
    (_, fp), (fn, tp) = segcourse.confusion_matrix(p.long(), t.long(), 2).double()
    return 2 * tp / (2 * tp + fp + fn)
""",
    ),
    "helpers of the library": (
        "soft_dice_loss",
        """
from segcourse import losses

def soft_dice_loss(logits, target):
    p, t = losses.probability_and_truth(logits, target, 255)
    dice = 2 * (p * t).sum((0, 2, 3)) / (p + t).sum((0, 2, 3))
    return losses.mean_over_present(1 - dice, t)
""",
    ),
    "PyTorch's function of the same name": (
        "cross_entropy",
        """
def cross_entropy(logits, target, ignore_index=255):
    total = F.cross_entropy(logits.float(), target, ignore_index=ignore_index, reduction="sum")
    return total / (target != ignore_index).sum().clamp(min=1)
""",
    ),
    "the library's index an image": (
        "threshold_jaccard",
        """
def threshold_jaccard(prediction, target, threshold=0.65):
    jaccard = segcourse.iou_score(prediction, target)
    return torch.where(jaccard < threshold, 0.0, jaccard).nanmean()
""",
    ),
    "the library's blocks, as the lesson allows": (
        "UNet",
        """
from segcourse.models import blocks, deeplab

class UNet(nn.Module):
    def __init__(self, i, c, width=64):
        super().__init__()
        w = [width * 2**k for k in range(5)]
        self.stem, self.head = blocks.DoubleConv(i, width), nn.Conv2d(width, c, 1)
        self.downs = nn.ModuleList(blocks.Down(a, b) for a, b in zip(w, w[1:]))
        self.ups = nn.ModuleList(blocks.Up(b, a, a) for a, b in reversed(list(zip(w, w[1:]))))

    def forward(self, x):
        skips = [self.stem(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)
""",
    ),
    "a step up with the library's double convolution": (
        "Up",
        """
from segcourse.models.blocks import DoubleConv

class Up(nn.Module):
    def __init__(self, i, s, o):
        super().__init__()
        self.up, self.conv = nn.ConvTranspose2d(i, i // 2, 2, 2), DoubleConv(i // 2 + s, o)

    def forward(self, x, skip):
        x = self.up(x)
        x = F.pad(x, [0, skip.shape[3] - x.shape[3], 0, skip.shape[2] - x.shape[2]])
        return self.conv(torch.cat([skip, x], 1))
""",
    ),
    "the library's class as a parent, its work done anew": (
        "AttentionGate",
        """
from segcourse.models import blocks, deeplab

class AttentionGate(blocks.AttentionGate):
    def __init__(self, g, s, i):
        nn.Module.__init__(self)
        self.g, self.s, self.psi = nn.Conv2d(g, i, 1), nn.Conv2d(s, i, 1), nn.Conv2d(i, 1, 1)

    def forward(self, gate, skip):
        gate = F.interpolate(self.g(gate), skip.shape[2:], mode="bilinear")
        return skip * torch.sigmoid(self.psi(F.relu(self.s(skip) + gate)))
""",
    ),
}


@pytest.mark.parametrize(("name", "source"), SUSPICIOUS.values(), ids=SUSPICIOUS)
def test_right_answers_that_look_suspicious_keep_every_point(name, source):
    verdict = exercises.assess(name, cell(source)[name], seed=5)
    assert verdict.passed, verdict


# Answers that call the reference do not, whatever they call it by.


def partial(answer, name):
    return functools.partial(answer)


def wrapped(answer, name):
    return lambda *inputs: answer(*inputs)


def by_name(answer, name):
    return cell(f"def {name}(*inputs):\n    return segcourse.exercises.get({name!r}).answer(*inputs)")[name]


def imported(answer, name):
    return cell(f"from {answer.__module__} import {answer.__qualname__} as d\n{name} = lambda *x: d(*x)")[
        name
    ]


def in_a_thread(answer, name):
    def later(*inputs):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(answer, *inputs).result()

    return later


def hidden(answer, name):
    """Swallows what tells on it; what is left is nothing."""

    def quiet(*inputs):
        try:
            return answer(*inputs)
        except Exception:
            return torch.zeros(())

    return quiet


ALIASES = [partial, wrapped, by_name, imported, in_a_thread, hidden]
ROOMS = (segcourse, models, blocks, deeplab)
LIBRARY = {
    name: next(getattr(room, name) for room in ROOMS if hasattr(room, name))
    for name in NAMES
    if any(hasattr(room, name) for room in ROOMS)
}


@pytest.mark.parametrize("name", LIBRARY)
def test_the_librarys_implementation_is_not_ones_own(name):
    finished = LIBRARY[name]
    assert_told(name, finished, f"{finished.__module__}.{finished.__qualname__}")


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_by_another_name_is_not_ones_own(name, alias):
    assert_told(name, alias(exercises.get(name).answer, name))


@pytest.mark.parametrize("name", CLASSES)
def test_a_subclass_that_adds_nothing_is_not_ones_own(name):
    answer = exercises.get(name).answer
    assert_told(name, type(name, (answer,), {}))
    assert_told(name, type(name, (answer,), {"forward": lambda self, *x: answer.forward(self, *x)}))


def by_create_model(in_channels, num_classes, width=64):
    return models.create_model("unet", num_classes, in_channels, width=width)


def gate_of_a_finished_network(gate_channels, skip_channels, inner_channels):
    return models.create_model("attention_unet", 2).gates[0]


def dice_of_a_matrix(prediction, target):
    return metrics.mean_dice(metrics.confusion_matrix(prediction, target, 2))


def dice_of_scores(prediction, target):
    scores = metrics.Scores(2)
    scores.update(prediction, target)
    return [row["dice"] for row in scores.per_image]


def jaccard_of_scores(prediction, target, threshold=0.65):
    scores = metrics.Scores(2)
    scores.update(prediction, target)
    return scores.compute(threshold)["threshold_jaccard"]


def tversky(logits, target):
    return losses.tversky_loss(logits, target, alpha=0.5, beta=0.5)


def focal_without_focus(logits, target, ignore_index=255):
    return losses.focal_loss(logits, target, gamma=0, ignore_index=ignore_index)


ELSEWHERE = [
    ("UNet", by_create_model, "segcourse.models.create_model"),
    ("AttentionGate", gate_of_a_finished_network, "segcourse.models.blocks.AttentionGate"),
    ("dice_score", dice_of_a_matrix, "segcourse.metrics.mean_dice"),
    ("dice_score", dice_of_scores, "segcourse.metrics.Scores"),
    ("threshold_jaccard", jaccard_of_scores, "segcourse.metrics.Scores.compute"),
    ("soft_dice_loss", tversky, "segcourse.losses.tversky_loss"),
    ("cross_entropy", focal_without_focus, "segcourse.losses.focal_loss"),
]


@pytest.mark.parametrize(("name", "obj", "what"), ELSEWHERE)
def test_what_does_the_same_job_elsewhere_in_the_library_is_not_ones_own(name, obj, what):
    assert_told(name, obj, what)


# Other libraries.


def matrix_sklearn(prediction, target, num_classes, ignore_index):
    from sklearn.metrics import confusion_matrix

    keep = target != ignore_index
    return confusion_matrix(target[keep], prediction[keep], labels=range(num_classes))


def matrix_torchmetrics(prediction, target, num_classes, ignore_index):
    from torchmetrics.functional import confusion_matrix

    keep = target != ignore_index
    return confusion_matrix(prediction[keep], target[keep], "multiclass", num_classes=num_classes)


def matrix_object_torchmetrics(prediction, target, num_classes, ignore_index):
    from torchmetrics import ConfusionMatrix

    keep = target != ignore_index
    return ConfusionMatrix("multiclass", num_classes=num_classes)(prediction[keep], target[keep])


def matrix_skimage(prediction, target, num_classes, ignore_index):
    from skimage.metrics import contingency_table

    return contingency_table(target.numpy(), prediction.numpy(), ignore_labels=[ignore_index]).toarray()


def iou_smp(matrix):
    from segmentation_models_pytorch.metrics import iou_score

    tp = matrix.diag()
    return iou_score(tp, matrix.sum(0) - tp, matrix.sum(1) - tp, tp)


def labels_of(matrix):
    pairs = torch.arange(matrix.numel()).repeat_interleave(matrix.flatten())
    return pairs // len(matrix), pairs % len(matrix)


def iou_sklearn(matrix):
    from sklearn.metrics import jaccard_score

    return jaccard_score(*labels_of(matrix), labels=range(len(matrix)), average=None)


def mean_torchmetrics(matrix):
    from torchmetrics.functional import jaccard_index

    truth, prediction = labels_of(matrix)
    return jaccard_index(prediction, truth, "multiclass", num_classes=len(matrix))


def dice_torchmetrics(prediction, target):
    from torchmetrics.functional.segmentation import dice_score

    return dice_score(prediction, target, 2, include_background=False, input_format="index")


def f1_torchmetrics(prediction, target):
    from torchmetrics.functional.classification import binary_f1_score

    return binary_f1_score(prediction, target)


def dice_monai(prediction, target):
    from monai.metrics import compute_dice

    return compute_dice(prediction[:, None], target[:, None])


def dice_smp(prediction, target):
    import segmentation_models_pytorch as smp

    return smp.metrics.f1_score(*smp.metrics.get_stats(prediction, target, mode="binary"))


def dice_sklearn(prediction, target):
    from sklearn.metrics import f1_score

    return f1_score(target.flatten(), prediction.flatten(), zero_division=float("nan"))


def dice_scipy(prediction, target):
    from scipy.spatial.distance import dice

    return 1 - dice(prediction.flatten().bool(), target.flatten().bool())


def soft_dice_smp(logits, target):
    from segmentation_models_pytorch.losses import DiceLoss

    return DiceLoss("multiclass")(logits, target)


def soft_dice_monai(logits, target):
    from monai.losses import DiceLoss

    return DiceLoss(softmax=True, to_onehot_y=True, batch=True)(logits, target[:, None])


def entropy_smp(logits, target, ignore_index):
    from segmentation_models_pytorch.losses import SoftCrossEntropyLoss

    return SoftCrossEntropyLoss(ignore_index=ignore_index)(logits, target)


def focal_smp(logits, target, gamma=2.0):
    from segmentation_models_pytorch.losses import FocalLoss

    return FocalLoss("multiclass", gamma=gamma)(logits, target)


def focal_monai(logits, target, gamma=2.0):
    from monai.losses import FocalLoss

    return FocalLoss(gamma=gamma, to_onehot_y=True, use_softmax=True)(logits, target[:, None])


def focal_torchvision(logits, target, gamma=2.0):
    from torchvision.ops import sigmoid_focal_loss

    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(logits)
    return sigmoid_focal_loss(logits, truth, -1, gamma, "mean")


def unet_smp(in_channels, num_classes, width=64):
    import segmentation_models_pytorch as smp

    return smp.Unet("resnet18", encoder_weights=None, in_channels=in_channels, classes=num_classes)


def unet_monai(in_channels, num_classes, width=64):
    from monai.networks.nets import BasicUNet

    return BasicUNet(2, in_channels, num_classes)


def double_conv_monai(in_channels, out_channels):
    from monai.networks.nets.basic_unet import TwoConv

    return TwoConv(2, in_channels, out_channels, "relu", "batch", bias=False)


def gate_monai(gate_channels, skip_channels, inner_channels):
    from monai.networks.nets.attentionunet import AttentionBlock

    return AttentionBlock(2, inner_channels, gate_channels, skip_channels)


PEERS = {
    "confusion_matrix": (
        (matrix_sklearn, "sklearn"),
        (matrix_torchmetrics, "torchmetrics"),
        (matrix_object_torchmetrics, "torchmetrics"),
        (matrix_skimage, "skimage"),
    ),
    "iou_per_class": ((iou_smp, "segmentation_models_pytorch"), (iou_sklearn, "sklearn")),
    "mean_iou": ((mean_torchmetrics, "torchmetrics"),),
    "dice_score": (
        (dice_torchmetrics, "torchmetrics"),
        (f1_torchmetrics, "torchmetrics"),
        (dice_monai, "monai"),
        (dice_smp, "segmentation_models_pytorch"),
        (dice_sklearn, "sklearn"),
        (dice_scipy, "scipy"),
    ),
    "soft_dice_loss": ((soft_dice_smp, "segmentation_models_pytorch"), (soft_dice_monai, "monai")),
    "cross_entropy": ((entropy_smp, "segmentation_models_pytorch"),),
    "focal_loss": (
        (focal_smp, "segmentation_models_pytorch"),
        (focal_monai, "monai"),
        (focal_torchvision, "torchvision"),
    ),
    "UNet": ((unet_smp, "segmentation_models_pytorch"), (unet_monai, "monai")),
    "DoubleConv": ((double_conv_monai, "monai"),),
    "AttentionGate": ((gate_monai, "monai"),),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "peer", "package"), [(n, *peer) for n in PEERS for peer in PEERS[n]])
def test_another_librarys_implementation_is_not_ones_own(name, peer, package):
    pytest.importorskip(package, reason=f"{package} is not installed (make test installs it)")
    verdict = exercises.assess(name, peer, seed=5)
    assert verdict.points == 0
    assert verdict.diagnosis.startswith(f"This answer hands the work to {package}.")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("finished", sorted({f for name in NAMES for f in exercises.get(name).finished}))
def test_every_declared_implementation_is_found(finished):
    module, _, path = finished.partition(":")
    package = module.partition(".")[0]
    pytest.importorskip(package, reason=f"{package} is not installed (make test installs it)")
    importlib.import_module(module)
    holders = [name for name in NAMES if finished in exercises.get(name).finished]
    held = [exercises.get(name) for name in holders]
    names = {name for exercise in held for name in own_work.implementations(exercise).values()}
    without_code = {name for exercise in held for name in own_work.compiled(exercise)}
    assert finished in without_code or finished.replace(":", ".") in names
    obj = functools.reduce(getattr, path.split("."), sys.modules[module])
    assert finished in without_code or list(functions_of(obj)), f"{finished} has no Python code to put away"


# Functions without Python code.


def transposed_by_torch(x, weight, stride):
    return F.conv_transpose1d(x[None, None].float(), weight[None, None].float(), stride=stride)[0, 0]


def size_of_a_layer(size, kernel, stride=1, padding=0, dilation=1):
    return nn.Conv1d(1, 1, kernel, stride, padding, dilation)(torch.zeros(1, 1, size)).shape[-1]


def otsu_cv2(gray):
    import cv2

    return cv2.threshold(gray.byte().numpy(), 0, 255, cv2.THRESH_OTSU)[0]


def region_cv2(gray, seed, tolerance):
    import cv2

    mask = torch.zeros(gray.shape[0] + 2, gray.shape[1] + 2, dtype=torch.uint8).numpy()
    flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
    cv2.floodFill(gray.float().numpy(), mask, tuple(seed[::-1]), 1, tolerance, tolerance, flags)
    return torch.from_numpy(mask[1:-1, 1:-1])


COMPILED = [
    ("transposed_conv1d", transposed_by_torch, "torch.conv_transpose1d"),
    ("conv_output_size", size_of_a_layer, "torch.nn.modules.conv.Conv1d"),
    ("otsu_threshold", otsu_cv2, "cv2.threshold"),
    ("grow_region", region_cv2, "cv2.floodFill"),
]


@pytest.mark.parametrize(("name", "obj", "what"), COMPILED)
def test_a_compiled_function_is_not_ones_own_and_is_back_afterwards(name, obj, what):
    exercise = exercises.get(name)
    before = own_work.compiled(exercise)
    verdict = exercises.assess(name, obj, seed=5)
    assert verdict.points == 0
    assert verdict.diagnosis.startswith("This answer hands the work to "), verdict
    assert what in verdict.diagnosis or what.replace("torch.", "torch.nn.functional.") in verdict.diagnosis
    assert own_work.compiled(exercise) == before


# The room itself.


def test_everything_is_back_afterwards_whatever_happened():
    exercise = exercises.get("dice_score")
    case = draw(exercise)[0]
    before = metrics.dice_score.__code__

    def interrupted(*masks):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own_work.observe(exercise, interrupted, case)
    assert metrics.dice_score.__code__ is before
    assert exercises.assess("dice_score", metrics.dice_score, own=False).passed


def test_a_check_inside_an_answer_spoils_no_other(monkeypatch):
    """The reference is computed once and kept: what was computed while it was away must not be."""
    observed.cache_clear()

    def curious(p, t):
        assert exercises.assess("dice_score", metrics.dice_score).points == 0
        return torch.zeros(())

    assert exercises.assess("dice_score", curious).points == 0
    assert exercises.assess("dice_score", typed("dice_score")).passed


def test_two_checks_at_once_wait_for_each_other():
    own, code = typed("dice_score"), metrics.dice_score.__code__
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        verdicts = list(
            pool.map(lambda obj: exercises.assess("dice_score", obj), [own, metrics.dice_score] * 8)
        )
    assert [verdict.points for verdict in verdicts] == [3, 0] * 8
    assert metrics.dice_score.__code__ is code
    assert threading.active_count() >= 1


def test_only_the_groups_whose_cases_were_handed_over_are_lost():
    own = typed("dice_score")
    verdict = exercises.assess("dice_score", lambda p, t: (metrics.dice_score if p.ndim > 2 else own)(p, t))
    assert [group.passed for group in verdict.groups] == [True, False, False]
    assert verdict.diagnosis.startswith("This answer hands the work to segcourse.metrics.dice_score;")


def test_it_goes_before_any_misconception_and_survives_json():
    exercise = exercises.get("dice_score")
    cases = draw(exercise)

    def smoothed(p, t):
        return metrics.dice_score(p, t).nan_to_num(1)  # its sentence would be another

    records = json.loads(json.dumps([own_work.observe(exercise, smoothed, case) for case in cases]))
    assert all(record["error"] == "NotYourOwn" for record in records)
    verdict = judging.judge(exercise, records, cases)
    assert (verdict.points, verdict.diagnosis, verdict.smallest) == (0, records[0]["message"], None)
    copied = copy.deepcopy(records[:1])
    assert judging.judge(exercise, copied, cases).diagnosis == records[0]["message"]


def test_an_untouched_stub_is_still_not_started():
    def stub(prediction, target):
        raise NotImplementedError

    assert not exercises.assess("dice_score", stub).started


def test_only_the_exercise_itself_is_blocked():
    """The exercise on `Up` leaves DoubleConv where it is."""
    blocked = own_work.implementations(exercises.get("Up"))
    assert {blocks.Up.__init__, blocks.Up.forward} <= blocked.keys()
    assert blocks.DoubleConv.__init__ not in blocked
