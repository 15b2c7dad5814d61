"""What the sandbox told, by cell of the admitted notebook."""

import re
from collections.abc import Iterable
from typing import Any

from segcourse.exercises.observations import clip
from segcourse.grading.sandbox.limits import Limits
from segcourse.grading.submissions.recognise import Admitted

LOST = {"died": "ended the whole kernel", "hung": "could not be stopped", "too slow": "took too long"}


class Events:
    """The sandbox's events, by cell of the admitted notebook; anything of the wrong shape is passed over."""

    def __init__(self, events: Iterable[dict], places: list[int]) -> None:
        self.observed: dict[int, dict[int, Any]] = {}
        self.status: dict[int, str] = {}
        self.error: dict[int, str] = {}
        self.printed: dict[int, str] = {}
        self.value: dict[int, Any] = {}  # what the last line of an instructor's test came to
        self.finished = self.out_of_time = False
        for event in events:
            self.finished |= event.get("finished") is True
            self.out_of_time |= event.get("out_of_time") is True
            step = event.get("step")
            if type(step) is not int or not 0 <= step < len(places):
                continue
            place = places[step]
            if type(event.get("case")) is int and 0 <= event["case"] < 10_000:
                self.observed.setdefault(place, {}).setdefault(event["case"], event.get("observation"))
            elif type(event.get("status")) is str:
                self.status.setdefault(place, event["status"])
                if type(event.get("error")) is str:
                    self.error[place] = clip(event["error"])
                self.value.setdefault(place, event.get("value"))
                if type(event.get("printed")) is str:
                    self.printed[place] = event["printed"][:100_000]

    def errors(self) -> Iterable[str]:
        """Whatever went wrong in cells and in answers, as it was told."""
        yield from self.error.values()
        for seen in self.observed.values():
            yield from (
                clip(saw["message"]) for saw in seen.values() if type(saw) is dict and "message" in saw
            )

    def repairs(self, admitted: Admitted, ended: str | None, limits: Limits) -> list[str]:
        """What the run itself had to leave out."""
        said = LOST | {"too slow": f"took more than {limits.cell_seconds:g} s"}
        left_out = [
            f"{admitted.cells[place]} {said[status]} and was left out"
            for place, status in self.status.items()
            if status in said and admitted.cells[place].role not in ("check", "test")
        ]
        if ended or not self.finished:
            slow = f"the notebook took more than {limits.total_seconds:g} s"
            why = ended or (slow if self.out_of_time else "the kernel ended again and again")
            left_out.append(f"the run ended early: {why}")
        return left_out

    def stops(self, admitted: Admitted) -> list[str]:
        """Cells that stopped with an error, unopened exercises aside."""
        told = [
            f"{admitted.cells[place]}: {error}{_lost_below(admitted.cells[place].source, error)}"
            for place, error in self.error.items()
            if not error.startswith("NotImplementedError")
            and self.status[place] == "error"
            and admitted.cells[place].role != "test"  # what a test came to is told beside its points
        ]
        return told[:20]


def _lost_below(source: str, error: str) -> str:
    """Which lines of a cell an import that failed has cost: often other imports that the lesson needs."""
    at = re.search(r"\(line (\d{1,6})\)$", error)
    lines = source.splitlines()[int(at[1]) - 1 :] if at else []
    below = "; ".join(line.strip() for line in lines[1:] if line.strip())
    imported = below and re.match(r"import |from ", lines[0])
    return f"; not run below it: {clip(below, 80)}" if imported else ""
