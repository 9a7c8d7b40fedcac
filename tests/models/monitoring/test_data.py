"""Tables of normal operation: labels, inputs that are left out, problems."""

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.monitoring.data import MonitorData, build_data, infer_monitor_schema
from models.tables.schema import SchemaRequest
from tests.support.models.processes import COLUMNS, process
from tests.support.models.tables import csv

Table = dict[str, list[object]]


def data_of(table: Table, **stated: object) -> MonitorData:
    request = SchemaRequest(**stated)  # type: ignore[arg-type]
    return build_data(infer_monitor_schema(csv(table), request), request)


def problem_codes(table: Table, **stated: object) -> set[str]:
    with pytest.raises(TrainingFileInvalid) as caught:
        data_of(table, **stated)
    return {problem.code for problem in caught.value.problems.shown}


class TestLabels:
    def test_without_a_label_column_all_rows_are_normal_with_a_remark(self) -> None:
        data = data_of(process(100))
        assert (data.normal_count, int(data.is_fault.sum()), data.target) == (100, 0, None)
        assert "No column says normal or fault: all rows are taken as normal operation." in (
            data.notes
        )

    @pytest.mark.parametrize(
        "words",
        [
            ("normal", "leak"),
            ("OK", "NOK"),
            (0, 1),
            ("正常", "泄漏"),
            ("none", "leak"),
            ("无", "泄漏"),
        ],
    )
    def test_label_of_normal_operation_is_found(self, words: tuple[object, object]) -> None:
        table = process(120, fault_rows=20)
        table["fault"] = [words[0]] * 100 + [words[1]] * 20
        data = data_of(table)
        assert (data.normal_count, int(data.is_fault.sum()), data.target) == (100, 20, "fault")

    def test_stated_label_counts_and_rows_without_one_are_neither(self) -> None:
        table = process(120)
        table["mode"] = ["cruise"] * 90 + [""] * 10 + ["ok"] * 20
        data = data_of(table, target="mode", normal="cruise")
        assert (data.normal_count, int(data.is_fault.sum())) == (90, 20)
        assert "10 rows without 'mode' are read as a part of the course only." in data.notes

    def test_labels_without_a_normal_one_are_a_problem(self) -> None:
        table = process(120)
        table["fault"] = ["leak", "clog"] * 60
        assert problem_codes(table) == {"no_normal_label"}
        assert problem_codes(table, normal="fine") == {"no_normal_label"}


class TestInputs:
    def test_numbers_and_categories_are_inputs(self) -> None:
        data = data_of(process(100))
        assert data.inputs.names == (*COLUMNS, "grade")
        assert data.inputs.owners == (0, 1, 2, 3, 4, 5, 5)
        assert data.inputs.numbers[0].unit == "m3/h"

    @pytest.mark.parametrize("reading", [1e200, -1e40, 3.5e38])
    def test_number_beyond_single_precision_is_a_problem(self, reading: float) -> None:
        table = process(120)
        table[COLUMNS[1]][7] = reading
        assert problem_codes(table) == {"out_of_range"}

    def test_columns_that_cannot_be_monitored_are_left_out_with_a_remark(self) -> None:
        table = process(120, fault_rows=20, label=True)
        table["valve"] = [1] * 100 + [2] * 20
        table["spare"] = [1.0, 2.0, *[""] * 118]
        table["site"] = ["A"] * 120
        data = data_of(table, target="state")
        assert not {"valve", "spare", "site"} & set(data.inputs.names)
        assert [one.name for one in data.inputs.constants] == ["valve"]
        assert any(note.startswith("'valve' never changes in normal") for note in data.notes)
        assert "'spare' is mostly empty in normal operation and was left out." in data.notes

    def test_ranges_are_those_of_normal_rows(self) -> None:
        table = process(120, fault_rows=20, label=True)
        table["level"] = [1.0, 2.0] * 50 + [9.0] * 20
        data = data_of(table, target="state")
        level = data.inputs.numbers[COLUMNS.index("level")]
        assert (level.minimum, level.maximum) == (1, 2)

    def test_missing_readings_stay_missing(self) -> None:
        table = process(100)
        table["heat"][5] = ""
        data = data_of(table)
        assert np.isnan(data.readings[5, COLUMNS.index("heat")])

    def test_repeated_rows_are_a_remark(self) -> None:
        table = process(80)
        twice = {name: values * 2 for name, values in table.items()}
        twice["step"] = list(range(160))
        assert not any("repeat the readings" in note for note in data_of(table).notes)
        thrice = {name: values * 3 for name, values in table.items()}
        thrice["step"] = list(range(240))
        assert any("160 normal rows repeat" in note for note in data_of(thrice).notes)


class TestProblems:
    def test_too_few_normal_rows(self) -> None:
        assert problem_codes(process(40)) == {"too_few_normal_rows"}

    def test_no_number_that_changes(self) -> None:
        table = process(100)
        for name in COLUMNS:
            table[name] = [1.0] * 100
        assert problem_codes(table) == {"no_inputs"}

    def test_two_rows_at_one_time(self) -> None:
        table = process(100)
        table["step"][7] = 8
        assert problem_codes(table, time="step") == {"repeated_time"}

    def test_window_of_too_many_numbers(self) -> None:
        table = process(100)
        table |= {f"x{at}": list(range(100)) for at in range(140)}
        assert problem_codes(table, window=1000) == {"unsupported_setting"}
