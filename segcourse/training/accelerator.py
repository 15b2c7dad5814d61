"""Accelerate: one or several devices, and values on which all processes agree."""

from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

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
