"""Monitors of a made-up process: score, limits, faults, reasons, invalid calls."""

from functools import cache

import msgspec
import numpy as np
import pytest

from gateway.upstream.declared_inputs import DeclaredInput
from models.adaptation import Adaptation
from models.monitoring.adapt import MonitorAdapter
from models.monitoring.variant import MonitorVariant, load
from models.own_artefact import VariantBroken
from models.signature import Columns, InputInvalid, validate_columns
from models.tables.instances import build_instances
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from tests.support.models.processes import COLUMNS, last_rows, process
from tests.support.models.tables import csv

Trained = tuple[Adaptation, MonitorVariant, tuple[str, ...]]


@cache
def trained(rows: int = 600, machines: int = 1, fault_rows: int = 0, **stated: object) -> Trained:
    table = process(rows, machines=machines, fault_rows=fault_rows, label=fault_rows > 0)
    told: list[str] = []
    request = SchemaRequest(**stated)  # type: ignore[arg-type]
    adaptation = MonitorAdapter(request)(csv(table), lambda one: told.append(str(one)))
    return adaptation, load(adaptation.artefact), tuple(told)


def as_columns(*rows: dict[str, list[object]]) -> dict[str, np.ndarray]:
    return {
        name: np.array([row[name] for row in rows], dtype=object if name == "grade" else np.float32)
        for name in rows[0]
    }


def call(*rows: dict[str, list[object]], of: Trained | None = None) -> Columns:
    _, variant, _ = of or trained()
    columns = validate_columns(variant.signature, as_columns(*rows), {})
    variant.check(columns)
    return variant.run(columns)


def windows(table: dict[str, list[object]], steps: int = 16) -> list[dict[str, list[object]]]:
    inputs = last_rows(table, len(table["step"]))
    return [
        {name: values[end - steps : end] for name, values in inputs.items()}
        for end in range(steps, len(table["step"]) + 1)
    ]


class TestTables:
    def test_table_with_the_newest_row_first_is_read_in_the_order_of_time(self) -> None:
        table = process(200)
        del table["step"]
        moments = np.datetime64("2026-03-02T00:00") + np.arange(200) * np.timedelta64(1, "m")
        table["time"] = [str(moment) for moment in moments]
        variant = load(MonitorAdapter()(csv(table), lambda one: None).artefact)
        inputs = [
            msgspec.convert(msgspec.to_builtins(one), DeclaredInput).as_column()
            for one in variant.signature.inputs
        ]
        newest_first = {name: values[::-1] for name, values in table.items()}
        found = build_instances(read_table(csv(newest_first)), inputs)
        assert found.instances[0]["time"] == table["time"]
        assert found.instances[0]["grade"] == table["grade"]


class TestTraining:
    def test_simulated_faults_are_compared_with_limits_on_columns(self) -> None:
        adaptation, variant, told = trained()
        score = adaptation.score
        assert score.metric == "simulated faults detected at 2.00% false alarms"
        assert score.adapted > 0.7 > 0.4 > (score.base or 0)
        assert score.improvement is not None
        assert score.improvement[0] > 0
        assert not score.worse
        assert variant.document.scales == (1, 4, 16, 32)
        assert any("On normal rows held out by time" in sentence for sentence in told)
        assert any("the model is better than that" in sentence for sentence in told)

    def test_labelled_faults_are_not_fitted_on_and_are_counted(self) -> None:
        adaptation, _, told = trained(200, machines=4, fault_rows=20, target="state")
        assert adaptation.examples == 4 * 180
        assert adaptation.score.metric == "fault rows detected at 2.00% false alarms"
        assert adaptation.score.adapted > 0.9
        assert any(sentence.startswith("Of 80 fault rows") for sentence in told)
        assert any("held out by machine" in sentence for sentence in told)

    def test_same_file_gives_the_same_model(self) -> None:
        again = MonitorAdapter()(csv(process()), lambda one: None)
        assert again.artefact == trained()[0].artefact

    def test_short_stretches_have_shorter_means(self) -> None:
        _, variant, _ = trained(5, machines=30)
        assert variant.document.scales == (1, 4)

    def test_smallest_file_with_a_long_window_is_trained(self) -> None:
        adaptation, variant, _ = trained(60, window=1000)
        assert variant.document.scales[-1] < 12
        assert adaptation.examples == 60

    def test_column_that_starts_later_or_changes_once_widens_no_other_limit(self) -> None:
        table = process()
        table["late"] = [""] * 240 + table["pressure"][240:]
        table["valve"] = [1.0] * 500 + [2.0] * 100
        artefact = MonitorAdapter()(csv(table), lambda one: None).artefact
        faulty = last_rows(process(100, seed=9, fault_rows=20), 16)
        variant = load(artefact)
        columns = validate_columns(variant.signature, as_columns(faulty), {})
        assert variant.run(columns)["is_anomaly"].tolist() == [True]


