"""What is wrong with a training file: each problem with its line, its field and what to do."""

from dataclasses import dataclass, field
from typing import Any

# Further ones are counted only.
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is for programs, `message` says what is wrong and where, `fix` what to do. `line` is
    counted from 1, None where the whole file is meant; `field` is the column or sensor."""

    code: str
    message: str
    fix: str
    line: int | None = None
    field: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "field": self.field,
            "code": self.code,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(slots=True)
class Problems:
    """Collected while a file is read. `notes` are told, and no problems."""

    count: int = 0
    shown: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.count += 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(problem)

    @property
    def summary(self) -> str:
        """The first, and how many more there are."""
        more = self.count - 1
        if not more:
            return self.shown[0].message
        counted = "is 1 more problem" if more == 1 else f"are {more} more problems"
        return f"{self.shown[0].message} There {counted}."


def single(code: str, message: str, fix: str) -> Problems:
    """One problem of the whole file."""
    problems = Problems()
    problems.add(Problem(code, message, fix))
    return problems


EMPTY = Problem("empty_file", "The training file has no lines.", "Write one example a line.")
