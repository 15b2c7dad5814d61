"""What a whole class got for one lesson, as a table to read and as JSON."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcourse.grading.scoring.result import Result


@dataclass(frozen=True)
class ClassResult:
    """What a whole class got for one lesson."""

    lesson: str
    results: tuple["Result", ...]

    def to_json(self) -> dict[str, Any]:
        """Everything but the notebooks, which lie in autograded/."""
        bulky = ("cells", "printed")
        told = [{k: v for k, v in result.to_json().items() if k not in bulky} for result in self.results]
        return {"lesson": self.lesson, "students": told}

    def json(self) -> str:
        return json.dumps(self.to_json(), indent=1)

    def table(self) -> str:
        """One line a student, then how many there are of each kind."""
        from segcourse.exercises.observations import clip  # a terminal obeys what it is shown

        width = max((len(clip(result.student, 60)) for result in self.results), default=7)
        lines = [f"{'student':<{width}}  {'points':>13}  status"]
        for result in self.results:
            points = "no score" if result.score is None else f"{result.score:.3g} of {result.max_score:.3g}"
            lines.append(f"{clip(result.student, 60):<{width}}  {points:>13}  {clip(result.status, 500)}")
        kinds = [result.status.split(":")[0] for result in self.results]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
        if not kinds:
            return "\n".join([*lines, f"No one handed in {self.lesson}."])
        many = "1 submission" if len(kinds) == 1 else f"{len(kinds)} submissions"
        return "\n".join([*lines, f"{many} of {self.lesson}: {counts}"])
