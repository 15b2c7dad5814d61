"""Accelerate: one or several devices, and values on which all processes agree.

A script that calls `fit`, and the command line, run on four GPUs with

    accelerate launch --multi_gpu --num_processes 4 train.py
    accelerate launch --multi_gpu --num_processes 4 --module segcourse.cli fit --data isic2018

and, on a machine without a GPU, in as many processes on its CPU. (`accelerate launch --cpu` starts one
process only, unless MPI is set up.) Each process takes its share of an epoch's batches, so that a step is
that of `batch_size` times the number of processes. With a loss that is a mean over pixels, the numbers are
those of one process with the large batch. Dice and batch norm see only the batch of their process.
"""

from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object

from segcourse.devices import find_device

Value = TypeVar("Value")


def make_accelerator(device: str | torch.device | None) -> Accelerator:
    """Return an Accelerator for `device`, or for all devices under `accelerate launch`.

    Raises:
        DeviceError: this machine has no such device.
    """
    device = find_device(device)
    state = AcceleratorState._shared_state
    if state and state["num_processes"] == 1:  # an earlier run in this process may have used another device
        AcceleratorState._reset_state(reset_partial_state=True)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no")


def from_main_process(value: Value) -> Value:
    """Return the main process's value in every process, so that measurements lead to the same decision."""
    return broadcast_object_list([value])[0]


def mean_over_processes(total: float, count: int) -> float:
    """Return the mean of a quantity of which each process knows the sum and the number of its part.

    >>> mean_over_processes(6.0, 4)
    1.5
    """
    parts = gather_object([(total, count)])
    return sum(part[0] for part in parts) / sum(part[1] for part in parts)
