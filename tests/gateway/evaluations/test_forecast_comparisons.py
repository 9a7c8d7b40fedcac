"""Comparisons of forecasters: origins, scaled errors, and the last season as a baseline."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from gateway.call.errors import ParameterInvalid
from gateway.evaluations.comparisons.contenders import PlannedModel
from gateway.evaluations.comparisons.forecasts import (
    SEASONAL_NAIVE,
    Origins,
    build_forecast_instances,
    compare_forecasts,
    is_forecaster,
    plan_origins,
)
from gateway.evaluations.comparisons.labelled_table import (
    LabelledInstances,
    LabelledTable,
    read_labelled_table,
    with_day_order,
)
from gateway.wire.own_models.comparisons import ComparisonRequest
from models.evaluation.statistics import Verdict
from models.tables.dates import DayOrder
from models.tables.instances import ModelInput
from models.tables.series_lengths import MAX_LENGTHS

SEASON, HORIZON = 24, 6
INPUTS = [
    ModelInput("time", is_text=True, steps=(48, 10_000)),
    ModelInput("load", steps=(48, 10_000)),
    ModelInput("horizon", is_optional=True),
    ModelInput("level", is_optional=True),
]
REQUEST = ComparisonRequest(
    models=["a", "b"],
    file="file_1",
    target="load",
    time="time",
    machine="line",
    horizon=HORIZON,
    season=SEASON,
)


def load(hour: int) -> float:
    """A daily course that rises by 12 a day."""
    return 100 + 10 * (hour % 24) + 0.5 * hour


def labelled(hours: int = 240, lines: int = 3, gap: int | None = None) -> LabelledTable:
    rows = [
        f"2026-03-{1 + hour // 24:02d} {hour % 24:02d}:00;L{line};"
        f"{'' if hour == gap else load(hour)}"
        for line in range(lines)
        for hour in reversed(range(hours))
    ]
    return read_labelled_table("\n".join(["time;line;load", *rows]).encode(), REQUEST)


def forecast(origins: Origins, off: float) -> list[dict[str, Any]]:
    """The forecasts of a model that is off by a number, with intervals of 2."""
    exact = origins.naive + 12.0
    return [
        {
            "forecast": (one + off).tolist(),
            "lower": (one + off - 2).tolist(),
            "upper": (one + off + 2).tolist(),
        }
        for one in exact
    ]


def test_origins_are_in_the_order_of_time_without_overlap() -> None:
    table = labelled()
    origins = plan_origins(table, REQUEST, [INPUTS, INPUTS])
    assert origins.rows.shape == (3 * 24, 96)
    assert origins.truth[0].tolist() == [load(hour) for hour in range(96, 102)]
    assert origins.naive[0].tolist() == [load(hour) for hour in range(72, 78)]
    assert set(origins.scale.tolist()) == {12.0}
    assert table.results[origins.positions[0]] == f"{load(95)}"


@pytest.mark.parametrize("order", [DayOrder.MONTH_FIRST, DayOrder.DAY_FIRST])
def test_times_are_read_in_the_order_of_day_and_month_of_the_models(order: DayOrder) -> None:
    rows = [f"{day:02d}/{month:02d}/2026;{day}" for day in (3, 1, 2) for month in (2, 1)]
    table = read_labelled_table(
        "\n".join(["time;load", *rows]).encode(), structs.replace(REQUEST, machine="")
    )
    time = ModelInput("time", is_text=True, steps=(2, 9), day_order=order)
    times = with_day_order(table, [time, INPUTS[1]]).times
    assert times is not None
    expected = {DayOrder.MONTH_FIRST: [3, 2, 5, 4, 1, 0], DayOrder.DAY_FIRST: [3, 5, 1, 2, 4, 0]}
    assert np.argsort(times).tolist() == expected[order]


def test_instances_have_the_history_and_the_steps_ahead() -> None:
    table = labelled()
    origins = plan_origins(table, REQUEST, [INPUTS])
    found = build_forecast_instances(table, origins, INPUTS, {}, HORIZON)
    first = found.instances[0]
    assert (first["horizon"], first["time"][0], first["load"][-1]) == (
        6.0,
        "2026-03-01 00:00",
        load(95),
    )
    assert found.positions == origins.positions


def test_models_are_compared_with_each_other_and_with_the_last_season() -> None:
    origins = plan_origins(labelled(), REQUEST, [INPUTS])
    predictions = [forecast(origins, 1.0), forecast(origins, 3.0)]
    clusters = np.repeat(np.arange(3), 24)
    report = compare_forecasts(["a", "b"], predictions, origins, clusters, SEASON)
    assert report.metric == "MASE, 6 steps ahead, season 24"
    assert [one.model for one in report.contenders] == ["a", "b", SEASONAL_NAIVE]
    scores = [one.score.value for one in report.contenders]
    assert scores == pytest.approx([1 / 12, 3 / 12, 1.0])
    assert [one.verdict for one in report.contenders] == [None, Verdict.BETTER, Verdict.BETTER]
    coverage = [one.coverage and one.coverage.value for one in report.contenders]
    assert coverage == [1.0, 0.0, None]


def test_history_with_a_missing_value_is_left_out() -> None:
    whole = plan_origins(labelled(), REQUEST, [INPUTS])
    found = plan_origins(labelled(gap=120), REQUEST, [INPUTS])
    assert 0 < len(found.rows) < len(whole.rows)
    assert np.isnan(found.truth).any()


@pytest.mark.parametrize(
    ("table", "request_", "param"),
    [
        (labelled(60, 1), REQUEST, "horizon"),
        (labelled(), ComparisonRequest(models=["a", "b"], file="f", target="load"), "time"),
    ],
)
def test_table_without_enough_steps_or_time_is_refused(
    table: LabelledTable, request_: ComparisonRequest, param: str
) -> None:
    if not request_.time:
        table = replace(table, times=None)
    with pytest.raises(ParameterInvalid) as caught:
        plan_origins(table, request_, [INPUTS])
    assert caught.value.param == param


def test_forecaster_is_known_by_its_horizon() -> None:
    assert is_forecaster(INPUTS)
    assert not is_forecaster(INPUTS[:2])


def planned(*lengths: int) -> PlannedModel:
    instances = tuple({"load": [float(at)] * length} for at, length in enumerate(lengths))
    found = LabelledInstances(instances, {}, tuple(range(len(lengths))))
    return PlannedModel("m", found, per_call=2)


def test_call_of_a_comparison_has_series_of_one_length_wherever_they_are_in_the_table() -> None:
    calls = planned(3, 5, 3, 5, 3).calls
    assert [call.positions for call in calls] == [(1, 3), (0, 2), (4,)]
    for call in calls:
        sent = json.loads(call.body)["instances"]
        assert [int(one["load"][0]) for one in sent] == list(call.positions)


def test_series_of_many_lengths_are_shortened_to_share_calls() -> None:
    calls = planned(*range(1, 2 * MAX_LENGTHS + 1)).calls
    assert len(calls) == MAX_LENGTHS
    sent = json.loads(calls[-1].body)["instances"]
    assert [one["load"] for one in sent] == [[0.0], [1.0]]
