"""Baseline model: selected terms, fit statistics and rejected data."""

from dataclasses import replace

import numpy as np
import pytest

from billing.outcomes.measurement.baseline import (
    autocorrelation,
    innovation_variance,
    select_baseline,
)
from billing.outcomes.measurement.columns import BalancePoints, RegressionTerms, annual_columns
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.noise import FloatArray
from billing.outcomes.measurement.plan import DailyAggregation, IndependentVariable, VariableForm
from tests.billing.outcomes.measurement.making import AGREED, FIRST, table

OUTSIDE = IndependentVariable("outside", "degC", DailyAggregation.MEAN, VariableForm.DEGREES)
ALONE = replace(AGREED, variables=())
HEATED = replace(AGREED, variables=(OUTSIDE,))
TWO = replace(
    AGREED, variables=(IndependentVariable("parts", "pcs"), IndependentVariable("shifts", "1"))
)


def days(values: FloatArray, **variables: FloatArray) -> DailyTable:
    return DailyTable(np.arange(len(values)) + FIRST.toordinal(), values, variables)


def noise(count: int, seed: int = 2) -> FloatArray:
    return np.random.default_rng(seed).standard_normal(count)


class TestFitStatistics:
    def test_fit_statistics_match_manual_computation(self) -> None:
        # 20 days of 9 and 11 alternating: mean 10, squares 20, 19 degrees of freedom.
        # CV is sqrt(20/19) / 10.
        found = select_baseline(days(np.tile([9.0, 11.0], 10)), ALONE)
        assert found.terms == RegressionTerms()
        assert found.cv_rmse == pytest.approx((20 / 19) ** 0.5 / 10)
        assert found.nmbe == pytest.approx(0.0, abs=1e-12)
        assert found.r_squared == pytest.approx(0.0, abs=1e-12)
        assert found.rho == 0.0

    def test_variable_explains_the_quantity(self) -> None:
        found = select_baseline(table(noise=20.0), AGREED)
        assert found.names == ("constant", "parts")
        assert found.cv_rmse == pytest.approx(20 / 1100, rel=0.1)
        assert found.r_squared > 0.95

    def test_cv_and_bias_of_a_zero_mean_are_infinite(self) -> None:
        found = select_baseline(days(np.tile([-1.0, 1.0], 10)), ALONE)
        assert (found.cv_rmse, found.nmbe) == (np.inf, np.inf)

    def test_cv_uses_the_given_mean(self) -> None:
        found = select_baseline(days(np.tile([9.0, 11.0], 10)), ALONE, mean_override=-100.0)
        assert found.cv_rmse == pytest.approx((20 / 19) ** 0.5 / 100)


class TestSeasonalTerms:
    def test_noise_selects_no_seasonal_term(self) -> None:
        assert select_baseline(days(100 + noise(400)), ALONE).terms == RegressionTerms()

    def test_weekly_pattern_selects_weekday_terms(self) -> None:
        sundays = np.where((np.arange(140) + FIRST.toordinal()) % 7 == 0, -9.0, 0.0)
        found = select_baseline(days(100 + sundays + noise(140)), ALONE)
        assert found.terms == RegressionTerms(week=True)
        assert found.names[-1] == "Sunday"

    @pytest.mark.parametrize("waves", [1, 2])
    def test_annual_waves_are_selected(self, waves: int) -> None:
        angle = np.arange(400) * (2 * np.pi * waves / 365.25)
        found = select_baseline(days(100 + 3 * np.cos(angle) + noise(400)), ALONE)
        assert found.terms == RegressionTerms(waves=waves)

    def test_less_than_a_year_selects_no_annual_wave(self) -> None:
        angle = np.arange(300) * (2 * np.pi / 365.25)
        assert select_baseline(days(100 + 3 * np.cos(angle) + noise(300)), ALONE).terms.waves == 0

    def test_autocorrelated_noise_selects_no_seasonal_term(self) -> None:
        lasts = noise(400)
        for at in range(1, 400):
            lasts[at] += 0.6 * lasts[at - 1]
        assert select_baseline(days(100 + lasts), ALONE).terms == RegressionTerms()

    def test_seasonal_term_is_omitted_if_a_variable_explains_it(self) -> None:
        values = days(100 + noise(400))
        wave = annual_columns(values.days, 1)[0][1]
        told = select_baseline(replace(values, variables={"parts": wave}), AGREED)
        assert told.terms.waves == 0


