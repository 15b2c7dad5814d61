"""The results of a whole class in one lesson, as a table and as JSON."""

import json
from dataclasses import dataclass
from typing import Any

from segcourse.exercises.engine.observations import clip
from segcourse.grading.scoring.result import Result


@dataclass(frozen=True)
class ClassResult:
    """The results of a whole class in one lesson, and sentences about the class."""

    lesson: str
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything but the notebooks, which are in autograded/."""
        students = [result.to_json() for result in self.results]
        for student in students:
            del student["cells"], student["printed"]
        return {"lesson": self.lesson, "students": students, "notes": list(self.notes)}

    def json(self) -> str:
        return json.dumps(self.to_json(), indent=1)

    def table(self) -> str:
        """Return one line per student, then the number of submissions with each status."""
        # clip removes control characters, which terminals obey
        width = max((len(clip(result.student, 60)) for result in self.results), default=7)
        lines = [f"{'student':<{width}}  {'points':>13}  status"]
        for result in self.results:
            points = "no score" if result.score is None else f"{result.score:.3g} of {result.max_score:.3g}"
            lines.append(f"{clip(result.student, 60):<{width}}  {points:>13}  {clip(result.status, 500)}")
        kinds = [result.status.split(":")[0] for result in self.results]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
        lines += [f"Note: {clip(note, 1000)}." for note in self.notes]
        if not kinds:
            return "\n".join([*lines, f"No one handed in {self.lesson}."])
        count = "1 submission" if len(kinds) == 1 else f"{len(kinds)} submissions"
        return "\n".join([*lines, f"{count} of {self.lesson}: {counts}"])
