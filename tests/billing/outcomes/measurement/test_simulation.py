"""A short run of the simulation; its full table is in load/RESULTS.md (`make simulations`)."""

from itertools import product

import numpy as np
import pytest

from tests.simulations.designs import weekly
from tests.simulations.effects import SURE, Row, row
from tests.simulations.errors import compare
from tests.simulations.known import Known
from tests.simulations.machines import billed, hall
from tests.simulations.plants import Cell, Floats
from tests.support.nightly import at_length, nightly

PLANTS = 12
# The four, or the two that differ most; and how many plants without an effect may be billed: 2 of
# 48 (1 of 24) are expected, more occur in about 1 % of runs.
CELLS = [Cell(cv, rho) for cv, rho in product((0.1, 0.2), (0.3, 0.6))][:: at_length(1, 3)]
MOST_BILLED = at_length(6, 4)


@pytest.fixture(scope="module")
def without() -> list[Row]:
    return [row(cell, PLANTS, seed=7) for cell in CELLS]


def test_simulated_plants_without_an_effect_are_rarely_billed(without: list[Row]) -> None:
    assert sum(one.billed for one in without) * PLANTS <= MOST_BILLED


def test_simulated_errors_match_the_stated_standard_errors(without: list[Row]) -> None:
    for one in without:
        assert 0.7 < one.error / one.apart < 1.8


def test_simulated_saving_is_mostly_billed() -> None:
    found = row(Cell(0.1, 0.3, saving=0.1), PLANTS, seed=7)
    assert found.billed == 1
    assert found.too_much <= 0.2
    assert 0.75 < found.kept < 1
    assert found.kept == pytest.approx(found.bound, abs=0.08)


@nightly
def test_simulated_alternative_methods_bill_more_without_an_effect() -> None:
    shares = compare(Cell(0.1, 0.9, lasting=0.3), PLANTS, seed=7)
    ours, _ = shares["ours"]
    assert all(ours <= billed for billed, _ in shares.values())


@nightly
def test_simulated_switchback_overbills_at_the_stated_rate() -> None:
    # With 25 plants the expected share is accurate to about half a percentage point.
    cells = [Cell(0.1, 0.6), Cell(0.1, 0.6, saving=0.1)]
    assert all(0.025 < weekly(one, 25, seed=7).expected < 0.055 for one in cells)


def test_estimate_with_known_noise_errs_in_five_percent() -> None:
    best = Known(estimate=3.0, error=2.0)
    assert best.chance(3.0 - SURE * 2.0) == pytest.approx(0.05)
    assert best.chance(3.0) == pytest.approx(0.5)
    assert not best.bills
    assert Known(3.3, 2.0).bills


@nightly
def test_simulated_machine_groups_bill_the_saving_and_rarely_overbill() -> None:
    without = billed(Cell(0.1, 0.3), 4, 20, map, 7)
    saving = billed(Cell(0.1, 0.3, saving=0.1), 4, 20, map, 7)
    assert without.billed <= 0.2  # 4 of 20; more occur with a probability of 1 %
    assert saving.too_much <= 0.2
    assert 0.7 < saving.kept < 1


def test_simulated_machines_of_a_hall_share_half_of_their_noise() -> None:
    made = hall(Cell(0.2, 0.3), 4, 0, 7)

    def rest(name: str) -> Floats:
        one = made.tables[name]
        columns = np.column_stack([np.ones(len(one.days)), one.variables["parts"]])
        left: Floats = one.values - columns @ np.linalg.lstsq(columns, one.values)[0]
        return left

    names = made.machines.all
    assert np.corrcoef([rest(name) for name in names])[0, 1:] == pytest.approx(0.5, abs=0.12)
    assert made.saving(0.0)[1] == 0
