"""Forecasts of a table with known values: rolling origins, and the MASE beside the last season.

table -> origins of each machine -> instances of each model -> errors by origin -> intervals

An origin is a row after which a model forecasts `horizon` steps. Its error is divided by the mean
change against a season before (Hyndman and Koehler 2006), so that series of any unit count alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.call.errors import ParameterInvalid
from gateway.evaluations.comparisons.labelled_table import (
    LabelledInstances,
    LabelledTable,
    numbers_of,
    rename_columns,
)
from gateway.evaluations.comparisons.scoring import (
    ComparisonReport,
    ContenderReport,
    Predictions,
    verdict_of,
)
from gateway.wire.own_models.comparisons import ComparisonRequest
from models.forecasting.data import HORIZON
from models.forecasting.naive import seasonal_naive
from models.observed.metrics import Floats, Indices
from models.observed.resampling import contest
from models.observed.shares import Share, share_of
from models.signature import InputInvalid
from models.tables.instances import ModelInput, build_instances

SEASONAL_NAIVE = "seasonal-naive"
MIN_ORIGINS = 10
# Of all machines together: each is a row of the bill.
_MAX_ORIGINS = 500
# Seasons of history that a model gets if the table has them.
_SEASONS_OF_HISTORY = 4
# Series of an instance are long: a call with more instances would be too large.
INSTANCES_PER_CALL = 20


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of a table.

    rows: the history of each, [origins, history], as rows of the table. truth: the values that
    follow, [origins, horizon]. scale: by which the errors are divided, [origins]. naive: what
    repeating the last season forecasts, [origins, horizon].
    """

    rows: Indices
    truth: Floats
    scale: Floats
    naive: Floats

    @property
    def positions(self) -> tuple[int, ...]:
        """The last row of each history."""
        return tuple(int(row) for row in self.rows[:, -1])


def is_forecaster(inputs: Sequence[ModelInput]) -> bool:
    """Whether a model with these inputs forecasts series."""
    return any(one.name == HORIZON and one.steps is None for one in inputs)


