"""Fast pixel counts, from which `metrics` computes its scores."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from segcourse.errors import DataError, first_few

Mask = Tensor | np.ndarray
BLOCK = 2**15  # pixels per block; see `blocks`


def count_pairs(prediction: Mask, target: Mask, num_classes: int, ignore_index: int) -> Tensor:
    """Count the pairs (true class, predicted class): int64 C×C; see `metrics.confusion_matrix`."""
    prediction, target = check_pair(prediction, target)
    rows = max(
        256, num_classes
    )  # one row per uint8 value: ignored pixels get a row too, which is cleared below

    def count(part: tuple[Tensor, Tensor]) -> Tensor:
        table = torch.zeros(rows * num_classes, dtype=torch.int64, device=target.device)
        for ids, truth in blocks(*part):
            ids, truth = to_int32(ids, truth, num_classes, rows, ignore_index)
            pairs = torch.add(ids, truth, alpha=num_classes)
            table += torch.bincount(pairs, minlength=rows * num_classes)
        return table

    table = sum(in_parallel(count, parts(prediction, target))).reshape(rows, num_classes)
    if 0 <= ignore_index < rows:
        table[ignore_index] = 0
    check_true_classes(table, num_classes)
    return table[:num_classes].clone()


def check_pair(prediction: Mask, target: Mask) -> tuple[Tensor, Tensor]:
    """Return both masks as integer tensors on one device; raise a DataError if their shapes differ."""
    prediction, target = _tensor(prediction, "prediction"), _tensor(target, "target")
    if prediction.shape != target.shape:
        raise DataError(
            f"the prediction is {tuple(prediction.shape)} and the target {tuple(target.shape)}; "
            "resize the logits (not the label map) to the target's size first."
        )
    return prediction, target.to(prediction.device)


def parts(prediction: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Flatten both masks and split them into one part per PyTorch thread; on a GPU, into one part."""
    pixels = target.numel()
    threads = min(torch.get_num_threads(), pixels // 2**18) if target.device.type == "cpu" else 1
    size = -(-pixels // max(1, threads)) or 1
    return list(zip(prediction.flatten().split(size), target.flatten().split(size), strict=True))


def in_parallel(function: Callable, arguments: list) -> Iterable:
    """Call `function` on each argument in a separate thread and return the results in order.

    Independent threads avoid OpenMP barriers, which are slow on a loaded machine.
    """
    if len(arguments) < 2:
        return map(function, arguments)
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))


def blocks(prediction: Tensor, target: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    """Split two flat masks into blocks that fit into one core's cache; on a GPU, into one block.

    PyTorch does not parallelise over blocks this small, so no block waits at an OpenMP barrier.
    """
    size = BLOCK if target.device.type == "cpu" else max(1, target.numel())
    return zip(prediction.split(size), target.split(size), strict=True)


def to_int32(
    prediction: Tensor, target: Tensor, num_classes: int, rows: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Return both masks as int32, without the ignored pixels where an id would be out of range.

    In uint8 the pair 20·21 + 20 would wrap around.

    Args:
        prediction, target: flat masks of equal length.
        num_classes: predicted ids must be below this.
        rows: true ids must be below this.
        ignore_index: pixels with this target do not count.

    Raises:
        DataError: an id of a pixel that is not ignored is out of range.
    """
    if not (_below(prediction, num_classes) and _below(target, rows)):
        kept = target.long() != ignore_index
        prediction, target = prediction[kept].long(), target[kept].long()
        for name, ids, size in (("prediction", prediction, num_classes), ("target", target, rows)):
            if not _below(ids, size):
                raise _unknown_ids(name, ids[(ids < 0) | (ids >= num_classes)].unique(), num_classes)
    return prediction.int(), target.int()


def check_true_classes(table: Tensor, num_classes: int) -> None:
    """Raise a DataError if the table of pairs counts a true id that is not below `num_classes`."""
    unknown = table[num_classes:].sum(dim=1).nonzero().flatten() + num_classes
    if len(unknown):
        raise _unknown_ids("target", unknown, num_classes)


def _unknown_ids(name: str, ids: Tensor, num_classes: int) -> DataError:
    return DataError(
        f"the {name} holds {first_few(ids.tolist())}; with {num_classes} classes, ids are "
        f"0..{num_classes - 1}. For a binary mask saved as 0/255 use mask // 255."
    )


def foreground(prediction: Mask, target: Mask, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Return both masks as bool tensors, False where the target is `ignore_index` (None: in no pixel)."""
    prediction, target = check_pair(prediction, target)
    ids = target.int()  # as uint8, -100 would equal 156
    kept = torch.ones_like(ids, dtype=torch.bool) if ignore_index is None else ids != ignore_index
    for name, mask in (("prediction", prediction), ("target", target)):
        if ((mask != 0) & (mask != 1) & kept).any():
            raise DataError(
                f"the {name} holds {mask.min()}..{mask.max()}; a foreground mask holds 0 and 1. "
                "For a mask saved as 0/255 use mask // 255; for one class out of several use mask == k."
            )
    return (prediction == 1) & kept, (target == 1) & kept


def area(mask: Tensor) -> Tensor:
    """Count the pixels of each bool mask: (..., H, W) to float64 (...).

    float16 overflows at 65504, and float32 rounds above 2^24.
    """
    return mask.sum(dim=(-2, -1)).cpu().double()


_UNSUPPORTED = (torch.uint16, torch.uint32, torch.uint64)  # dtypes for which PyTorch has few operations


def _tensor(mask: Mask, name: str) -> Tensor:
    if not isinstance(mask, Tensor):
        mask = torch.from_numpy(np.ascontiguousarray(mask))
    if mask.is_floating_point() or mask.is_complex():
        raise DataError(
            f"the {name} is {mask.dtype}; class ids are integers. First take logits.argmax(1), "
            "or logits > 0 for a single channel (that is p > 0.5)."
        )
    return mask.detach().long() if mask.dtype in _UNSUPPORTED else mask.detach()


def _below(ids: Tensor, size: int) -> bool:
    if not ids.numel():
        return True
    low, high = ids.aminmax()
    return low.item() >= 0 and high.item() < size  # compare Python integers: in uint8, 256 would be 0
