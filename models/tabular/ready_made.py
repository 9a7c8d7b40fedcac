"""Score a ready-made model on the rows or windows that a training held out, beside the trained one.

The ready-made model has seen none of the customer's rows, so the held-out ones are those that both
can be scored on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.errors import AppError
from models.adaptation import ProgressCallback
from models.evaluation.statistics import Verdict
from models.observed.resampling import ScoreInterval, contest
from models.ready_made.mapping import MIN_ROWS, choose_output, map_rows
from models.ready_made.values import ReadyMade, ReadyMadeScore
from models.sentences import Sentence, listing, sentence
from models.signature import Columns, InputInvalid, OutputField, Signature
from models.tables.schema import SchemaRequest
from models.tables.table import RawTable
from models.tabular.data import Floats, Goal, Indices, Target
from models.tabular.evaluation import metric_of
from models.units import UnitMismatch, UnitUnknown, unit_conversion


class RunnableModel(Protocol):
    """A ready-made model that is loaded."""

    @property
    def signature(self) -> Signature:
        """The inputs and outputs."""
        ...

    def predict(self, columns: Columns) -> Columns:
        """Return the outputs of rows, given the inputs in the model's units. Raises AppError."""
        ...


OpenReadyMade = Callable[[], RunnableModel]
"""Loads a ready-made model. Raises AppError."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The trained model's predictions of rows, or of windows, that it was not fitted on.

    predicted: [rows], NaN where a row was not held out. clusters: of the bootstrap, [rows]. cap:
    the highest value that is told apart, None without one.
    """

    target: Target
    predicted: Floats
    clusters: Indices
    cap: float | None = None

    @property
    def rows(self) -> Indices:
        """The positions of the held-out rows."""
        return np.flatnonzero(np.isfinite(self.predicted))


class HeldOutInputs(Protocol):
    """The inputs of held-out rows, as a ready-made model takes them."""

    def predict(
        self, model: RunnableModel, request: ReadyMade, output: str, held_out: Indices
    ) -> tuple[Indices, NDArray[Any]]:
        """Return which of the held-out rows the model accepts, and an output of these.

        Raises InputInvalid.
        """
        ...


@dataclass(frozen=True, slots=True)
class RowInputs:
    """The inputs of single rows. rows: position of each training row in the table."""

    table: RawTable
    schema: SchemaRequest
    rows: Indices

    def predict(
        self, model: RunnableModel, request: ReadyMade, output: str, held_out: Indices
    ) -> tuple[Indices, NDArray[Any]]:
        """Return which of the held-out rows the model accepts, and an output of these."""
        mapped = map_rows(self.table, model.signature, request, self.schema)
        _, of_held, of_mapped = np.intersect1d(
            self.rows[held_out], mapped.rows, return_indices=True
        )
        require_enough(len(of_held), len(held_out))
        return held_out[of_held], model.predict(mapped.take(of_mapped))[output]


def score_ready_made(
    open_model: OpenReadyMade | None,
    request: ReadyMade | None,
    inputs: HeldOutInputs,
    held_out: HeldOut,
    progress: ProgressCallback,
) -> ReadyMadeScore | None:
    """Score the ready-made model that a schema names, and report which model is better.

    Returns None without such a model, and if it cannot be scored, which is reported: the training
    itself does not depend on it.
    """
    if open_model is None or request is None:
        return None
    try:
        score = _score(open_model(), request, inputs, held_out)
    except AppError as error:
        progress(
            sentence(
                "The ready-made model {model} could not be scored: {reason}",
                model=repr(request.model),
                reason=error.message,
            )
        )
        return None
    progress(describe_ready_made(score, metric_of(held_out.target)[0]))
    return score


def describe_ready_made(score: ReadyMadeScore, metric: str) -> Sentence:
    """Return the sentence on the scores of both models."""
    verdict = {
        Verdict.BETTER: sentence("the trained model is better"),
        Verdict.WORSE: sentence("the ready-made model is better"),
        Verdict.NO_DIFFERENCE_SHOWN: sentence("neither is shown to be better"),
    }[score.trained_is]
    return sentence(
        "On {rows} held-out rows the ready-made model {model} has {metric} {score}, the trained "
        "model {trained}: {verdict}.",
        rows=score.rows,
        model=repr(score.model),
        metric=metric,
        score=_with_interval(score.score, score.interval),
        trained=_with_interval(score.trained, score.trained_interval),
        verdict=verdict,
    )


