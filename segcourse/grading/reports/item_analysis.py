"""Classical item analysis: which questions separate strong students from weak ones.

An item is an exercise or one of its groups. Its rest score is what a student got for all other exercises; the
groups of one exercise mostly pass or fail together.
"""

import math
from collections.abc import Sequence

import numpy as np

WELL = 0.3  # from this correlation on, a question separates well
# with fewer students, chance alone moves a correlation further than that (see `chance_level`)
ENOUGH = math.ceil((2 / WELL) ** 2)


def item_rest(item: Sequence[float], rest: Sequence[float]) -> float:
    """Return the item-rest correlation: Pearson's r of the points for an item and the points for the rest.

    For an item that is right or wrong, this is the point-biserial correlation. NaN if the item or the rest is
    the same for all students.

    >>> round(item_rest([1, 1, 0, 0], [3, 2, 1, 0]), 3)  # 2 / sqrt(5)
    0.894
    >>> item_rest([1, 1, 1, 1], [3, 2, 1, 0])
    nan
    """
    item, rest = np.asarray(item, float), np.asarray(rest, float)
    if item.size < 2 or np.ptp(item) < 1e-9 or np.ptp(rest) < 1e-9:
        return math.nan
    return float(np.corrcoef(item, rest)[0, 1])


def chance_level(students: int) -> float:
    """Return how far chance alone moves a correlation away from 0, for 95 of 100 questions.

    >>> chance_level(25)
    0.4
    """
    return 2 / math.sqrt(students) if students else math.inf


def interpretation(r: float, students: int) -> str:
    """Return what a correlation says about its question, in words.

    >>> interpretation(0.45, 50), interpretation(0.45, 30), interpretation(-0.1, 50), interpretation(-0.5, 50)
    ('separates well', 'too few students', 'hardly separates', 'reversed: check the question')
    """
    if students < ENOUGH:
        return "too few students"
    if math.isnan(r):
        return "the same for all students"
    if r < -chance_level(students):
        return "reversed: check the question"
    return "separates well" if r >= WELL else "separates a little" if r >= 0.15 else "hardly separates"


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return first quartile, median and third quartile, by linear interpolation; NaNs if there are no values.

    >>> quartiles([1, 2, 3, 4, 5])
    (2.0, 3.0, 4.0)
    """
    if not len(values):
        return math.nan, math.nan, math.nan
    low, middle, high = np.percentile(np.asarray(values, float), [25, 50, 75])
    return float(low), float(middle), float(high)
