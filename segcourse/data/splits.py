"""Split pairs into training and validation: at random, in blocks, or by group; and as a list of files."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segcourse.data.pairing import Pair, listing
from segcourse.errors import DataError
from segcourse.files import write_csv

SHARE = 5  # one pair in five validates
_BLOCKS = 10


def held_out(pairs: Sequence[Pair], how: str = "random", seed: int = 0) -> list[int]:
    """Return the sorted indices of the pairs for validation, about a fifth of all.

    Args:
        pairs: all pairs, sorted by name.
        how: "random" holds out single pairs. "blocks" holds out runs of neighbouring names, for the frames of
            a video. Any other text is a regular expression that finds each pair's group, such as a patient,
            in the path of its image below the images' common folder; its first bracket, if it has one, is the
            group. Whole groups are held out.
        seed: random seed.

    Raises:
        DataError: there are fewer than 5 pairs or 2 groups, or the expression is wrong or does not match.

    >>> pairs = [Pair(Path(f"p{i // 4}_{i}.png"), Path("m.png"), str(i)) for i in range(16)]
    >>> held_out(pairs, "(p[0-9]+)_")  # the images of one patient
    [8, 9, 10, 11]
    """
    wanted = len(pairs) // SHARE
    if wanted == 0:
        raise DataError(
            f"there are {len(pairs)} pairs; give at least 5, so that one can be used for validation, or give "
            "separate validation images."
        )
    rng = np.random.default_rng(seed)
    if how == "random":
        return sorted(rng.permutation(len(pairs))[:wanted].tolist())
    if how == "blocks":
        blocks = min(_BLOCKS, len(pairs))
        groups = [str(i * blocks // len(pairs)) for i in range(len(pairs))]
    else:
        groups = groups_of(pairs, how)
    return _whole_groups(groups, wanted, rng)


def groups_of(pairs: Sequence[Pair], expression: str) -> list[str]:
    r"""Return the group of each pair, as `held_out` finds it with a regular expression.

    Raises:
        DataError: the expression is wrong, or finds no group in a name.

    >>> groups_of([Pair(Path(f"p{i}_0.png"), Path("m.png"), "") for i in (3, 5)], r"p(\d+)")
    ['3', '5']
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise DataError(
            f"the split {expression!r} is not a regular expression ({error}); give random, blocks, or an "
            r"expression that finds the group in a file's name, such as '^(patient\d+)'."
        ) from error
    paths = [pair.image for pair in pairs]
    folder = os.path.commonpath([path.parent for path in paths])
    found = [(path, pattern.search(path.relative_to(folder).as_posix())) for path in paths]
    if missing := [path for path, match in found if match is None]:
        raise DataError(
            f"the split {expression!r} finds no group in {len(missing)} of {len(paths)} names: "
            f"{listing(missing)}. Give random, blocks, or an expression that finds a group in each name."
        )
    return [str(match[min(1, pattern.groups)]) for _, match in found if match is not None]


def _whole_groups(groups: list[str], wanted: int, rng: np.random.Generator) -> list[int]:
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise DataError(
            f"all {len(groups)} pairs belong to the group {names[0]!r}; validation needs another group."
        )
    chosen: list[int] = []
    for name in rng.permutation(names)[:-1]:  # one group is left for training
        members = [i for i, group in enumerate(groups) if group == name]
        # a group that overshoots is taken only if that comes closer to the wanted number
        if not chosen or len(chosen) + len(members) / 2 <= wanted:
            chosen += members
    return sorted(chosen)


def write_split(path: str | os.PathLike, train: Sequence[Pair], val: Sequence[Pair]) -> None:
    """Write the pairs as a CSV file with the columns image, mask and split, which `pairs_from_csv` reads."""
    rows = [
        [pair.image.resolve(), pair.mask.resolve(), split]
        for split, pairs in (("train", train), ("val", val))
        for pair in pairs
    ]
    write_csv(path, [["image", "mask", "split"], *rows])


def has_splits(path: str | os.PathLike) -> bool:
    """Return True if a CSV file lists pairs of both splits, "train" and "val", in its column `split`.

    Raises:
        DataError: the column lacks one of the two.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            splits = {row.get("split") for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # `pairs_from_csv` explains
    if splits <= {None}:
        return False
    if not {"train", "val"} <= splits:
        raise DataError(
            f"the column split of {path} holds {', '.join(sorted(map(str, splits)))}; expected train and val."
        )
    return True
