"""The classes that `--keep` names, and what is kept instead where a picture has other vehicles only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segcourse.errors import DataError, first_few
from segcourse.inference.street import VEHICLES

SMALLEST = 0.001  # of the pixels: networks scatter a few pixels of a class that isn't there


@dataclass(frozen=True)
class Keep:
    """Class ids to keep, and those to keep instead in a picture without them.

    >>> street = ("road", "car", "bus")
    >>> Keep.parse("car", street), Keep.parse("car,road", street), Keep.parse("1", street)
    (Keep(ids=(1,), instead=(2,)), Keep(ids=(1, 0), instead=()), Keep(ids=(1,), instead=()))
    """

    ids: tuple[int, ...]
    instead: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str, names: Sequence[str]) -> "Keep":
        """Read what a person typed: the name or number of a class, or several with commas.

        A single vehicle by name has the other vehicles as its fall-back. By number, it has none.

        Raises:
            DataError: there is no such class.
        """
        words = [text] if text in names else [word.strip() for word in text.split(",")]
        ids = tuple(dict.fromkeys(_class_id(word, names) for word in words))
        instead: tuple[int, ...] = ()
        if len(words) == 1 and words[0] in VEHICLES:
            instead = tuple(
                i for i, name in enumerate(names) if name in VEHICLES and name not in ("bicyclist", words[0])
            )
        return cls(ids, instead)

    def choose(self, mask: np.ndarray) -> tuple[int, ...]:
        """Return the ids to keep in a mask: `instead` where only those cover a thousandth of the picture.

        >>> Keep(ids=(1,), instead=(2, 3)).choose(np.array([[0, 2]]))
        (2,)
        """
        share = np.bincount(mask.ravel(), minlength=256) / mask.size
        others = tuple(i for i in self.instead if share[i] >= SMALLEST)
        return others if others and share[list(self.ids)].sum() < SMALLEST else self.ids


def _class_id(word: str, names: Sequence[str]) -> int:
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    raise DataError(f"there is no class {word!r}; the classes of this model are {first_few(names, 40)}.")
