"""The results of a whole class in one lesson, as a table and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segcourse.exercises.engine.observations import clip
from segcourse.grading.scoring.result import Result

if TYPE_CHECKING:
    from segcourse.grading.gradebook.marks import Marks


@dataclass(frozen=True)
class ClassResult:
    """The results of a whole class in one lesson, the gradebook's marks by student, and notes."""

    lesson: str
    results: tuple[Result, ...]
    marks: Mapping[str, "Marks"] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def score(self, result: Result) -> float | None:
        """Return the gradebook's score, which contains points by hand and late penalties."""
        marks = self.marks.get(result.student)
        return marks.score if marks else result.score

    def to_json(self) -> dict[str, Any]:
        """Return everything but the notebooks, which are in autograded/."""
        students = []
        for result in self.results:
            student = result.to_json() | {"automatic": result.score, "score": self.score(result)}
            if marks := self.marks.get(result.student):
                handed_in = f"{marks.handed_in.isoformat()}Z" if marks.handed_in else None
                student |= {"by_hand": marks.by_hand, "penalty": marks.penalty, "handed_in": handed_in}
                student |= {"hours_late": round(marks.seconds_late / 3600, 2), "gradebook": marks.status}
            del student["cells"], student["printed"]
            students.append(student)
        return {"lesson": self.lesson, "students": students, "notes": list(self.notes)}

    def json(self) -> str:
        return json.dumps(self.to_json(), indent=1)

    def table(self) -> str:
        """Return one line per student, then the number of submissions with each status."""
        # clip removes control characters, which terminals obey
        width = max((len(clip(result.student, 60)) for result in self.results), default=7)
        lines = [f"{'student':<{width}}  {'points':>13}  status"]
        for result in self.results:
            score, marks = self.score(result), self.marks.get(result.student)
            points = "no score" if score is None else f"{score:.3g} of {result.max_score:.3g}"
            status = "; ".join([result.status, *(marks.remarks if marks else ())])
            lines.append(f"{clip(result.student, 60):<{width}}  {points:>13}  {clip(status, 500)}")
        kinds = [result.status.split(":")[0] for result in self.results]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
        lines += [f"Note: {clip(note, 1000)}." for note in self.notes]
        if not kinds:
            return "\n".join([*lines, f"No one handed in {self.lesson}."])
        count = "1 submission" if len(kinds) == 1 else f"{len(kinds)} submissions"
        return "\n".join([*lines, f"{count} of {self.lesson}: {counts}"])
