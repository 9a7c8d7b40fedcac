"""Files, times and recorded parts of evaluations of models of own columns."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from models.own_evaluation import call_milliseconds, long_table, record_parts, render_csv
from models.training_data import TrainingDataMissing


def test_file_keeps_texts_and_all_digits_of_numbers() -> None:
    columns = {
        "grade": np.array(["A", "b, c"], dtype=object),
        "area": np.array([11591414.0, 0.25]),
        "count": np.array([3, 4]),
    }
    rows = list(csv.reader(io.StringIO(render_csv(columns).decode())))
    assert rows == [["grade", "area", "count"], ["A", "11591414", "3"], ["b, c", "0.25", "4"]]


def test_long_table_has_a_row_for_each_step_of_each_series() -> None:
    series = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]])]
    table = long_table(series, ("x", "y"), run=["R0", "R1"])
    assert {name: column.tolist() for name, column in table.items()} == {
        "run": ["R0", "R0", "R1"],
        "step": [0, 1, 0],
        "x": [1, 3, 5],
        "y": [2, 4, 6],
    }


def test_percentiles_are_those_of_single_calls() -> None:
    made: list[int] = []
    found = call_milliseconds(lambda: made.append(1), calls=20)
    assert len(made) == 30
    assert 0 <= found["p50_ms"] <= found["p99_ms"]


class TestRecordedParts:
    def test_parts_that_were_not_asked_for_are_kept(self, tmp_path: Path) -> None:
        output = tmp_path / "metrics.json"
        output.write_text('{"second": {"a": 1}, "gone": {}}', encoding="utf-8")
        parts = {"first": lambda _folder: {"b": 2}, "second": lambda _folder: {"a": 3}}
        record_parts(["--only", "first", "--output", str(output)], "Measure.", output, parts)
        found = json.loads(output.read_text(encoding="utf-8"))
        assert list(found.items()) == [("first", {"b": 2}), ("second", {"a": 1})]

    def test_parts_before_a_missing_set_are_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def missing(folder: Path) -> dict[str, int]:
            raise TrainingDataMissing(f"{folder} has no engines.")

        output = tmp_path / "metrics.json"
        parts = {"first": lambda _folder: {"b": 2}, "second": missing}
        with pytest.raises(SystemExit):
            record_parts(["--data", "nowhere"], "Measure.", output, parts)
        assert json.loads(output.read_text(encoding="utf-8")) == {"first": {"b": 2}}
        assert "nowhere has no engines." in capsys.readouterr().err
