"""Figures of an evaluation run, by model and compared: a pure function of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.evaluations.results import AnswerFigures
from gateway.tables import AnswerStatus
from models.evaluation.statistics import Comparison, compare_pairs, percentile, wilson_interval

_TRUNCATED = "length"


@dataclass(frozen=True, slots=True)
class ModelReport:
    """How a model did on the questions that have a result.

    A question whose call failed counts as not correct. `interval` is the 95 % Wilson interval of
    the share. Durations are in microseconds, of answered questions.
    """

    finished: int
    correct: int
    errors: int
    refusals: int
    truncated: int
    interval: tuple[float, float]
    median_us: int | None
    percentile_95_us: int | None
    input_tokens: int
    output_tokens: int
    cost_nano: int

    @property
    def share(self) -> float | None:
        """The share of correct answers, None without results."""
        return self.correct / self.finished if self.finished else None


@dataclass(frozen=True, slots=True)
class RunReport:
    """The reports of a run's models in their order, and their comparison if there are two."""

    models: tuple[ModelReport, ...]
    comparison: Comparison | None

    @property
    def finished(self) -> int:
        """The number of results of all models."""
        return sum(model.finished for model in self.models)

    @property
    def cost_nano(self) -> int:
        """The cost of the run so far, in nano-units."""
        return sum(model.cost_nano for model in self.models)


def build_report(figures: Sequence[AnswerFigures], model_count: int) -> RunReport:
    """Compute the report of a run from the figures of all its answers."""
    models = tuple(
        _model_report([one for one in figures if one.contender == contender])
        for contender in range(model_count)
    )
    comparison = compare_pairs(_pairs(figures)) if model_count > 1 else None
    return RunReport(models, comparison)


def _model_report(figures: Sequence[AnswerFigures]) -> ModelReport:
    """Compute the report of one model."""
    finished = [one for one in figures if one.status != AnswerStatus.PENDING]
    answered = [one for one in finished if one.status == AnswerStatus.ANSWERED]
    durations = [one.duration_us for one in answered if one.duration_us is not None]
    correct = sum(bool(one.correct) for one in finished)
    return ModelReport(
        finished=len(finished),
        correct=correct,
        errors=len(finished) - len(answered),
        refusals=sum(one.refused for one in answered),
        truncated=sum(one.finish_reason == _TRUNCATED for one in answered),
        interval=wilson_interval(correct, len(finished)),
        median_us=percentile(durations, 50),
        percentile_95_us=percentile(durations, 95),
        input_tokens=sum(one.input_tokens or 0 for one in answered),
        output_tokens=sum(one.output_tokens or 0 for one in answered),
        cost_nano=sum(one.cost_nano for one in answered),
    )


def _pairs(figures: Sequence[AnswerFigures]) -> list[tuple[bool, bool]]:
    """Return whether first and second model were correct, for questions with both results."""
    first, second = (
        {
            one.position: bool(one.correct)
            for one in figures
            if one.contender == contender and one.status != AnswerStatus.PENDING
        }
        for contender in (0, 1)
    )
    return [(first[position], second[position]) for position in sorted(first.keys() & second)]