def _score(
    model: RunnableModel, request: ReadyMade, inputs: HeldOutInputs, held_out: HeldOut
) -> ReadyMadeScore:
    """Score both models on the held-out rows that the ready-made one accepts."""
    target = held_out.target
    is_class = target.goal is Goal.CLASS
    output = choose_output(model.signature, request.output, target.name, is_class)
    rows, values = inputs.predict(model, request, output.name, held_out.rows)
    ready = (
        _as_classes(values, target, request)
        if is_class
        else _as_numbers(values, output, target, held_out.cap)
    )
    _, higher_is_better, metric = metric_of(target)
    found = contest(
        metric,
        higher_is_better,
        target.values[rows],
        [held_out.predicted[rows], ready],
        held_out.clusters[rows],
    )
    trained, other = found.scores
    difference = found.differences[1]
    return ReadyMadeScore(
        model=request.model,
        output=output.name,
        rows=len(rows),
        score=other.value,
        interval=(other.low, other.high),
        trained=trained.value,
        trained_interval=(trained.low, trained.high),
        difference=difference.value,
        difference_interval=(difference.low, difference.high),
        trained_is=_verdict(difference),
    )


def require_enough(accepted: int, held_out: int) -> None:
    """Raise InputInvalid if a model accepts few of the held-out rows."""
    if accepted < MIN_ROWS:
        raise InputInvalid(
            sentence(
                "It accepts only {accepted} of {held_out} held-out rows.",
                accepted=accepted,
                held_out=held_out,
            )
        )


def _as_numbers(
    values: NDArray[Any], output: OutputField, target: Target, cap: float | None
) -> Floats:
    """Return predicted numbers in the target's unit, if both state one, and at most the cap.

    Raises InputInvalid for a number of another quantity.
    """
    numbers = values.astype(np.float64)
    if output.unit and target.unit:
        try:
            numbers = unit_conversion(output.unit, target.unit)(numbers)
        except (UnitMismatch, UnitUnknown) as error:
            raise InputInvalid(
                sentence(
                    "It predicts {name} in {unit}, but the target is in {own_unit}.",
                    name=repr(output.name),
                    unit=output.unit,
                    own_unit=target.unit,
                )
            ) from error
    return numbers if cap is None else np.minimum(numbers, cap)


def _as_classes(values: NDArray[Any], target: Target, request: ReadyMade) -> Floats:
    """Return predicted classes as indices of the target's; others get an index of their own.

    Raises InputInvalid if none of them is one of the target's.
    """
    position = {label: index for index, label in enumerate(target.classes)}
    names = [request.labels.get(text, text) for text in _texts(values)]
    if not position.keys() & set(names):
        raise InputInvalid(
            sentence(
                "It predicts {names}, which are no classes of {name}: {classes}. State `labels`.",
                names=listing(sorted(set(names))[:5]),
                name=repr(target.name),
                classes=listing(target.classes[:10]),
            )
        )
    other = len(target.classes)
    return np.array([position.get(name, other) for name in names], dtype=np.float64)


def _texts(values: NDArray[Any]) -> Sequence[str]:
    """Return predicted classes as texts; truth values in lower case, as tables are read."""
    if values.dtype.kind == "b":
        return [str(value).lower() for value in values.tolist()]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]


def _verdict(difference: ScoreInterval) -> Verdict:
    """Return what the interval of the difference shows on the trained model."""
    if difference.low > 0:
        return Verdict.BETTER
    return Verdict.WORSE if difference.high < 0 else Verdict.NO_DIFFERENCE_SHOWN


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    """Return a score with its interval as a text."""
    return sentence(
        "{value:.4g} (95 % interval {low:.4g} to {high:.4g})",
        value=value,
        low=interval[0],
        high=interval[1],
    )
