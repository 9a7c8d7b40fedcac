"""Columns that tell the target by themselves, found when a file is checked."""

from models.tabular.data import Goal
from models.tabular.revealing import find_revealing_columns
from tests.support.models.tables import data_of, machines

TABLE = machines(6, 40)
FAILURES = [value == "yes" for value in TABLE["failure"]]


def revealing(goal: Goal, target: str, **columns: list[object]) -> list[str]:
    ignored = ("wear",) if target == "failure" else ("failure",)
    data = data_of({**TABLE, **columns}, goal, target=target, ignored=ignored)
    return [one.column for one in find_revealing_columns(data)]


def test_column_that_is_filled_in_afterwards_is_named() -> None:
    repair: list[object] = [
        ["bearing", "seal"][row % 2] if failed else "none" for row, failed in enumerate(FAILURES)
    ]
    assert revealing(Goal.CLASS, "failure", repair=repair) == ["repair"]


def test_target_in_another_unit_is_named() -> None:
    microns: list[object] = [1000 * float(str(value)) for value in TABLE["wear"]]
    assert revealing(Goal.NUMBER, "wear", wear_um=microns) == ["wear_um"]


def test_measurements_and_serial_numbers_are_not_named() -> None:
    serial: list[object] = list(range(len(FAILURES)))
    assert revealing(Goal.CLASS, "failure", serial=serial) == []
    assert revealing(Goal.NUMBER, "wear", serial=serial) == []
