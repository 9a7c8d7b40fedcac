"""Problems of a training file, each with line, field, message and fix."""

from dataclasses import dataclass, field
from typing import Any

from models.sentences import Sentence, sentence

# Further problems are only counted.
MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a training file.

    `code` is machine-readable, `message` says what is wrong and where, `fix` what to do. `line`
    counts from 1 and is None for the whole file; `field` is the column or sensor.
    """

    code: str
    message: str
    fix: str
    line: int | None = None
    field: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the problem as a JSON object for the API."""
        return {
            "line": self.line,
            "field": self.field,
            "code": self.code,
            "message": str(self.message),
            "fix": str(self.fix),
        }


@dataclass(slots=True)
class Problems:
    """The problems found while a file is read, with at most MAX_SHOWN kept.

    `notes` are remarks that are not problems.
    """

    count: int = 0
    shown: list[Problem] = field(default_factory=list)
    notes: list[Sentence] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it if there are fewer than MAX_SHOWN."""
        self.count += 1
        if len(self.shown) < MAX_SHOWN:
            self.shown.append(problem)

    @property
    def summary(self) -> str:
        """Return the first problem's message with the number of further problems."""
        first, more = self.shown[0].message, self.count - 1
        if not more:
            return first
        if more == 1:
            return sentence("{first} There is 1 more problem.", first=first)
        return sentence("{first} There are {more} more problems.", first=first, more=more)


def single_problem(code: str, message: str, fix: str, field: str | None = None) -> Problems:
    """Return a collection with one problem of the whole file, or of a `field`."""
    problems = Problems()
    problems.add(Problem(code, message, fix, field=field))
    return problems


EMPTY_FILE = Problem(
    "empty_file", sentence("The training file has no lines."), sentence("Write one example a line.")
)
