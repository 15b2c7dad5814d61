"""What is certain about two arrays: how the numbers that came relate to those that were expected."""

from collections.abc import Callable, Sequence

import numpy as np

from segcourse.exercises.engine.observations import describe, differing

Pair = tuple[np.ndarray, np.ndarray]  # what came, what was expected; float, of one shape
CLOSE = 0.0101


def relation(pairs: Sequence[Pair], tolerance: float) -> str | None:
    """Return a sentence that holds for every pair, or None; pairs have one shape each and differ.

    >>> expected = [np.array([0.25, 0.5]), np.array([0.75])]
    >>> relation([(100 * e, e) for e in expected], 1e-4)
    'Your numbers are 100 times the expected ones: per cent instead of a share of 1.'
    >>> relation([(1 - e, e) for e in expected], 1e-4)
    'Your numbers are 1 minus the expected ones.'
    """
    pairs = [(one.astype(float), other.astype(float)) for one, other in pairs]
    found = (rule(pairs, tolerance) for rule in _RULES)
    return next(filter(None, found), None)


def reshaped(pairs: Sequence[Pair], tolerance: float) -> str | None:
    """Return how arrays of another shape than expected relate to what was expected, or None.

    >>> expected = [np.array([0.25, 0.75]), np.array([1.0, 0.5, 0.0])]
    >>> reshaped([(np.array(0.5), e) for e in expected], 1e-4)
    'Your one number is the mean of the expected ones.'
    """

    def all_equal(one: Callable, other: Callable) -> bool:
        try:
            return all(
                (a := np.asarray(one(came))).shape == (b := np.asarray(other(right))).shape
                and not differing(a, b, tolerance).any()
                for came, right in pairs
            )
        except (ValueError, IndexError, np.exceptions.AxisError):
            return False

    def same(values: np.ndarray) -> np.ndarray:
        return values

    if all_equal(np.ravel, np.ravel):
        return "The numbers are right, only their shape is not."
    if all(came.size == 1 and right.size > 1 for came, right in pairs):
        for name, reduce in (("mean", np.mean), ("mean without NaN", _nanmean), ("sum", np.sum)):
            if all_equal(np.ravel, lambda right, reduce=reduce: np.ravel(reduce(right))):
                return f"Your one number is the {name} of the expected ones."
        if all_equal(np.ravel, lambda right: np.ravel(right)[:1]):
            return "You return only the first of the expected numbers."
    if all(came.size > 1 and right.size == 1 for came, right in pairs):
        for name, reduce in (("mean", np.mean), ("mean without NaN", _nanmean), ("sum", np.sum)):
            if all_equal(lambda came, reduce=reduce: np.ravel(reduce(came)), np.ravel):
                return f"The {name} of your numbers is the expected number."
    if all(came.ndim and right.ndim and came.shape != right.shape for came, right in pairs):
        if all_equal(same, lambda right: right[1:]):
            return "The first of the expected entries is missing."
        if all_equal(same, lambda right: right[:-1]):
            return "The last of the expected entries is missing."
        if all_equal(same, lambda right: right.sum(axis=0)) or all_equal(lambda c: c.sum(axis=0), same):
            return "Your numbers and the expected ones differ by a sum over the first axis."
        if all_equal(same, np.transpose):
            return "Your array is the transpose of the expected one."
    return None


def outside(pairs: Sequence[Pair], tolerance: float) -> str | None:
    """Return that some numbers are below 0 or above 1 where no expected number is, or None.

    >>> outside([(np.array([-1.0, 2.0]), np.array([0.0, 2.0]))], 1e-4)
    'Some of your numbers are below 0; none of the expected ones is.'
    """
    if not pairs:
        return None
    came, right = _joined(pairs)
    came, right = came[np.isfinite(came)], right[np.isfinite(right)]
    if not came.size or not right.size or right.min() < 0:
        return None
    margin = tolerance * right.max()
    if came.min() < -margin:
        return "Some of your numbers are below 0; none of the expected ones is."
    if right.max() <= 1 and came.max() > 1 + margin:
        return "Some of your numbers are above 1; none of the expected ones is."
    return None


