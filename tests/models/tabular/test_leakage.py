"""Columns that tell the target by themselves, named by the check of a file and by trainings."""

import numpy as np
import pytest

from models.tabular.data import Goal
from models.tabular.leakage import Leak, find_leaks
from tests.support.models.tables import data_of, machines

TABLE = machines(6, 40)
FAILURES = [value == "yes" for value in TABLE["failure"]]


def leaking(goal: Goal, target: str, **columns: list[object]) -> list[str]:
    ignored = ("wear",) if target == "failure" else ("failure",)
    data = data_of({**TABLE, **columns}, goal, target=target, ignored=ignored)
    return [one.column for one in find_leaks(data)]


def test_column_that_is_filled_in_afterwards_is_named() -> None:
    repair: list[object] = [
        ["bearing", "seal"][row % 2] if failed else "none" for row, failed in enumerate(FAILURES)
    ]
    assert leaking(Goal.CLASS, "failure", repair=repair) == ["repair"]


@pytest.mark.parametrize("failures", [12, 200])
@pytest.mark.parametrize("column", ["minutes", "minutes or empty", "cost", "code"])
def test_column_with_a_value_of_its_own_for_each_failure_is_named(
    column: str, failures: int
) -> None:
    random = np.random.default_rng(4)
    rows = 2_000
    fails = np.zeros(rows, dtype=bool)
    fails[random.choice(rows, failures, replace=False)] = True
    values: dict[str, list[object]] = {
        "minutes": [int(one) for one in np.where(fails, random.integers(20, 90, rows), 0)],
        "minutes or empty": [
            int(one) if failed else ""
            for one, failed in zip(random.integers(20, 90, rows), fails, strict=True)
        ],
        "cost": [float(one) for one in np.where(fails, random.uniform(50, 900, rows), 0)],
        "code": [f"R{number % 90}" if failed else "" for number, failed in enumerate(fails)],
    }
    table: dict[str, list[object]] = {
        "machine": [f"M{row % 8}" for row in range(rows)],
        "temp": [float(one) for one in random.normal(80, 5, rows)],
        "alarm": [f"E{one}" if one < 9 else "" for one in random.integers(0, 300, rows)],
        "repair": values[column],
        "failure": ["yes" if failed else "no" for failed in fails],
    }
    data = data_of(table, Goal.CLASS, target="failure")
    assert [one.column for one in find_leaks(data)] == ["repair"]


def rare_failures(wrong: int) -> tuple[list[object], list[object]]:
    """Minutes of downtime of 1,500 rows, some of them wrong, and the 30 failures."""
    minutes: list[object] = [25 + row % 7 if row % 50 == 3 else 0 for row in range(1_500)]
    failures: list[object] = ["yes" if value else "no" for value in minutes]
    for number in range(wrong):
        minutes[50 * number + (3 if number % 2 else 9)] = 0 if number % 2 else 30
    return minutes, failures


@pytest.mark.parametrize(("wrong", "named"), [(0, ["down"]), (1, ["down"]), (4, [])])
def test_column_is_named_with_one_wrong_record_but_not_with_several(
    wrong: int, named: list[str]
) -> None:
    minutes, failures = rare_failures(wrong)
    noise = np.random.default_rng(7).normal(80, 5, len(minutes))
    table: dict[str, list[object]] = {
        "temp": [float(one) for one in noise],
        "down": minutes,
        "failure": failures,
    }
    data = data_of(table, Goal.CLASS, target="failure")
    assert [one.column for one in find_leaks(data)] == named


def test_measurement_that_misses_one_failure_is_not_named() -> None:
    _, failures = rare_failures(0)
    noise = np.random.default_rng(7).normal(0, 1, len(failures))
    heat: list[object] = [float(one) for one in noise + 20 * np.array(np.array(failures) == "yes")]
    heat[3] = 0.0
    data = data_of({"heat": heat, "failure": failures}, Goal.CLASS, target="failure")
    assert find_leaks(data) == ()


def test_target_in_another_unit_is_named() -> None:
    microns: list[object] = [1000 * float(str(value)) for value in TABLE["wear"]]
    assert leaking(Goal.NUMBER, "wear", wear_um=microns) == ["wear_um"]


@pytest.mark.parametrize("wrong", [0.0, 41.0, 5_000_000.0])
def test_target_in_another_unit_is_named_despite_one_wrong_record(wrong: float) -> None:
    microns: list[object] = [1000 * float(str(value)) for value in TABLE["wear"]]
    microns[7] = wrong
    assert leaking(Goal.NUMBER, "wear", wear_um=microns) == ["wear_um"]


@pytest.mark.parametrize("explained", [0.95, 0.97, 0.99])
def test_reading_that_explains_most_of_a_number_is_not_named(explained: float) -> None:
    wear = np.array([float(str(value)) for value in TABLE["wear"]])
    for seed in range(10, 15):
        noise = np.random.default_rng(seed).normal(0, wear.std(), len(wear))
        reading: list[object] = list((wear + (1 / explained - 1) ** 0.5 * noise).round(3))
        assert leaking(Goal.NUMBER, "wear", reading=reading) == []


def test_measurements_and_serial_numbers_are_not_named() -> None:
    serial: list[object] = list(range(len(FAILURES)))
    assert leaking(Goal.CLASS, "failure", serial=serial) == []
    assert leaking(Goal.NUMBER, "wear", serial=serial) == []


def test_sentence_names_the_column_and_what_to_do() -> None:
    sentence = Leak("repair", 1.0).sentence
    assert sentence.startswith("'repair' alone predicts 100.0% of the target.")
    assert "`schema.ignored`" in sentence
