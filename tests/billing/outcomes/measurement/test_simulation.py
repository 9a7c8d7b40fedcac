"""A small run of the simulation whose whole table is in load/RESULTS.md (`make simulations`)."""

from itertools import product

import numpy as np
import pytest

from tests.simulations.designs import weekly
from tests.simulations.effects import SURE, Row, row
from tests.simulations.errors import compare
from tests.simulations.known import Known
from tests.simulations.machines import billed, hall
from tests.simulations.plants import Cell, Floats

PLANTS = 12
CELLS = [Cell(cv, rho) for cv, rho in product((0.1, 0.2), (0.3, 0.6))]


@pytest.fixture(scope="module")
def without() -> list[Row]:
    return [row(cell, PLANTS, seed=7) for cell in CELLS]


def test_few_are_billed_without_an_effect(without: list[Row]) -> None:
    # 2 of 48 are expected; more than 6 would come about once in 100 runs.
    assert sum(one.billed for one in without) * PLANTS <= 6


def test_errors_are_as_large_as_they_are_said_to_be(without: list[Row]) -> None:
    for one in without:
        assert 0.7 < one.error / one.apart < 1.8


def test_most_of_a_saving_is_billed() -> None:
    found = row(Cell(0.1, 0.3, saving=0.1), PLANTS, seed=7)
    assert found.billed == 1
    assert found.too_much <= 0.2
    assert 0.75 < found.kept < 1
    assert found.kept == pytest.approx(found.bound, abs=0.08)


def test_others_bill_more_without_an_effect() -> None:
    shares = compare(Cell(0.1, 0.9, lasting=0.3), PLANTS, seed=7)
    ours, _ = shares["ours"]
    assert all(ours <= billed for billed, _ in shares.values())


def test_weeks_bill_too_much_as_seldom_as_they_say() -> None:
    # Of 25 plants the expected share is known to about half a point.
    cells = [Cell(0.1, 0.6), Cell(0.1, 0.6, saving=0.1)]
    assert all(0.025 < weekly(one, 25, seed=7).expected < 0.055 for one in cells)


def test_who_knows_the_noise_is_wrong_one_time_in_twenty() -> None:
    best = Known(estimate=3.0, error=2.0)
    assert best.chance(3.0 - SURE * 2.0) == pytest.approx(0.05)
    assert best.chance(3.0) == pytest.approx(0.5)
    assert not best.bills
    assert Known(3.3, 2.0).bills


def test_machines_bill_a_saving_and_seldom_too_much() -> None:
    without = billed(Cell(0.1, 0.3), 4, 20, map, 7)
    saving = billed(Cell(0.1, 0.3, saving=0.1), 4, 20, map, 7)
    assert without.billed <= 0.2  # 4 of 20; more come once in 100 times
    assert saving.too_much <= 0.2
    assert 0.7 < saving.kept < 1


def test_machines_of_a_hall_share_half_of_their_noise() -> None:
    made = hall(Cell(0.2, 0.3), 4, 0, 7)

    def rest(name: str) -> Floats:
        one = made.tables[name]
        columns = np.column_stack([np.ones(len(one.days)), one.variables["parts"]])
        left: Floats = one.values - columns @ np.linalg.lstsq(columns, one.values)[0]
        return left

    names = made.machines.all
    assert np.corrcoef([rest(name) for name in names])[0, 1:] == pytest.approx(0.5, abs=0.12)
    assert made.saving(0.0)[1] == 0