class TestAlarms:
    def test_normal_rows_rarely_raise_an_alarm(self) -> None:
        found = call(*windows(process(seed=9)))
        assert found["is_anomaly"].mean() < 0.03
        assert np.array_equal(found["is_anomaly"], found["score"] > 1)

    def test_p_value_is_the_share_of_normal_rows(self) -> None:
        found = call(*windows(process(2_000, seed=9)))
        assert np.mean(found["p_value"] < 0.1) == pytest.approx(0.1, abs=0.06)
        assert np.array_equal(found["p_value"] < 0.02, found["is_anomaly"])

    def test_column_that_others_do_not_explain_is_found_and_named(self) -> None:
        found = call(last_rows(process(100, seed=9, fault_rows=20), 16))
        assert found["is_anomaly"].tolist() == [True]
        assert found["score"][0] > 1
        assert found["reasons"][0][0] == "power [kW]"
        assert found["contributions"][0][0] > 0.4
        assert 0.3 < found["deviations"][0][0] < 3

    def test_lower_value_has_a_negative_deviation(self) -> None:
        row = last_rows(process(100, seed=9), 16)
        row["pressure"] = [float(str(value)) - 1.5 for value in row["pressure"]]
        found = call(row)
        assert found["reasons"][0][0] == "pressure"
        assert found["deviations"][0][0] < 0

    def test_swinging_column_is_found(self) -> None:
        row = last_rows(process(100, seed=9), 16)
        row["heat"] = [
            float(str(value)) + (2.5 if at % 2 else -2.5) for at, value in enumerate(row["heat"])
        ]
        found = call(row)
        assert (found["is_anomaly"][0], found["reasons"][0][0]) == (True, "heat")

    def test_stated_rate_moves_the_limit(self) -> None:
        rows = windows(process(seed=9))
        few, many = (trained(false_alarms=rate) for rate in (0.001, 0.1))
        alarms = [call(*rows, of=one)["is_anomaly"].mean() for one in (few, many)]
        assert alarms[0] < 0.01 < 0.04 < alarms[1]


class TestCalls:
    def test_one_row_of_single_values_is_accepted(self) -> None:
        _, variant, _ = trained()
        row = last_rows(process(100, seed=9, fault_rows=1), 1)
        given = {name: column[:, 0] for name, column in as_columns(row).items()}
        columns = validate_columns(variant.signature, given, {})
        assert variant.run(columns)["score"] == pytest.approx(call(row)["score"])

    def test_only_the_last_steps_count(self) -> None:
        table = process(100, seed=9)
        assert call(last_rows(table, 60))["score"] == pytest.approx(
            call(last_rows(table, 32))["score"]
        )

    def test_missing_values_and_columns_are_estimated(self) -> None:
        row = last_rows(process(100, seed=9), 16)
        row["heat"] = [np.nan, *row["heat"][1:]]
        del row["grade"]
        assert call(row)["is_anomaly"].tolist() == [False]

    def test_values_beyond_normal_operation_are_named(self) -> None:
        row = last_rows(process(100, seed=9), 16)
        row["level"][-1] = 99.0
        row["grade"][-1] = "Z"
        assert call(row)["outside"].tolist() == ["level; grade"]

    def test_other_value_of_a_constant_column_is_named(self) -> None:
        table = process(120) | {"setpoint": [5.0] * 120}
        artefact = MonitorAdapter()(csv(table), lambda one: None).artefact
        variant = load(artefact)
        row = as_columns(last_rows(process(120, seed=9), 4))
        for value, outside in ((5.0, False), (6.0, True), (np.nan, False)):
            given = {**row, "setpoint": np.full((1, 4), value, dtype=np.float32)}
            found = variant.run(validate_columns(variant.signature, given, {}))
            assert ("setpoint" in found["outside"][0]) is outside
            assert "setpoint" not in found["reasons"][0]

    def test_inputs_have_units_ranges_and_lengths(self) -> None:
        _, variant, _ = trained()
        names = [field.name for field in variant.signature.inputs]
        assert names == [*COLUMNS, "step", "grade"]
        assert variant.signature.inputs[0].unit == "m3/h"
        assert variant.signature.inputs[0].length == (1, 10_000)

    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"heat": [1.0] * 15}, "heat"),
            ({"grade": ["A"] * 3}, "grade"),
            ({name: [np.nan] * 16 for name in COLUMNS}, "inputs"),
            ({"step": list(range(16))[::-1]}, "step"),
            ({"site": [1.0] * 16}, "site"),
        ],
    )
    def test_invalid_calls_name_the_input(
        self, changes: dict[str, list[object]], param: str
    ) -> None:
        with pytest.raises(InputInvalid) as caught:
            call({**last_rows(process(100, seed=9), 16), **changes})
        assert caught.value.param == param


class TestBrokenArtefacts:
    def test_bytes_that_are_no_variant_are_rejected(self) -> None:
        for artefact in (b"", b"\xff\xfe", msgspec.msgpack.encode({"version": 1})):
            with pytest.raises(VariantBroken):
                load(artefact)

    def test_other_version_and_broken_arrays_are_rejected(self) -> None:
        document = msgspec.msgpack.decode(trained()[0].artefact)
        broken = {"shape": [2, 2], "data": b"1234"}
        for changes in ({"version": 2}, {"loadings": broken}):
            with pytest.raises(VariantBroken):
                load(msgspec.msgpack.encode({**document, **changes}))