def _nanmean(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    return known.mean() if known.size else np.asarray(np.nan)


def _joined(pairs: Sequence[Pair]) -> Pair:
    return np.concatenate([a.ravel() for a, _ in pairs]), np.concatenate([b.ravel() for _, b in pairs])


def _finite(pairs: Sequence[Pair]) -> list[Pair] | None:
    """Return each pair in one row, places where both are NaN left out; None if others are not finite."""
    rows = []
    for came, right in pairs:
        came, right = came.ravel(), right.ravel()
        known = ~(np.isnan(came) & np.isnan(right))
        came, right = came[known], right[known]
        if not (np.isfinite(came).all() and np.isfinite(right).all()):
            return None
        if came.size:
            rows.append((came, right))
    return rows or None


def _holds(pairs: Sequence[Pair], function: Callable, tolerance: float) -> bool:
    """Return whether what came is a function of what was expected, within the tolerance of each pair."""
    with np.errstate(all="ignore"):
        computed = [(came, function(right)) for came, right in pairs]
    return all(
        np.isfinite(wanted).all() and not differing(a, wanted, tolerance).any() for a, wanted in computed
    )


def _varied(pairs: Sequence[Pair]) -> bool:
    """Return whether there are two different numbers other than 0: with fewer, a relation may be chance."""
    values = np.concatenate([right for _, right in pairs])
    return len(np.unique(np.round(values[values != 0], 6))) > 1


def _replaced(pairs: Sequence[Pair], tolerance: float) -> str | None:
    """One number stands where another one was expected; everything else is right.

    Two numbers alone say little, so one of them is NaN, 0 or 1: what an answer gives to a special case.
    """
    came, right = _joined(pairs)
    wrong = np.concatenate([differing(a, b, tolerance) for a, b in pairs])
    if not wrong.any() or len(_distinct(came[wrong])) > 1 or len(_distinct(right[wrong])) > 1:
        return None
    if not any(np.isnan(value) or value in (0, 1) for value in (came[wrong][0], right[wrong][0])):
        return None
    yours, wanted = (
        describe(x.astype(int) if x.is_integer() else x) for x in (came[wrong][0], right[wrong][0])
    )
    return f"{yours} comes where {wanted} is expected." if yours != wanted else None


def _distinct(values: np.ndarray) -> np.ndarray:
    return np.unique(np.round(values, 9))  # NaN counts as one value


def _not_a_number(pairs: Sequence[Pair], tolerance: float) -> str | None:
    came, right = _joined(pairs)
    bad = ~np.isfinite(came) & np.isfinite(right)
    wrong = np.concatenate([differing(a, b, tolerance) for a, b in pairs])
    if not bad.any() or (wrong & ~bad).any():
        return None
    name = (
        "NaN" if np.isnan(came[bad]).all() else "infinity" if np.isinf(came[bad]).all() else "NaN or infinity"
    )
    return f"You return {name} where a number is expected. Which division is 0/0, or which logarithm is of 0?"


def _factor(pairs: Sequence[Pair], tolerance: float) -> str | None:
    rows = _finite(pairs)
    if rows is None or not _varied(rows):
        return None
    came, right = _joined(rows)
    largest = np.argmax(np.abs(right))
    k = came[largest] / right[largest]
    if abs(k) < 1e-6 or abs(k - 1) < 0.02 or not _holds(rows, lambda right: k * right, tolerance):
        return None
    if abs(k + 1) < 1e-3:
        return "Your numbers have the opposite sign."
    per_cent = ": per cent instead of a share of 1" if abs(k - 100) < 0.1 else ""
    return f"Your numbers are {k:.4g} times the expected ones{per_cent}."


def _offset(pairs: Sequence[Pair], tolerance: float) -> str | None:
    rows = _finite(pairs)
    if rows is None or not _varied(rows):
        return None
    came, right = _joined(rows)
    shift = came[0] - right[0]
    if abs(shift) < 0.02 * np.abs(right).max() or not _holds(rows, lambda right: right + shift, tolerance):
        return None
    return f"Your numbers are the expected ones {'plus' if shift > 0 else 'minus'} {abs(shift):.4g}."


def _function(name: str, function: Callable) -> Callable:
    def rule(pairs: Sequence[Pair], tolerance: float) -> str | None:
        rows = _finite(pairs)
        found = rows is not None and _varied(rows) and _holds(rows, function, tolerance)
        return f"Your numbers are {name}." if found else None

    return rule


def _moved(pairs: Sequence[Pair], tolerance: float) -> str | None:
    """The right numbers in other places."""
    moves = [
        ("Your array is the transpose of the expected one: rows and columns are exchanged.", np.transpose),
        ("The entries come in the opposite order.", lambda right: right[::-1]),
        ("Every entry stands one place too late.", lambda right: np.roll(right, 1, axis=0)),
        ("Every entry stands one place too early.", lambda right: np.roll(right, -1, axis=0)),
        ("The right numbers come in another order.", None),
    ]
    if any(right.ndim == 0 for _, right in pairs):
        return None
    for sentence, move in moves:
        if move is None:
            pairs_moved = [(np.sort(came, axis=None), np.sort(right, axis=None)) for came, right in pairs]
            if any(len(np.unique(right)) < 3 for _, right in pairs_moved):
                continue
        else:
            pairs_moved = [(came, move(right)) for came, right in pairs]
        if all(a.shape == b.shape and not differing(a, b, tolerance).any() for a, b in pairs_moved):
            return sentence
    return None


def _rounded(pairs: Sequence[Pair], tolerance: float) -> str | None:
    rows = _finite(pairs)
    if rows is None:
        return None
    came, right = _joined(rows)
    if (right == np.round(right)).all() or not (came == np.round(came)).all():
        return None
    if _holds(rows, np.round, tolerance) or _holds(rows, np.floor, tolerance):
        return "Your numbers are the expected ones, cut or rounded to whole numbers."
    return None


def _close(pairs: Sequence[Pair], tolerance: float) -> str | None:
    rows = _finite(pairs)
    if rows is None:
        return None
    off = max(np.abs(came - right).max() / max(np.abs(right).max(), 0.1) for came, right in rows)
    if off > CLOSE or not any(right.any() for _, right in rows):
        return None
    return (
        f"Your numbers are close, but off by up to {100 * off:.2g} %. A number type with few digits, or a "
        "small constant that is added somewhere, can cause that."
    )


_RULES = (
    _replaced,
    _not_a_number,
    _function("1 minus the expected ones", lambda right: 1 - right),
    _close,
    _factor,
    _offset,
    _rounded,
    _moved,
    _function("the square roots of the expected ones", np.sqrt),
    _function("the squares of the expected ones", np.square),
    _function("1 divided by the expected ones", lambda right: 1 / right),
)
