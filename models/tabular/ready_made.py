"""Score a ready-made model on the rows that a training held out, beside the trained model.

The ready-made model has seen none of the customer's rows, so the held-out ones are those that both
can be scored on.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.errors import AppError
from models.adaptation import ProgressCallback
from models.evaluation.statistics import Verdict
from models.observed.resampling import ScoreInterval, contest
from models.ready_made.mapping import MIN_ROWS, MappedRows, choose_output, map_rows
from models.ready_made.values import ReadyMade, ReadyMadeScore
from models.signature import Columns, InputInvalid, Signature
from models.tables.schema import SchemaRequest
from models.tables.table import RawTable
from models.tabular.data import Floats, Goal, Indices, TabularData, Target
from models.tabular.evaluation import metric_of


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


def score_ready_made(
    open_model: OpenReadyMade | None,
    schema: SchemaRequest,
    table: RawTable,
    data: TabularData,
    predicted: Floats,
    clusters: Indices,
    progress: ProgressCallback,
) -> ReadyMadeScore | None:
    """Score the ready-made model that the schema names, and report which model is better.

    predicted: the trained model's held-out predictions, [rows], NaN where a row was not held out.
    Returns None without such a model, and if it cannot be scored, which is reported: the training
    itself does not depend on it.
    """
    if open_model is None or schema.ready_made is None:
        return None
    try:
        score = _score(open_model(), schema.ready_made, schema, table, data, predicted, clusters)
    except AppError as error:
        name = schema.ready_made.model
        progress(f"The ready-made model {name!r} could not be scored: {error.message}")
        return None
    progress(describe_ready_made(score, metric_of(data.target)[0]))
    return score


def describe_ready_made(score: ReadyMadeScore, metric: str) -> str:
    """Return the sentence on the scores of both models."""
    verdict = {
        Verdict.BETTER: "the trained model is better",
        Verdict.WORSE: "the ready-made model is better",
        Verdict.NO_DIFFERENCE_SHOWN: "neither is shown to be better",
    }[score.trained_is]
    return (
        f"On {score.rows} held-out rows the ready-made model {score.model!r} has {metric} "
        f"{_with_interval(score.score, score.interval)}, the trained model "
        f"{_with_interval(score.trained, score.trained_interval)}: {verdict}."
    )


def _score(
    model: RunnableModel,
    request: ReadyMade,
    schema: SchemaRequest,
    table: RawTable,
    data: TabularData,
    predicted: Floats,
    clusters: Indices,
) -> ReadyMadeScore:
    """Score both models on the held-out rows that the ready-made one accepts."""
    target = data.target
    is_class = target.goal is Goal.CLASS
    mapped = map_rows(table, model.signature, request, schema)
    output = choose_output(model.signature, request.output, target.name, is_class)
    of_data, of_mapped = _common_rows(data.rows, mapped, predicted)
    values = model.predict(mapped.take(of_mapped))[output.name]
    ready = _as_classes(values, target, request) if is_class else values.astype(np.float64)
    _, higher_is_better, metric = metric_of(target)
    found = contest(
        metric,
        higher_is_better,
        target.values[of_data],
        [predicted[of_data], ready],
        clusters[of_data],
    )
    trained, other = found.scores
    difference = found.differences[1]
    return ReadyMadeScore(
        model=request.model,
        output=output.name,
        rows=len(of_data),
        score=other.value,
        interval=(other.low, other.high),
        trained=trained.value,
        trained_interval=(trained.low, trained.high),
        difference=difference.value,
        difference_interval=(difference.low, difference.high),
        trained_is=_verdict(difference),
    )


def _common_rows(rows: Indices, mapped: MappedRows, predicted: Floats) -> tuple[Indices, Indices]:
    """Return the positions among the training rows and among the mapped ones of common rows.

    rows: positions of the training rows in the table. Raises InputInvalid if there are few.
    """
    held_out = np.flatnonzero(np.isfinite(predicted))
    _, of_held, of_mapped = np.intersect1d(rows[held_out], mapped.rows, return_indices=True)
    if len(of_held) < MIN_ROWS:
        raise InputInvalid(f"It accepts only {len(of_held)} of {len(held_out)} held-out rows.")
    return held_out[of_held], of_mapped


def _as_classes(values: NDArray[Any], target: Target, request: ReadyMade) -> Floats:
    """Return predicted classes as indices of the target's; others get an index of their own.

    Raises InputInvalid if none of them is one of the target's.
    """
    position = {label: index for index, label in enumerate(target.classes)}
    names = [request.labels.get(text, text) for text in _texts(values)]
    if not position.keys() & set(names):
        raise InputInvalid(
            f"It predicts {', '.join(sorted(set(names))[:5])}, which are no classes of "
            f"{target.name!r}: {', '.join(target.classes[:10])}. State `labels`."
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
    return f"{value:.4g} (95 % interval {interval[0]:.4g} to {interval[1]:.4g})"
