"""Columns that tell the target by themselves, named by the check of a file and by trainings."""

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


def test_target_in_another_unit_is_named() -> None:
    microns: list[object] = [1000 * float(str(value)) for value in TABLE["wear"]]
    assert leaking(Goal.NUMBER, "wear", wear_um=microns) == ["wear_um"]


def test_measurements_and_serial_numbers_are_not_named() -> None:
    serial: list[object] = list(range(len(FAILURES)))
    assert leaking(Goal.CLASS, "failure", serial=serial) == []
    assert leaking(Goal.NUMBER, "wear", serial=serial) == []


def test_sentence_names_the_column_and_what_to_do() -> None:
    sentence = Leak("repair", 1.0).sentence
    assert sentence.startswith("'repair' alone predicts 100.0% of the target.")
    assert "`schema.ignored`" in sentence
