"""Types of fine-tuning a specialist on a customer's training file, and parsing the file's lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from infra.errors import AppError
from models.evaluation.statistics import Verdict
from models.problems import Problems, single_problem
from models.ready_made.values import ReadyMadeScore
from models.sentences import Sentence, sentence
from models.training_text import MAX_LINES, MAX_LONG_LINE, decode_lines

__all__ = ["MAX_LINES"]

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Metrics:
    """The training losses after a step, in the unit of the score.

    `valid_loss` is None if it was not computed at this step.
    """

    step: int
    total_steps: int
    train_loss: float
    valid_loss: float | None = None

    @property
    def sentence(self) -> Sentence:
        """Return the metrics as a sentence for the customer."""
        validation = (
            ""
            if self.valid_loss is None
            else sentence(", validation loss {loss:.3f}", loss=self.valid_loss)
        )
        return sentence(
            "Step {step} of {of}, training loss {loss:.3f}{validation}.",
            step=self.step,
            of=self.total_steps,
            loss=self.train_loss,
            validation=validation,
        )


ProgressCallback = Callable[[Sentence | Metrics], None]
"""Receives a sentence for the customer, or the training metrics."""


class TrainingFileInvalid(AppError):
    """A training file that cannot be used; the message names the line and the field.

    `problems` has the first problems and the total count.
    """

    status = 400
    type = "invalid_request_error"
    code = "invalid_training_file"

    def __init__(self, message: str, *, problems: Problems | None = None) -> None:
        super().__init__(message, param="training_file" if problems else None)
        self.problems = problems or single_problem("unsuitable_file", message, "")
        self.details = {
            "problem_count": self.problems.count,
            "problems": [problem.as_json() for problem in self.problems.shown],
        }


def require_no_problems(problems: Problems) -> None:
    """Raise TrainingFileInvalid with all problems, if there are any."""
    if problems.count:
        raise TrainingFileInvalid(problems.summary, problems=problems)


@dataclass(frozen=True, slots=True)
class ExactMatches:
    """How many of `of` held-out answers are reproduced exactly, before and after fine-tuning."""

    base: int
    adapted: int
    of: int


@dataclass(frozen=True, slots=True)
class DecisionCosts:
    """What 100 decisions would have cost on held-out examples, in the unit of the stated costs.

    thresholds: the probability of each event with costs above which it is acted on.
    at_thresholds: by these. at_half: acting from a probability of one half. always, never: acting
    on all examples or on none, without the model.
    """

    decisions: int
    thresholds: tuple[float, ...]
    at_thresholds: float
    at_half: float
    always: float
    never: float


@dataclass(frozen=True, slots=True)
class CurrentComparison:
    """The version in use and the new one on held-out examples that neither was trained on.

    current, adapted: their scores in the metric of the Score. improvement: confidence interval of
    how much better the new version is. examples: number of the held-out examples.
    """

    current: float
    adapted: float
    improvement: tuple[float, float]
    examples: int


@dataclass(frozen=True, slots=True)
class Score:
    """The metric of base and fine-tuned variant on held-out examples.

    `metric` is its name with the unit. `base` is None if the base answers nothing before
    fine-tuning. `exact` has the exact matches of a language model. `improvement` is a
    confidence interval of how much better the variant is, positive where it is better; None if not
    computed. `decision` is what decisions by the customer's costs cost; None without costs.
    `ready_made` compares the variant with a ready-made model; None if the customer named none.
    `current` compares it with the version in use; None if the file does not say what that learned.
    """

    metric: str
    base: float | None
    adapted: float
    higher_is_better: bool
    exact: ExactMatches | None = None
    improvement: tuple[float, float] | None = None
    decision: DecisionCosts | None = None
    ready_made: ReadyMadeScore | None = None
    current: CurrentComparison | None = None

    @property
    def worse(self) -> bool:
        """Whether the variant is worse than its base; equal is not worse.

        With an interval, only a difference that chance does not explain counts.
        """
        if self.base is None:
            return False
        if self.improvement is not None:
            return self.improvement[1] < 0
        return self.adapted < self.base if self.higher_is_better else self.adapted > self.base

    @property
    def verdict(self) -> Verdict:
        """How the variant compares with its base; better only if chance does not explain it."""
        if self.worse:
            return Verdict.WORSE
        if self.base is None or self.improvement is None:
            is_better = self.base is None or self.adapted != self.base
        else:
            is_better = self.improvement[0] > 0
        return Verdict.BETTER if is_better else Verdict.NO_DIFFERENCE_SHOWN


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The result of fine-tuning.

    `artefact` is what serving loads the variant from. `examples` were trained on in the end;
    `held_out` of them were held out for the score before. `trained_tokens` counts the tokens of all
    epochs; None for models without tokens.
    """

    artefact: bytes
    score: Score
    examples: int
    held_out: int
    trained_tokens: int | None = None


class AdaptFunction(Protocol):
    """The signature of the fine-tuning function in each `models/<specialist>/adapt.py`."""

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Fine-tune on a training file in JSON lines. The same file gives the same variant.

        Raises TrainingFileInvalid with the line (from 1) and the field.
        """
        ...


def parse_examples(training_file: bytes, shape: type[Shape]) -> Iterator[tuple[int, Shape]]:
    """Yield each line of a JSON Lines file as a `shape`, with its number from 1.

    Empty lines are skipped. Raises TrainingFileInvalid.
    """
    problems = Problems()
    examples = decode_lines(training_file, shape, problems, MAX_LONG_LINE)
    require_no_problems(problems)
    yield from examples
