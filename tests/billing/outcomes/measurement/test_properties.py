"""Properties of the saving of any plant: order, units, shifts and confidence bound."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.readings import MeterReading, Quantity
from billing.outcomes.measurement.saving import SavingsEstimate, estimate_savings
from billing.outcomes.measurement.savings_measurement import measure_savings
from tests.billing.outcomes.measurement.making import AGREED, TURN, halves, study, table

SOME = settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
PLANTS = st.builds(
    table,
    st.integers(0, 10**6),
    noise=st.floats(5, 200),
    saving=st.floats(-0.3, 0.3),
    rho=st.floats(0, 0.9),
)


def of(whole: DailyTable) -> SavingsEstimate:
    before, after = halves(whole)
    return estimate_savings(before, after, select_baseline(before, AGREED), AGREED)


@SOME
@given(st.integers(0, 10**6), st.randoms())
def test_saving_does_not_depend_on_reading_order(seed: int, random: Random) -> None:
    one = study(seed, saving=0.1)
    mixed = list(one.readings)
    random.shuffle(mixed)
    assert (
        measure_savings(replace(one, readings=tuple(mixed))).canonical_json()
        == measure_savings(one).canonical_json()
    )


@SOME
@given(PLANTS, st.floats(-400, 5000))
def test_saving_is_unchanged_by_a_constant_added_to_every_day(
    whole: DailyTable, more: float
) -> None:
    plain, shifted = of(whole), of(replace(whole, values=whole.values + more))
    assert shifted.estimate == pytest.approx(plain.estimate, rel=1e-6, abs=1e-3)
    assert shifted.lower_bound(0.95) == pytest.approx(plain.lower_bound(0.95), rel=1e-6, abs=1e-3)


@SOME
@given(PLANTS, st.floats(1e-3, 1e4))
def test_saving_scales_with_the_unit(whole: DailyTable, factor: float) -> None:
    plain, scaled = of(whole), of(replace(whole, values=whole.values * factor))
    assert scaled.estimate == pytest.approx(plain.estimate * factor, rel=1e-6)
    assert scaled.lower_bound(0.95) == pytest.approx(plain.lower_bound(0.95) * factor, rel=1e-6)


@SOME
@given(st.integers(0, 10**6))
def test_saving_is_identical_for_readings_in_another_unit(seed: int) -> None:
    def in_wh(was: MeterReading) -> MeterReading:
        return replace(was, amount=Quantity(was.amount.value * 1000, "Wh"))

    one = study(seed, saving=0.1)
    other = replace(one, readings=tuple(in_wh(reading) for reading in one.readings))
    measured, again = measure_savings(one), measure_savings(other)
    assert (again.saving, again.billable) == (measured.saving, measured.billable)


@SOME
@given(PLANTS)
def test_saving_is_zero_if_the_baseline_predicts_the_readings(whole: DailyTable) -> None:
    before, _ = halves(whole)
    columns = select_baseline(before, AGREED).terms.design_matrix
    effects = np.linalg.lstsq(columns(before), before.values)[0]
    later = whole.days >= TURN.toordinal()
    one = of(replace(whole, values=np.where(later, columns(whole) @ effects, whole.values)))
    assert abs(one.estimate) < 1.5 * one.mixture.standard_error
    assert one.lower_bound(0.95) < 0


@SOME
@given(PLANTS)
def test_bound_is_below_the_estimate_and_falls_with_confidence(whole: DailyTable) -> None:
    one = of(whole)
    bounds = [one.lower_bound(share) for share in (0.6, 0.8, 0.9, 0.95, 0.99, 0.999)]
    assert bounds == sorted(bounds, reverse=True)
    assert one.lower_bound(0.95) < one.estimate < one.lower_bound(0.05)


@SOME
@given(PLANTS, st.floats(10, 500))
def test_saving_rises_by_a_reduction_on_one_day(whole: DailyTable, less: float) -> None:
    cheaper = whole.values.copy()
    cheaper[-1] -= less
    assert of(replace(whole, values=cheaper)).estimate - of(whole).estimate == pytest.approx(less)


def test_bound_does_not_rise_on_average_with_more_noise() -> None:
    bounds = [
        np.mean([of(table(seed, noise=noise, saving=0.1)).lower_bound(0.95) for seed in range(8)])
        for noise in (10.0, 40.0, 80.0, 160.0)
    ]
    assert bounds == sorted(bounds, reverse=True)
