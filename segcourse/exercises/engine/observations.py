"""What a student's object did, as plain data: numbers in arrays and short texts, nothing that can run.

An observation is a dict from field names ("value", "gradient", "error") to NumPy arrays or short strings.
A string where numbers were expected names what came instead ("None", "a str"). `plain` runs where the
student's code runs. `encode` and `decode` carry the record as JSON to a process that never runs student code,
and `decode` trusts nothing.
"""

import base64
import binascii
import itertools
import math
import re
from typing import Any

import numpy as np
import torch

from segcourse.errors import DataError

Observation = dict[str, np.ndarray | str]

MAX_ELEMENTS = 1 << 20  # a batch of four 2-class 360 x 360 logits; far above what any exercise returns
MAX_FIELDS, MAX_TEXT, MAX_PRINTED, MAX_DIMENSIONS = 48, 300, 2000, 8
HANDED_OVER = "handed over"  # the field that says which finished implementation an answer has called
SHAPES, NAMES = "shapes of the weights", "names of parameters"
CAUGHT, HANDLING = "caught", "handling"  # behind an error: those that the check and the answer caught
# what is no result by itself
ASIDE = {"changed", "printed", "line", "dtype", "stub", CAUGHT, HANDLING, SHAPES, HANDED_OVER}
_DTYPES = {"bool": "|b1", "int64": "<i8", "float64": "<f8"}


def plain(value: Any) -> np.ndarray | str:
    """Turn what came back into a bool, int64 or float64 array; anything else into its kind, a short string.

    Numbers, NumPy arrays, tensors of any real dtype on any device, and lists of these become arrays. Types
    are compared exactly, so that an object cannot talk its way in with `__array__`, `__float__` or
    `__eq__`.

    >>> plain([1, 2.5]), plain(torch.tensor(True)), plain("0.5"), plain(None)
    (array([1. , 2.5]), array(True), 'a str', 'None')
    """
    try:
        return _numbers(value, MAX_DIMENSIONS)
    except Exception:
        return _kind(value)


def _numbers(value: Any, depth: int) -> np.ndarray:
    kind = type(value)
    if kind in (bool, int, float):
        beyond = kind is int and value.bit_length() > 63
        return _narrow(np.asarray(float(value) if beyond else value))
    if kind in (list, tuple) and depth and len(value) <= MAX_ELEMENTS:
        return _narrow(np.stack([_numbers(item, depth - 1) for item in value]))  # refuses ragged lists
    if isinstance(value, torch.Tensor):
        with (
            torch._C.DisableTorchFunctionSubclass()
        ):  # a Mask or a Parameter is read as the tensor that it is
            if value.numel() > MAX_ELEMENTS or value.is_complex():
                raise ValueError
            wide = torch.float64 if value.is_floating_point() else torch.int64
            return _narrow(value.detach().cpu().to(torch.bool if value.dtype == torch.bool else wide).numpy())
    if kind is np.ndarray or (isinstance(value, np.generic) and kind.__module__ == "numpy"):
        return _narrow(np.asarray(value))
    raise ValueError


def _narrow(array: np.ndarray) -> np.ndarray:
    if array.size > MAX_ELEMENTS or array.ndim > MAX_DIMENSIONS or array.dtype.kind not in "biuf":
        raise ValueError
    return array.astype({"b": "?", "f": "<f8"}.get(array.dtype.kind, "<i8"))


