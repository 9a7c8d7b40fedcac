"""Adapting a specialist to one customer's line: what each adaptable specialist offers.

Owns the shape of an adaptation, of its score, and reading a training file's lines.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from infra.errors import AppError
from models.problems import Problems, single
from models.training_text import LONG_LINE, MAX_LINES, structs

__all__ = ["MAX_LINES"]

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Metrics:
    """How far learning is: losses as the score counts them; `valid_loss` where it was looked at."""

    step: int
    total_steps: int
    train_loss: float
    valid_loss: float | None = None

    @property
    def sentence(self) -> str:
        seen = "" if self.valid_loss is None else f", validation loss {self.valid_loss:.3f}"
        return f"Step {self.step} of {self.total_steps}, training loss {self.train_loss:.3f}{seen}."


Progress = Callable[[str | Metrics], None]
"""Takes a sentence for the customer on what is being done, or how far it is in figures."""


class TrainingFileInvalid(AppError):
    """A training file cannot be learned from; the message names the line and the field. `problems`
    are all that were found, as far as they are kept."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_training_file"

    def __init__(self, message: str, *, problems: Problems | None = None) -> None:
        super().__init__(message, param="training_file" if problems else None)
        self.problems = problems or single("unsuitable_file", message, "")
        self.details = {
            "problem_count": self.problems.count,
            "problems": [one.as_json() for one in self.problems.shown],
        }


def require_none(problems: Problems) -> None:
    """Raises TrainingFileInvalid with all of them."""
    if problems.count:
        raise TrainingFileInvalid(problems.summary, problems=problems)


@dataclass(frozen=True, slots=True)
class Exact:
    """How many answers `of` those held out come out to the letter."""

    base: int
    adapted: int
    of: int


@dataclass(frozen=True, slots=True)
class Score:
    """How well base and variant do on examples that neither has learned from.

    `metric` names it with its unit. `base` is None where the base answers nothing before it is
    fitted. `exact` tells of models that answer in words how often they say the same.
    """

    metric: str
    base: float | None
    adapted: float
    higher_is_better: bool
    exact: Exact | None = None

    @property
    def worse(self) -> bool:
        """Whether the variant falls behind its base. Equal is not worse."""
        if self.base is None:
            return False
        return self.adapted < self.base if self.higher_is_better else self.adapted > self.base


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A variant: `artefact` is what serving loads it from. `examples` were learned from in the
    end, `held_out` of them scored both before that. `trained_tokens` are those that were learned,
    however often, where a model has any."""

    artefact: bytes
    score: Score
    examples: int
    held_out: int
    trained_tokens: int | None = None


class Adapter(Protocol):
    """Each `models/<specialist>/adapt.py` has a function of this shape."""

    def __call__(self, training_file: bytes, progress: Progress) -> Adaptation:
        """Learn from a training file in JSON lines. Same file, same variant.

        Raises TrainingFileInvalid, naming the line (from 1) and the field.
        """
        ...


def examples(training_file: bytes, shape: type[Shape]) -> Iterator[tuple[int, Shape]]:
    """Each line of a file in JSON lines as a `shape`, with its number from 1; empty lines are left
    out. Raises TrainingFileInvalid."""
    problems = Problems()
    found = structs(training_file, shape, problems, LONG_LINE)
    require_none(problems)
    yield from found
