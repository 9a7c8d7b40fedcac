"""The baseline: which terms are chosen, how well they fit, and what fits nothing."""

from dataclasses import replace

import numpy as np
import pytest

from billing.outcomes.measurement.agreed import Combine, Shape, Variable
from billing.outcomes.measurement.baseline import choose, lasting, roughness
from billing.outcomes.measurement.columns import Balance, Terms, year
from billing.outcomes.measurement.days import Table
from billing.outcomes.measurement.faults import BaselineUnfit
from billing.outcomes.measurement.noise import Floats
from tests.billing.outcomes.measurement.making import AGREED, FIRST, table

OUTSIDE = Variable("outside", "degC", Combine.MEAN, Shape.DEGREES)
ALONE = replace(AGREED, variables=())
HEATED = replace(AGREED, variables=(OUTSIDE,))
TWO = replace(AGREED, variables=(Variable("parts", "pcs"), Variable("shifts", "1")))


def days(values: Floats, **variables: Floats) -> Table:
    return Table(np.arange(len(values)) + FIRST.toordinal(), values, variables)


def noise(count: int, seed: int = 2) -> Floats:
    return np.random.default_rng(seed).standard_normal(count)


class TestFit:
    def test_by_hand(self) -> None:
        # 20 days of 9 and 11 in turn: mean 10, squares 20, 19 left free: CV is sqrt(20/19) / 10.
        found = choose(days(np.tile([9.0, 11.0], 10)), ALONE)
        assert found.terms == Terms()
        assert found.cv == pytest.approx((20 / 19) ** 0.5 / 10)
        assert found.bias == pytest.approx(0.0, abs=1e-12)
        assert found.explained == pytest.approx(0.0, abs=1e-12)
        assert found.rho == 0.0

    def test_explains_by_variables(self) -> None:
        found = choose(table(noise=20.0), AGREED)
        assert found.names == ("constant", "parts")
        assert found.cv == pytest.approx(20 / 1100, rel=0.1)
        assert found.explained > 0.95

    def test_bias_and_cv_of_nothing_are_endless(self) -> None:
        found = choose(days(np.tile([-1.0, 1.0], 10)), ALONE)
        assert (found.cv, found.bias) == (np.inf, np.inf)

    def test_size_is_another_mean(self) -> None:
        found = choose(days(np.tile([9.0, 11.0], 10)), ALONE, size=-100.0)
        assert found.cv == pytest.approx((20 / 19) ** 0.5 / 100)


class TestSeasons:
    def test_none_in_noise(self) -> None:
        assert choose(days(100 + noise(400)), ALONE).terms == Terms()

    def test_a_week(self) -> None:
        sundays = np.where((np.arange(140) + FIRST.toordinal()) % 7 == 0, -9.0, 0.0)
        found = choose(days(100 + sundays + noise(140)), ALONE)
        assert found.terms == Terms(week=True)
        assert found.names[-1] == "Sunday"

    @pytest.mark.parametrize("waves", [1, 2])
    def test_a_year(self, waves: int) -> None:
        angle = np.arange(400) * (2 * np.pi * waves / 365.25)
        found = choose(days(100 + 3 * np.cos(angle) + noise(400)), ALONE)
        assert found.terms == Terms(waves=waves)

    def test_no_year_from_less(self) -> None:
        angle = np.arange(300) * (2 * np.pi / 365.25)
        assert choose(days(100 + 3 * np.cos(angle) + noise(300)), ALONE).terms.waves == 0

    def test_noise_that_lasts_is_no_season(self) -> None:
        lasts = noise(400)
        for at in range(1, 400):
            lasts[at] += 0.6 * lasts[at - 1]
        assert choose(days(100 + lasts), ALONE).terms == Terms()

    def test_a_season_that_a_variable_tells_is_left_out(self) -> None:
        values = days(100 + noise(400))
        wave = year(values.days, 1)[0][1]
        told = choose(replace(values, variables={"parts": wave}), AGREED)
        assert told.terms.waves == 0