def container(value: Any) -> str:
    """Name the kind of object that holds a result, as a student would.

    >>> container(torch.ones(2)), container(np.int64(3)), container(0.5), container([1])
    ('a tensor', 'an int', 'a float', 'a list')
    """
    if isinstance(value, torch.Tensor):
        return "a tensor"
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    if isinstance(value, np.integer):
        return "an int"
    return "a NumPy number" if isinstance(value, np.generic) else _kind(value)


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = clip(type(value).__name__, 60)
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def clip(text: str, length: int = MAX_TEXT) -> str:
    """Return one printable line of at most `length` characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 4 * length])
    line = " ".join(line.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def clip_lines(text: str, length: int = MAX_PRINTED) -> str:
    """Return printable lines of at most `length` characters in all."""
    lines = [clip(line, length) for line in str(text)[: 4 * length].splitlines()]
    kept = "\n".join(lines).strip("\n")
    return kept if len(kept) <= length else kept[: length - 1] + "…"


def encode(observation: Observation) -> dict[str, Any]:
    """Return the observation as JSON-able data; arrays as dtype, shape and base64, so that NaN survives JSON.

    >>> encode({"value": np.asarray(True)})
    {'value': {'dtype': 'bool', 'shape': [], 'data': 'AQ=='}}
    """
    fields = {}
    for name, value in itertools.islice(observation.items(), MAX_FIELDS):
        if isinstance(value, np.ndarray):
            data = base64.b64encode(value.astype(_DTYPES[value.dtype.name]).tobytes()).decode()
            value = {"dtype": value.dtype.name, "shape": list(value.shape), "data": data}
        fields[name] = value
    return fields


def decode(record: Any) -> Observation:
    """Return the observation that `encode` wrote; refuse anything else before memory is spent on it.

    Raises:
        DataError: the record is not what `encode` writes, or is larger than any exercise needs.

    >>> decode(encode({"value": np.arange(3)}))
    {'value': array([0, 1, 2])}
    """
    if type(record) is not dict or len(record) > MAX_FIELDS:
        raise DataError(
            f"an observation is a dict of at most {MAX_FIELDS} fields; got a {type(record).__name__}"
        )
    observation = {}
    for name, value in record.items():
        if type(name) is not str or len(name) > MAX_TEXT:
            raise DataError(f"an observation's field names are strings of at most {MAX_TEXT} characters")
        if type(value) is str:
            observation[name] = clip_lines(value) if name == "printed" else clip(value)
        else:
            observation[name] = _decode_array(value)
    return observation


def _decode_array(value: Any) -> np.ndarray:
    if type(value) is not dict or set(value) != {"dtype", "shape", "data"}:
        raise DataError("an observation holds strings, and arrays as dtype, shape and data")
    dtype, shape, data = value["dtype"], value["shape"], value["data"]
    if type(dtype) is not str or dtype not in _DTYPES or type(data) is not str:
        raise DataError(f"an array is one of {', '.join(_DTYPES)}, its data base64 text")
    whole = (
        type(shape) is list and len(shape) <= MAX_DIMENSIONS and all(type(n) is int and n >= 0 for n in shape)
    )
    size = math.prod(shape) if whole else -1
    if not 0 <= size <= MAX_ELEMENTS or len(data) > 12 * MAX_ELEMENTS:
        raise DataError(
            f"an array has at most {MAX_ELEMENTS} elements in {MAX_DIMENSIONS} dimensions; got {shape!r:.80}"
        )
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("an array's data is base64 text") from error
    if len(raw) != size * np.dtype(_DTYPES[dtype]).itemsize:
        raise DataError(f"an array of shape {shape} of {dtype} needs another number of bytes than {len(raw)}")
    if dtype == "bool" and raw.strip(b"\0\1"):
        raise DataError("a bool array's bytes are 0 and 1")
    return np.frombuffer(raw, _DTYPES[dtype]).reshape(shape)


def same(one: np.ndarray | str, other: np.ndarray | str, tolerance: float) -> bool:
    """Return whether two values count as equal: same shape and same numbers, whatever the dtype.

    Whole numbers must agree exactly, real ones to `tolerance` times the largest of `other`: float32 sums in
    another order, or a GPU, stay far below 1e-4 of it. NaN equals NaN.

    >>> same(np.asarray([0.5]), np.asarray([0.500004]), 1e-4)
    True
    >>> same(np.asarray([90_000, 0]), np.asarray([90_000, 1]), 1e-4)
    False
    """
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    return one.shape == other.shape and not differing(one, other, tolerance).any()


def differing(one: np.ndarray, other: np.ndarray, tolerance: float) -> np.ndarray:
    """Return which numbers of two arrays of one size do not count as equal, in one row; see `same`.

    >>> differing(np.asarray([0.5, np.nan, 1.0]), np.asarray([0.5, np.nan, np.nan]), 1e-4)
    array([False, False,  True])
    """
    one, other = one.ravel(), other.ravel()
    if "f" not in one.dtype.kind + other.dtype.kind:
        return one != other
    one, other = one.astype(float), other.astype(float)
    known = np.isfinite(other)
    near = tolerance * np.max(np.abs(other[known]), initial=0.0) + 1e-6
    with np.errstate(invalid="ignore"):
        close = np.abs(one - other) <= near
    return ~(close | (one == other) | (np.isnan(one) & np.isnan(other)))


def differences(seen: Observation, expected: Observation, tolerance: float) -> list[str]:
    """Return the names of the fields in which an observation is not as expected; none if it is right.

    Errors agree by their kind. A changed input counts as a difference.
    """
    if "error" in seen or "error" in expected:
        return [] if seen.get("error") == expected.get("error") else ["error"]
    fields = [f for f in (*expected, *seen) if f not in ASIDE]
    found = [
        f
        for f in dict.fromkeys(fields)
        if f not in seen or f not in expected or not same(seen[f], expected[f], tolerance)
    ]
    return [*found, "changed"] if "changed" in seen and "changed" not in expected else found


def alike(seen: Observation, wrong: Observation, tolerance: float) -> bool:
    """Return whether one cause may lie behind two observations, whatever holds the numbers.

    A list, an array and a tensor count as alike, and so do one number and an array of one. Errors must share
    their message, with its numbers in any order: most mistakes with shapes end in a RuntimeError, and only
    its words and sizes separate them.

    >>> one = {"error": "RuntimeError", "message": "Expected size 5 but got size 4"}
    >>> alike(one, one | {"message": "Expected size 4 but got size 5"}, 0)
    True
    >>> alike(one, one | {"message": "Expected size 8 but got size 5"}, 0)
    False
    """
    words = [re.split(r"\d+", str(o.get("message", ""))) for o in (seen, wrong)]
    numbers = [sorted(re.findall(r"\d+", str(o.get("message", "")))) for o in (seen, wrong)]
    left, right = (_bare(o) for o in (seen, wrong))
    return not differences(left, right, tolerance) and words[0] == words[1] and numbers[0] == numbers[1]


def _bare(observation: Observation) -> Observation:
    """Return the observation without the container's kind, its single numbers without a shape."""
    return {
        name: value.reshape(()) if isinstance(value, np.ndarray) and value.size == 1 else value
        for name, value in observation.items()
        if name != "type"
    }


