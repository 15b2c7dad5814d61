"""Which questions tell strong students from weak ones: the classical item statistics of a test.

An item is one exercise or one of its groups; its rest is what a student got for all other exercises, for the
groups of one exercise mostly fall together.
"""

import math
from collections.abc import Sequence

import numpy as np

ENOUGH = 10  # students below which a correlation says more about chance than about the question


def item_rest(item: Sequence[float], rest: Sequence[float]) -> float:
    """The item-rest correlation: Pearson's r of the points for an item with those for everything else.

    For an item that is right or wrong this is the point-biserial correlation. NaN where the item or the rest
    is the same for everyone.

    >>> round(item_rest([1, 1, 0, 0], [3, 2, 1, 0]), 3)  # 2 / sqrt(5)
    0.894
    >>> item_rest([1, 1, 1, 1], [3, 2, 1, 0])
    nan
    """
    item, rest = np.asarray(item, float), np.asarray(rest, float)
    if item.size < 2 or np.ptp(item) < 1e-9 or np.ptp(rest) < 1e-9:
        return math.nan
    return float(np.corrcoef(item, rest)[0, 1])


def chance(students: int) -> float:
    """How far from 0 chance alone takes a correlation over so many students, in 95 of 100 questions.

    >>> chance(25)
    0.4
    """
    return 2 / math.sqrt(students) if students else math.inf


def reading(r: float, students: int) -> str:
    """What a correlation says about its question, in words.

    >>> reading(0.45, 30), reading(0.45, 6), reading(-0.1, 30), reading(-0.5, 30)
    ('separates well', 'too few students', 'hardly separates', 'turned round: look at it')
    """
    if students < ENOUGH:
        return "too few students"
    if math.isnan(r):
        return "the same for everyone"
    if r < -chance(students):
        return "turned round: look at it"
    return "separates well" if r >= 0.3 else "separates a little" if r >= 0.15 else "hardly separates"


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile, by linear interpolation; NaNs for nothing.

    >>> quartiles([1, 2, 3, 4, 5])
    (2.0, 3.0, 4.0)
    """
    if not len(values):
        return math.nan, math.nan, math.nan
    low, middle, high = np.percentile(np.asarray(values, float), [25, 50, 75])
    return float(low), float(middle), float(high)
