"""Counting pixels fast: what the definitions in `metrics` are computed from."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from segcourse.errors import DataError

Mask = Tensor | np.ndarray
BLOCK = 2**15  # pixels counted at a time; see `blocks`


def count_pairs(prediction: Mask, target: Mask, num_classes: int, ignore_index: int) -> Tensor:
    """Count the pairs (true class, predicted class): int64 C×C; `metrics.confusion_matrix` defines it."""
    prediction, target = check_pair(prediction, target)
    rows = max(256, num_classes)  # one for every byte: ignored pixels are counted too, then dropped as a row

    def count(part: tuple[Tensor, Tensor]) -> Tensor:
        table = torch.zeros(rows * num_classes, dtype=torch.int64, device=target.device)
        for ids, truth in blocks(*part):
            ids, truth = small_ids(ids, truth, num_classes, rows, ignore_index)
            pairs = torch.add(ids, truth, alpha=num_classes)
            table += torch.bincount(pairs, minlength=rows * num_classes)
        return table

    table = sum(in_parallel(count, parts(prediction, target))).reshape(rows, num_classes)
    if 0 <= ignore_index < rows:
        table[ignore_index] = 0
    check_rows(table, num_classes)
    return table[:num_classes].clone()


def check_pair(prediction: Mask, target: Mask) -> tuple[Tensor, Tensor]:
    """Both masks as tensors on one device, once they are known to have one shape and whole numbers."""
    prediction, target = _tensor(prediction, "prediction"), _tensor(target, "target")
    if prediction.shape != target.shape:
        raise DataError(
            f"the prediction is {tuple(prediction.shape)} and the target {tuple(target.shape)}; "
            "resize the logits (not the label map) to the target's size first."
        )
    return prediction, target.to(prediction.device)


def parts(prediction: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Both, flat, in one part for each of PyTorch's threads, if that is worth a thread; on a GPU, in one."""
    pixels = target.numel()
    threads = min(torch.get_num_threads(), pixels // 2**18) if target.device.type == "cpu" else 1
    size = -(-pixels // max(1, threads)) or 1
    return list(zip(prediction.flatten().split(size), target.flatten().split(size), strict=True))


def in_parallel(function: Callable, arguments: list) -> Iterable:
    """`function` of each argument, each in a thread of its own; these wait for nobody, so that a busy machine
    slows them no more than others."""
    if len(arguments) < 2:
        return map(function, arguments)
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(function, arguments))


def blocks(prediction: Tensor, target: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    """Both, flat, in pieces that fit one core's cache; on a GPU, in one piece.

    The pieces are too small for PyTorch to spread over threads, which on a busy machine wait for each other
    longer than they count.
    """
    size = BLOCK if target.device.type == "cpu" else max(1, target.numel())
    return zip(prediction.split(size), target.split(size), strict=True)


def small_ids(
    prediction: Tensor, target: Tensor, num_classes: int, rows: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Both as int32 (uint8 ends at 255, and the pair 20·21 + 20 would wrap), the prediction below
    `num_classes`, the target below `rows`; where the labels do not allow it, without the ignored pixels."""
    if not (_below(prediction, num_classes) and _below(target, rows)):
        kept = target.long() != ignore_index
        prediction, target = prediction[kept].long(), target[kept].long()
        for name, ids, size in (("prediction", prediction, num_classes), ("target", target, rows)):
            if not _below(ids, size):
                raise _stranger(name, ids[(ids < 0) | (ids >= num_classes)].unique(), num_classes)
    return prediction.int(), target.int()


def check_rows(table: Tensor, num_classes: int) -> None:
    """Raise a DataError if a table of label pairs counts anything in a row that belongs to no class."""
    strangers = table[num_classes:].sum(dim=1).nonzero().flatten() + num_classes
    if len(strangers):
        raise _stranger("target", strangers, num_classes)


def _stranger(name: str, ids: Tensor, num_classes: int) -> DataError:
    shown = ", ".join(map(str, ids[:5].tolist())) + (", …" if len(ids) > 5 else "")
    return DataError(
        f"the {name} holds {shown}; with {num_classes} classes, ids are 0..{num_classes - 1}. "
        "For a binary mask saved as 0/255 use mask // 255."
    )


def foreground(prediction: Mask, target: Mask, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Both masks as bool tensors, without the pixels that the target ignores."""
    prediction, target = check_pair(prediction, target)
    kept = target.int() != ignore_index  # as uint8, -100 would equal 156
    for name, mask in (("prediction", prediction), ("target", target)):
        if ((mask != 0) & (mask != 1) & kept).any():
            raise DataError(
                f"the {name} holds {mask.min()}..{mask.max()}; a foreground mask holds 0 and 1. "
                "For one saved as 0/255 use mask // 255; for one class of many, mask == k."
            )
    return (prediction == 1) & kept, (target == 1) & kept


def area(mask: Tensor) -> Tensor:
    """Pixels of each bool mask (..., H, W), as float64: float16 would end at 65504, and float32 rounds beyond
    2^24."""
    return mask.sum(dim=(-2, -1)).cpu().double()


_RARE = (torch.uint16, torch.uint32, torch.uint64)  # of which PyTorch has little more than the name


def _tensor(mask: Mask, name: str) -> Tensor:
    if not isinstance(mask, Tensor):
        mask = torch.from_numpy(np.ascontiguousarray(mask))
    if mask.is_floating_point() or mask.is_complex():
        raise DataError(
            f"the {name} is {mask.dtype}; class ids are whole numbers. Take logits.argmax(1), "
            "or logits > 0 for one channel (that is p > 0.5), first."
        )
    return mask.detach().long() if mask.dtype in _RARE else mask.detach()


def _below(ids: Tensor, size: int) -> bool:
    if not ids.numel():
        return True
    low, high = ids.aminmax()
    return low.item() >= 0 and high.item() < size  # Python's numbers: as uint8, 256 would be 0