def describe(value: np.ndarray | str, digits: int = 3) -> str:
    """A value as a student reads it: small arrays written out, large ones by shape and range.

    >>> describe(np.asarray([[0, 0], [0, 1]])), describe(np.asarray(4 / 7)), describe(np.zeros((64, 64)))
    ('[[0, 0], [0, 1]]', '0.571', '64×64 numbers, all 0.000')
    """
    if isinstance(value, str):
        return clip(value)
    if value.size > 24:
        finite = value[np.isfinite(value)] if value.dtype.kind == "f" else value
        shape = "×".join(map(str, value.shape))
        if not finite.size:
            return f"{shape} numbers, all nan or infinite"
        lost = f", {value.size - finite.size} of them nan or infinite" if finite.size < value.size else ""
        if not lost and finite.min() == finite.max():
            return f"{shape} numbers, all {_number(finite.min(), digits)}"
        return (
            f"{shape} numbers from {_number(finite.min(), digits)} to {_number(finite.max(), digits)}{lost}"
        )
    if value.ndim:
        return "[" + ", ".join(describe(item, digits) for item in value) + "]"
    return _number(value, digits)


def _number(value: np.ndarray, digits: int) -> str:
    number = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if not isinstance(number, float):
        return str(number)
    readable = number == 0 or 10**-digits <= abs(number) < 1e6
    return f"{number:.{digits}f}" if readable else f"{number:.{digits}g}"
