"""Observed runs that are appended to a table of runs for a further training."""

from datetime import UTC, datetime

import pytest

from models.adaptation import TrainingFileInvalid
from models.own_columns import require_appendable, require_runs
from models.series.appending import append_runs
from models.series.class_data import build_classes
from models.signature import InputInvalid
from models.tables.appending import AppendedTable, ObservedRow, Value
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest, infer_schema
from tests.support.models.courses import course, courses
from tests.support.models.tables import csv

STATED = SchemaRequest(target="state", machine="run", time="step")
TABLE = courses(30, 20)
OTHERS = courses(9, 20, seed=11)


def observed(source: str, state: str, inputs: dict[str, list[float]]) -> ObservedRow:
    series: dict[str, Value | list[Value]] = {name: list(one) for name, one in inputs.items()}
    return ObservedRow(source, series, state, "M1", datetime(2026, 5, 4, tzinfo=UTC))


def appended(*rows: ObservedRow) -> AppendedTable:
    return append_runs(infer_schema(read_table(csv(TABLE)), STATED), rows)


def test_observed_run_is_a_run_of_its_own_with_its_class() -> None:
    found = appended(observed("req_1:0", "worn", course(OTHERS, "R0")))
    assert (found.appended, found.duplicates, found.conflicts) == (1, 0, ())
    data = build_classes(infer_schema(read_table(found.content), STATED), STATED)
    assert len(data.labels) == 31
    run = next(one for one in data.series.series if one.machine == "req_1:0")
    assert run.times.tolist() == list(range(20))
    assert run.readings[:, 0].tolist() == course(OTHERS, "R0")["x"]
    assert data.is_whole


def test_run_that_is_there_already_is_a_duplicate_or_a_conflict() -> None:
    same = course(TABLE, "R0")
    found = appended(
        observed("a", "loose", same), observed("b", "worn", same), observed("c", "ok", same)
    )
    assert (found.appended, found.duplicates, found.conflicts) == (0, 1, ("b", "c"))


@pytest.mark.parametrize(
    "inputs", [{}, {"other": [1.0]}, {"x": [1.0, 2.0], "y": [1.0], "hum": [1.0]}]
)
def test_result_without_series_of_one_length_is_unusable(inputs: dict[str, list[float]]) -> None:
    found = appended(observed("a", "ok", inputs))
    assert (found.appended, found.unusable) == (0, ("a",))


def test_classifier_of_windows_appends_nothing() -> None:
    require_runs("series_classifier", csv(TABLE), STATED)
    changing = {**TABLE, "state": ["loose", "worn", "ok"] * 200}
    with pytest.raises(InputInvalid, match="tables of runs only"):
        require_runs("series_classifier", csv(changing), STATED)
    with pytest.raises((InputInvalid, TrainingFileInvalid)):
        require_runs("series_classifier", csv({"x": [1, 2], "state": ["a", "b"]}), STATED)


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("series_forecaster", "next rows of its series"),
        ("series_life", "whole histories"),
        ("anomaly", "normal operation alone"),
        ("tag_align", "not supported"),
    ],
)
def test_kind_that_appends_no_results_says_what_to_do(adapter: str, reason: str) -> None:
    with pytest.raises(InputInvalid, match=reason):
        require_appendable(adapter)


@pytest.mark.parametrize("adapter", ["tabular_classifier", "tabular_regressor"])
def test_models_of_rows_append_results(adapter: str) -> None:
    require_appendable(adapter)
    require_runs(adapter, b"", STATED)
