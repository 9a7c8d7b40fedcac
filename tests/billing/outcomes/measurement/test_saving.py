"""Saving against an adjusted baseline: sums, adjustments, rates and standard error."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from billing.outcomes.measurement.baseline import select_baseline
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.plan import MeasurementPlan, NonRoutineAdjustment
from billing.outcomes.measurement.saving import SavingsEstimate, estimate_savings
from tests.billing.outcomes.measurement.making import AFTER, AGREED, FIRST, TURN, halves, table

ALONE = replace(AGREED, variables=())
BOTH = ("plant", "us")


def of(whole: DailyTable, agreed: MeasurementPlan = AGREED) -> SavingsEstimate:
    before, after = halves(whole)
    return estimate_savings(before, after, select_baseline(before, agreed), agreed)


class TestSavingEstimate:
    def test_saving_matches_manual_computation(self) -> None:
        # 9 and 11 alternating are 10 a day; 8 a day for 60 days saves 120 of 600.
        values = np.concatenate([np.tile([9.0, 11.0], 60), np.full(60, 8.0)])
        one = of(DailyTable(np.arange(180) + FIRST.toordinal(), values, {}), ALONE)
        assert one.estimate == pytest.approx(120, abs=1)
        assert one.baseline == pytest.approx(600, abs=1)
        assert one.actual == 480

    def test_proportional_saving_is_a_share_of_the_baseline(self) -> None:
        one = of(table(noise=10.0, saving=0.1))
        assert one.estimate == pytest.approx(0.1 * one.baseline, rel=0.02)
        assert one.baseline == pytest.approx(one.actual + one.estimate)
        assert one.lower_bound(0.95) < one.estimate < one.lower_bound(0.05)

    def test_saving_is_positive_if_more_is_better_and_output_rises(self) -> None:
        whole = table(noise=10.0, saving=-0.1)
        less, more = of(whole), of(whole, replace(AGREED, more_is_better=True))
        assert more.estimate == -less.estimate > 0
        assert more.lower_bound(0.95) == pytest.approx(-less.lower_bound(0.05))

    def test_saving_of_a_rate_is_weighted_by_its_variable(self) -> None:
        # Energy per part falls from about 5 to 4: a saving of about 1 per part.
        one = table(noise=0.0)
        random = np.random.default_rng(1)
        rate = np.where(one.days < TURN.toordinal(), 5.0, 4.0) + 0.1 * random.standard_normal(180)
        agreed = replace(AGREED, unit="kWh/pcs", weight="parts")
        found = of(replace(one, values=rate), agreed)
        parts = halves(one)[1].variables["parts"].sum()
        assert found.estimate == pytest.approx(parts, rel=0.05)
        assert found.actual == pytest.approx(4 * parts, rel=0.01)

    def test_reporting_period_without_a_complete_day_is_rejected(self) -> None:
        before, after = halves(table())
        nothing = after.filter(after.days < 0)
        with pytest.raises(BaselineFitFailed, match="The reporting period has no complete day"):
            estimate_savings(before, nothing, select_baseline(before, AGREED), AGREED)


class TestBaselineAdjustments:
    def test_adjustment_is_added_to_the_baseline_without_changing_the_error(self) -> None:
        # 3 a day on all 60 days, and 10 more on 5 of them.
        agreed = replace(
            AGREED,
            adjustments=(
                NonRoutineAdjustment(FIRST, 3.0, "a second compressor", BOTH),
                NonRoutineAdjustment(
                    TURN, 10.0, "a trial run", BOTH, until=TURN + timedelta(days=5)
                ),
            ),
        )
        plain, adjusted = of(table()), of(table(), agreed)
        assert adjusted.estimate - plain.estimate == pytest.approx(3 * AFTER + 10 * 5)
        assert adjusted.baseline - plain.baseline == pytest.approx(3 * AFTER + 10 * 5)
        assert adjusted.mixture.standard_error == plain.mixture.standard_error

    def test_adjustment_does_not_count_on_missing_days(self) -> None:
        agreed = replace(AGREED, adjustments=(NonRoutineAdjustment(FIRST, 3.0, "a hall", BOTH),))
        whole = table()
        gone = whole.filter(whole.days != TURN.toordinal() + 4)
        assert of(gone, agreed).estimate - of(gone).estimate == pytest.approx(3 * (AFTER - 1))


class TestStandardError:
    def test_standard_error_slightly_exceeds_that_of_independent_noise(self) -> None:
        # Noise of 50 a day on 60 later days, and a mean of 120 days used 60 times:
        # 50 sqrt(60 + 60^2 / 120) = 474, plus a small part for the slope and for not knowing
        # from 120 days that the noise is not autocorrelated.
        errors = [of(table(seed)).mixture.standard_error for seed in range(20)]
        assert 1 < np.mean(errors) / 474 < 1.7

    def test_standard_error_is_larger_for_autocorrelated_noise(self) -> None:
        quick = np.mean([of(table(seed)).mixture.standard_error for seed in range(10)])
        slow = np.mean([of(table(seed, rho=0.6)).mixture.standard_error for seed in range(10)])
        assert slow > 1.4 * quick

    def test_standard_error_is_larger_if_later_days_vary_more(self) -> None:
        whole = table()
        later = whole.days >= TURN.toordinal()
        explained = 500 + 2 * whole.variables["parts"]
        rough = replace(
            whole,
            values=np.where(later, explained + 3 * (whole.values - explained), whole.values),
        )
        assert of(rough).mixture.standard_error > 1.8 * of(whole).mixture.standard_error

    def test_variance_of_few_later_days_does_not_change_the_error(self) -> None:
        before, after = halves(table())
        values = after.values + np.where(np.arange(AFTER) % 2, 900.0, -900.0)
        few = replace(after, values=values).filter(after.days < TURN.toordinal() + 20)
        calm = after.filter(after.days < TURN.toordinal() + 20)
        baseline = select_baseline(before, AGREED)
        errors = [
            estimate_savings(before, one, baseline, AGREED).mixture.standard_error
            for one in (few, calm)
        ]
        assert errors[0] == errors[1]

    def test_standard_error_grows_with_missing_baseline_days(self) -> None:
        before, after = halves(table())
        fewer = before.filter(before.days % 3 != 0)
        whole = estimate_savings(before, after, select_baseline(before, AGREED), AGREED)
        part = estimate_savings(fewer, after, select_baseline(fewer, AGREED), AGREED)
        assert part.mixture.standard_error > whole.mixture.standard_error
