"""Training rows: what is left out, and what cannot be learned from."""

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.tabular.data import MIN_ROWS, Goal
from tests.support.models.tables import data_of, machines


def problem_codes(columns: dict[str, list[object]], goal: Goal, **stated: object) -> set[str]:
    with pytest.raises(TrainingFileInvalid) as caught:
        data_of(columns, goal, **stated)
    return {problem.code for problem in caught.value.problems.shown}


def test_inputs_target_and_machines_are_told_apart() -> None:
    data = data_of(machines(), Goal.CLASS, ignored=("wear",))
    assert [column.name for column in data.inputs] == [
        "temperature [°C]",
        "torque",
        "grade",
        "noise",
    ]
    assert data.target.classes == ("no", "yes")
    assert data.machines is not None
    assert len(np.unique(data.machines)) == 8


def test_constant_columns_and_rows_without_target_are_left_out() -> None:
    columns = machines(4, 20)
    columns["site"] = ["north"] * 80
    columns["failure"][:3] = ["", "", ""]
    data = data_of(columns, Goal.CLASS, target="failure")
    assert len(data) == 77
    assert "site" not in [column.name for column in data.inputs]
    assert "'site' never changes and was left out." in data.notes
    assert "3 rows without 'failure' were left out." in data.notes


@pytest.mark.parametrize("word", ["none", "无", "unknown"])
def test_class_for_no_fault_is_a_class(word: str) -> None:
    columns = machines(4, 20)
    columns["failure"] = [word if value == "no" else "leak" for value in columns["failure"]]
    assert set(data_of(columns, Goal.CLASS, target="failure").target.classes) == {word, "leak"}


def test_whole_numbers_are_classes_without_decimal_point() -> None:
    columns = machines(4, 20)
    columns["failure"] = [1 if value == "yes" else 0 for value in columns["failure"]]
    assert data_of(columns, Goal.CLASS).target.classes == ("0", "1")


def test_classes_of_many_digits_are_written_as_in_the_file_and_told_apart() -> None:
    columns = machines(4, 20)
    columns["failure"] = [4711001 if value == "yes" else 4711002 for value in columns["failure"]]
    assert data_of(columns, Goal.CLASS).target.classes == ("4711001", "4711002")
    columns["failure"] = [f"{value / 1e7}" for value in columns["failure"]]
    assert data_of(columns, Goal.CLASS).target.classes == ("0.4711001", "0.4711002")
    columns["failure"] = [
        8_000_000_000_000_001 + (value < "0.4711002") for value in columns["failure"]
    ]
    found = data_of(columns, Goal.CLASS).target.classes
    assert found == ("8000000000000001", "8000000000000002")


def test_machine_numbers_of_many_digits_are_told_apart() -> None:
    columns = machines(5, 20)
    columns["machine"] = [10_045_671 + int(name[1:]) for name in columns["machine"]]
    data = data_of(columns, Goal.CLASS, target="failure")
    assert data.machines is not None
    assert data.machines.tolist() == [number // 20 for number in range(100)]


@pytest.mark.parametrize(
    ("changes", "goal", "target", "code"),
    [
        ({"failure": ["no"] * 80}, Goal.CLASS, "failure", "constant_target"),
        ({"wear": [5] * 80}, Goal.NUMBER, "wear", "constant_target"),
        ({"failure": ["no"] * 78 + ["yes"] * 2}, Goal.CLASS, "failure", "too_few_rows"),
        ({}, Goal.NUMBER, "failure", "wrong_type"),
        ({}, Goal.CLASS, "wear", "too_many_classes"),
    ],
)
def test_target_that_cannot_be_learned_is_rejected(
    changes: dict[str, list[object]], goal: Goal, target: str, code: str
) -> None:
    assert code in problem_codes({**machines(4, 20), **changes}, goal, target=target)


def test_three_rows_are_too_few() -> None:
    columns = {name: values[:3] for name, values in machines(4, 20).items()}
    with pytest.raises(TrainingFileInvalid, match=f"3 rows have a target; at least {MIN_ROWS}"):
        data_of(columns, Goal.NUMBER, target="wear")


def test_table_without_usable_inputs_is_rejected() -> None:
    columns: dict[str, list[object]] = {"site": ["x"] * 40, "failure": ["a", "b"] * 20}
    assert problem_codes(columns, Goal.CLASS, target="failure") == {"no_inputs"}


def test_many_rows_with_the_same_inputs_and_other_labels_are_rejected() -> None:
    columns: dict[str, list[object]] = {
        "speed": [1, 2] * 40,
        "failure": ["a", "a", "b", "b"] * 20,
    }
    assert problem_codes(columns, Goal.CLASS, target="failure") == {"contradicting_rows"}