class TestDegrees:
    DEGREES = np.linspace(-5.0, 35.0, 200)

    def heated(self, below: float, above: float) -> Balance:
        heating = below * np.maximum(0.0, 12 - self.DEGREES)
        cooling = above * np.maximum(0.0, self.DEGREES - 24)
        one = days(100 + heating + cooling + noise(200), outside=self.DEGREES)
        ((name, balance),) = choose(one, HEATED).terms.balances
        assert name == "outside"
        return balance

    def test_heating_and_cooling(self) -> None:
        balance = self.heated(3.0, 2.0)
        assert balance.heating == pytest.approx(12, abs=1.5)
        assert balance.cooling == pytest.approx(24, abs=1.5)

    def test_one_of_both(self) -> None:
        assert self.heated(0.3, 0.0).cooling is None
        assert self.heated(0.0, 0.3).heating is None

    def test_neither(self) -> None:
        assert self.heated(0.0, 0.0) == Balance()

    def test_count_as_fitted(self) -> None:
        one = days(
            100 + 0.3 * np.maximum(0.0, 12 - self.DEGREES) + noise(200), outside=self.DEGREES
        )
        found = choose(one, HEATED)
        ssr = float(found.residuals @ found.residuals)
        assert found.cv == pytest.approx((ssr / 197) ** 0.5 / one.values.mean())


class TestRefused:
    def test_too_few_days(self) -> None:
        with pytest.raises(BaselineUnfit, match="10 whole days are too few for 1 columns"):
            choose(days(noise(10)), ALONE)

    def test_none(self) -> None:
        with pytest.raises(BaselineUnfit, match="0 whole days"):
            choose(days(noise(0)), ALONE)

    def test_a_constant_series(self) -> None:
        with pytest.raises(BaselineUnfit, match="same on all days"):
            choose(days(np.full(50, 7.0)), ALONE)

    def test_a_constant_variable(self) -> None:
        with pytest.raises(BaselineUnfit, match="parts is the same on all days") as refused:
            choose(days(noise(50), parts=np.full(50, 300.0)), AGREED)
        assert refused.value.param == "parts"

    def test_variables_that_tell_the_same(self) -> None:
        parts = 300 + noise(60, 3)
        with pytest.raises(BaselineUnfit, match="shifts follows from parts") as refused:
            choose(days(noise(60), parts=parts, shifts=5 - 2 * parts), TWO)
        assert refused.value.param == "shifts"

    def test_names_only_what_it_follows_from(self) -> None:
        three = replace(
            AGREED, variables=tuple(Variable(name, "1") for name in ("free", "a", "b", "sum"))
        )
        a, b = noise(60, 3), noise(60, 4)
        one = days(noise(60), free=noise(60, 5), a=a, b=b, sum=a + b)
        with pytest.raises(BaselineUnfit, match="sum follows from a, b"):
            choose(one, three)

    def test_what_was_computed_and_not_measured(self) -> None:
        parts = 300 + noise(60, 3)
        with pytest.raises(BaselineUnfit, match="it is no reading"):
            choose(days(500 + 2 * parts, parts=parts), AGREED)

    def test_degrees_that_are_constant(self) -> None:
        with pytest.raises(BaselineUnfit, match="outside is the same"):
            choose(days(noise(60), outside=np.full(60, 20.0)), HEATED)


class TestResiduals:
    def test_lasting_by_hand(self) -> None:
        # Pairs of days in a row: 2*1 and 1*3, not 3*9 across a gap: (2 + 3) / (4 + 1).
        residuals, at = np.array([2.0, 1.0, 3.0, 9.0]), np.array([1, 2, 3, 7])
        assert lasting(residuals, at) == 0.95
        assert lasting(np.array([2.0, 1.0, -1.0]), at[:3]) == pytest.approx((2 - 1) / 5)
        assert lasting(residuals[[0, 3]], at[[0, 3]]) == 0.0

    def test_roughness_by_hand(self) -> None:
        # Less their mean: 1, -1; nothing lasts: 2 squares over one.
        assert roughness(np.array([5.0, 3.0]), np.array([1, 2]), 0.0) == 2.0