def plan_origins(
    labelled: LabelledTable, request: ComparisonRequest, inputs: Sequence[Sequence[ModelInput]]
) -> Origins:
    """Return the origins that all models can forecast from, those of a machine without overlap.

    `inputs` are those of each model. Raises ParameterInvalid if there is no time or there are few.
    """
    if labelled.times is None:
        raise ParameterInvalid("Forecasts need the column with the time.", param="time")
    values = numbers_of(labelled)
    least = max(one.steps[0] for of_model in inputs for one in of_model if one.steps is not None)
    history = max(least, _SEASONS_OF_HISTORY * request.season)
    members = list(_members(labelled, labelled.times))
    if max(map(len, members), default=0) < history + MIN_ORIGINS * request.horizon:
        history = max(least, request.season + 1)
    parts = [_origins_of(rows, values, history, request) for rows in members]
    found = [part for part in parts if part is not None]
    count = sum(len(part.rows) for part in found)
    if count < MIN_ORIGINS:
        raise ParameterInvalid(
            f"The table has {count} times from which {request.horizon} known steps can be forecast "
            f"after {history} steps of history; at least {MIN_ORIGINS} are needed. Add rows, or "
            "compare a shorter `horizon`.",
            param="horizon",
        )
    step = -(-count // _MAX_ORIGINS)
    joined = [np.concatenate([getattr(one, name) for one in found])[::step] for name in _PARTS]
    return Origins(*joined)


_PARTS = ("rows", "truth", "scale", "naive")


def build_forecast_instances(
    labelled: LabelledTable,
    origins: Origins,
    inputs: Sequence[ModelInput],
    columns: Mapping[str, str],
    horizon: int,
) -> LabelledInstances:
    """Return the instances of a forecaster, one for each origin.

    `columns` maps inputs to columns of other names. Raises ParameterInvalid, InputInvalid.
    """
    table = rename_columns(labelled.table, columns)
    wanted = [one for one in inputs if one.steps is not None]
    # Each row by itself, to be put together in the order of each history.
    single = [ModelInput(one.name, one.is_text, None, one.is_optional, one.unit) for one in wanted]
    found = build_instances(table, single, others=(labelled.target,))
    longest = min((one.steps[1] for one in wanted if one.steps is not None), default=0)
    if origins.rows.shape[1] > longest:
        raise InputInvalid(f"The model accepts at most {longest} steps of history.")
    names = list(found.instances[0])
    instances = tuple(
        {
            **{name: [found.instances[row][name] for row in rows] for name in names},
            HORIZON: float(horizon),
        }
        for rows in origins.rows
    )
    return LabelledInstances(instances, found.units, origins.positions, found.notes)


def compare_forecasts(
    models: Sequence[str],
    predictions: Sequence[Predictions],
    origins: Origins,
    clusters: Indices,
    season: int,
) -> ComparisonReport:
    """Compare forecasts, [models][origins], with each other and with repeating the last season.

    The first model is compared with each other one, the seasonal naive forecast last. Raises
    ParameterInvalid for models that give no forecast.
    """
    horizon = origins.truth.shape[1]
    forecasts = [
        _steps_of(of_model, "forecast", horizon, model)
        for model, of_model in zip(models, predictions, strict=True)
    ]
    errors = [_scaled_errors(one, origins) for one in (*forecasts, origins.naive)]
    kept = np.flatnonzero(np.all(np.isfinite(errors), axis=0))
    if len(kept) < MIN_ORIGINS:
        raise ParameterInvalid("Too few steps have known values.", param="target")
    nothing = np.zeros(len(kept))
    found = contest(_mean, False, nothing, [one[kept] for one in errors], clusters[kept])
    coverage = [
        *(_coverage_of(of_model, origins, clusters, horizon) for of_model in predictions),
        None,
    ]
    outputs = [*("forecast" for _ in models), f"last {season} steps repeated"]
    return ComparisonReport(
        f"MASE, {horizon} steps ahead, season {season}",
        False,
        tuple(
            ContenderReport(
                name,
                outputs[number],
                found.scores[number],
                found.differences[number],
                verdict_of(found.differences[number]) if number else None,
                coverage[number],
            )
            for number, name in enumerate((*models, SEASONAL_NAIVE))
        ),
    )


def _mean(_truth: Floats, errors: Floats) -> float:
    """Return the mean of the scaled errors: the MASE."""
    return float(errors.mean())


def _members(labelled: LabelledTable, times: Floats) -> Iterator[Indices]:
    """Yield the rows of each machine that have a time, in its order."""
    known = np.flatnonzero(np.isfinite(times))
    order = known[np.argsort(times[known], kind="stable")]
    if labelled.machines is None:
        yield order
        return
    names = labelled.machines[order]
    for name in dict.fromkeys(names):
        yield order[names == name]


def _origins_of(
    rows: Indices, values: Floats, history: int, request: ComparisonRequest
) -> Origins | None:
    """Return the origins of one machine, None if it has none or its values never change."""
    horizon, season = request.horizon, request.season
    ends = np.arange(history, len(rows) - horizon + 1, horizon)
    if not len(ends):
        return None
    series = values[rows]
    before = series[: ends[0]]
    scale = float(np.nanmean(np.abs(before[season:] - before[:-season])))
    if not np.isfinite(scale) or scale == 0:
        return None
    # A model may refuse a history with gaps, which would end the comparison.
    ends = np.array([end for end in ends if np.isfinite(series[end - history : end]).all()], int)
    if not len(ends):
        return None
    past = np.stack([np.arange(end - history, end) for end in ends])
    ahead = np.stack([np.arange(end, end + horizon) for end in ends])
    naive = seasonal_naive(series[past], season, horizon)
    return Origins(rows[past], series[ahead], np.full(len(ends), scale), naive)


def _steps_of(of_model: Predictions, name: str, horizon: int, model: str) -> Floats:
    """Return an output with a value for each step, [origins, horizon]. Raises ParameterInvalid."""
    found: list[Any] = [row.get(name) for row in of_model]
    if not all(isinstance(one, list) and len(one) == horizon for one in found):
        raise ParameterInvalid(f"{model!r} gives no forecast of {horizon} steps.", param="models")
    return np.array(found, dtype=np.float64)


def _scaled_errors(forecast: Floats, origins: Origins) -> Floats:
    """Return the mean scaled error of each origin, NaN where no step has a known value."""
    errors = np.abs(forecast - origins.truth)
    known = np.isfinite(errors)
    counts = known.sum(axis=1)
    sums = np.where(known, errors, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counts > 0, sums / counts, np.nan) / origins.scale)


def _coverage_of(
    of_model: Predictions, origins: Origins, clusters: Indices, horizon: int
) -> Share | None:
    """Return how often the intervals of all steps contain the value; None without intervals."""
    if not all(isinstance(row.get(name), list) for row in of_model for name in ("lower", "upper")):
        return None
    lower, upper = (_steps_of(of_model, name, horizon, "") for name in ("lower", "upper"))
    known = np.isfinite(origins.truth)
    inside = (lower <= origins.truth) & (origins.truth <= upper)
    of_steps = np.repeat(clusters, horizon).reshape(-1, horizon)
    return share_of(inside[known], of_steps[known])