class TestBalancePointSelection:
    DEGREES = np.linspace(-5.0, 35.0, 200)

    def heated(self, below: float, above: float) -> BalancePoints:
        heating = below * np.maximum(0.0, 12 - self.DEGREES)
        cooling = above * np.maximum(0.0, self.DEGREES - 24)
        one = days(100 + heating + cooling + noise(200), outside=self.DEGREES)
        ((name, balance),) = select_baseline(one, HEATED).terms.balances
        assert name == "outside"
        return balance

    def test_heating_and_cooling_balance_points_are_found(self) -> None:
        balance = self.heated(3.0, 2.0)
        assert balance.heating == pytest.approx(12, abs=1.5)
        assert balance.cooling == pytest.approx(24, abs=1.5)

    def test_only_the_balance_point_in_use_is_selected(self) -> None:
        assert self.heated(0.3, 0.0).cooling is None
        assert self.heated(0.0, 0.3).heating is None

    def test_no_balance_point_is_selected_without_a_dependence(self) -> None:
        assert self.heated(0.0, 0.0) == BalancePoints()

    def test_balance_points_count_as_fitted_parameters(self) -> None:
        one = days(
            100 + 0.3 * np.maximum(0.0, 12 - self.DEGREES) + noise(200), outside=self.DEGREES
        )
        found = select_baseline(one, HEATED)
        ssr = float(found.residuals @ found.residuals)
        assert found.cv_rmse == pytest.approx((ssr / 197) ** 0.5 / one.values.mean())


class TestBaselineRejection:
    def test_too_few_days_are_rejected(self) -> None:
        with pytest.raises(BaselineFitFailed, match="10 complete days are too few for 1 columns"):
            select_baseline(days(noise(10)), ALONE)

    def test_baseline_without_days_is_rejected(self) -> None:
        with pytest.raises(BaselineFitFailed, match="0 complete days"):
            select_baseline(days(noise(0)), ALONE)

    def test_constant_quantity_is_rejected(self) -> None:
        with pytest.raises(BaselineFitFailed, match="same value on all days"):
            select_baseline(days(np.full(50, 7.0)), ALONE)

    def test_constant_variable_is_rejected(self) -> None:
        with pytest.raises(
            BaselineFitFailed, match="parts has the same value on all days"
        ) as refused:
            select_baseline(days(noise(50), parts=np.full(50, 300.0)), AGREED)
        assert refused.value.param == "parts"

    def test_collinear_variables_are_rejected(self) -> None:
        parts = 300 + noise(60, 3)
        with pytest.raises(BaselineFitFailed, match="shifts is determined by parts") as refused:
            select_baseline(days(noise(60), parts=parts, shifts=5 - 2 * parts), TWO)
        assert refused.value.param == "shifts"

    def test_error_names_only_the_determining_variables(self) -> None:
        three = replace(
            AGREED,
            variables=tuple(IndependentVariable(name, "1") for name in ("free", "a", "b", "sum")),
        )
        a, b = noise(60, 3), noise(60, 4)
        one = days(noise(60), free=noise(60, 5), a=a, b=b, sum=a + b)
        with pytest.raises(BaselineFitFailed, match="sum is determined by a, b"):
            select_baseline(one, three)

    def test_quantity_computed_from_the_variables_is_rejected(self) -> None:
        parts = 300 + noise(60, 3)
        with pytest.raises(BaselineFitFailed, match="cannot be a meter reading"):
            select_baseline(days(500 + 2 * parts, parts=parts), AGREED)

    def test_constant_temperature_is_rejected(self) -> None:
        with pytest.raises(BaselineFitFailed, match="outside has the same value"):
            select_baseline(days(noise(60), outside=np.full(60, 20.0)), HEATED)


class TestResidualStatistics:
    def test_autocorrelation_matches_manual_computation(self) -> None:
        # Pairs of consecutive days: 2*1 and 1*3, not 3*9 across a gap: (2 + 3) / (4 + 1).
        residuals, at = np.array([2.0, 1.0, 3.0, 9.0]), np.array([1, 2, 3, 7])
        assert autocorrelation(residuals, at) == 0.95
        assert autocorrelation(np.array([2.0, 1.0, -1.0]), at[:3]) == pytest.approx((2 - 1) / 5)
        assert autocorrelation(residuals[[0, 3]], at[[0, 3]]) == 0.0

    def test_innovation_variance_matches_manual_computation(self) -> None:
        # Less their mean: 1 and -1; without autocorrelation: 2 squares over one.
        assert innovation_variance(np.array([5.0, 3.0]), np.array([1, 2]), 0.0) == 2.0
