"""Late submissions: how late they are, and what that costs by the rule in course.toml."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from segcourse.errors import SegcourseError

SECONDS = {"hour": 3600, "day": 86400}


@dataclass(frozen=True)
class LateRule:
    """A penalty per started hour or day, counted from the due date.

    Attributes:
        per: "hour" or "day".
        percent: What each started hour or day costs, in percent of the points that the student got.
        grace_minutes: How many minutes late cost nothing.
        max_percent: The highest penalty.

    >>> rule = LateRule("hour", 10, grace_minutes=15, max_percent=50)
    >>> [rule.penalty(20, 60 * minutes) for minutes in (15, 16, 61, 600)]
    [0.0, 2.0, 4.0, 10.0]
    >>> LateRule("day", 25).penalty(20, 60)
    5.0
    """

    per: str
    percent: float
    grace_minutes: float = 0
    max_percent: float = 100

    @classmethod
    def from_settings(cls, settings: Any) -> "LateRule":
        """Return the rule in the section [late] of course.toml.

        Raises:
            SegcourseError: A setting is unknown, missing or not allowed.
        """
        given = settings if isinstance(settings, dict) else {}
        known = {field.name for field in dataclasses.fields(cls)}
        percentages = {"percent": given.get("percent"), "max_percent": given.get("max_percent", 100)}
        numbers = percentages | {"grace_minutes": given.get("grace_minutes", 0)}
        allowed = (
            given.keys() <= known
            and given.get("per") in SECONDS
            and all(type(value) in (int, float) and value >= 0 for value in numbers.values())
            and max(percentages.values()) <= 100
        )
        if not allowed:
            raise SegcourseError(
                f'the section [late] of course.toml is {settings!r}. It needs per = "hour" or "day" and '
                "percent = 0 to 100, and can have grace_minutes (0 or more) and max_percent (0 to 100)."
            )
        return cls(**given)

    def penalty(self, points: float, seconds_late: float) -> float:
        """Return the points to subtract from a submission, by its lateness in seconds."""
        if seconds_late <= 60 * self.grace_minutes:
            return 0.0
        percent = math.ceil(seconds_late / SECONDS[self.per]) * self.percent
        return points * min(percent, self.max_percent) / 100


def duration(seconds: float) -> str:
    """Return a duration in the two largest units that it needs.

    >>> duration(20), duration(3600), duration(9000), duration(200_000)
    ('1 min', '1 h', '2 h 30 min', '2 d 7 h')
    """
    minutes = max(1, int(seconds // 60))
    units = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    return " ".join([f"{count} {unit}" for unit, count in units.items() if count][:2])
