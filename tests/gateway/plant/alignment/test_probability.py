"""Probability of proposals: measured curve, the account's confirmations, order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.alignment.probability import fit_curve

SCORES = st.floats(0, 1)


@given(st.lists(st.tuples(SCORES, st.booleans()), max_size=60), SCORES, SCORES)
def test_probability_never_decreases_with_the_score(
    outcomes: list[tuple[float, bool]], first: float, second: float
) -> None:
    curve = fit_curve(outcomes)
    low, high = sorted((first, second))
    assert 0 <= curve.at(low) <= curve.at(high) + 1e-12 <= 1 + 1e-12


def test_without_confirmations_the_measured_values_hold() -> None:
    curve = fit_curve(())
    assert curve.at(0.95) == pytest.approx(0.96)
    assert curve.at(1.0) == pytest.approx(0.96)
    assert curve.at(0.5) == pytest.approx((0.21 + 0.56) / 2)
    assert curve.at(0) == 0


def test_many_confirmations_outweigh_the_measured_values() -> None:
    wrong = fit_curve([(0.95, False)] * 1_000)
    assert wrong.at(0.95) < 0.2
    assert fit_curve([(0.65, True)] * 1_000).at(0.65) > 0.95
