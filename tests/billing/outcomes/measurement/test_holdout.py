"""Saving by design: switchback, and machines with and without the effect."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from billing.outcomes.measurement.baseline import BaselineModel, select_baseline
from billing.outcomes.measurement.columns import RegressionTerms
from billing.outcomes.measurement.days import DailyTable
from billing.outcomes.measurement.errors import BaselineFitFailed
from billing.outcomes.measurement.holdout import (
    compare_machine_groups,
    holdout_savings,
    switchback_savings,
    treatment_indicator,
)
from billing.outcomes.measurement.noise import FloatArray
from billing.outcomes.measurement.plan import (
    DateRange,
    IndependentVariable,
    MachineGroups,
    MeasurementMethod,
    MeasurementPlan,
    SwitchbackSchedule,
)
from billing.outcomes.measurement.saving import SavingsEstimate
from tests.billing.outcomes.measurement.making import AGREED, FIRST, TURN
from tests.support.nightly import at_length

WEEKS = SwitchbackSchedule(days=7, washout=1)
ALTERNATING = replace(
    AGREED,
    baseline=None,
    reporting=DateRange(FIRST, date(2026, 12, 31)),
    variables=(),
    method=MeasurementMethod.SWITCHBACK,
    weeks=WEEKS,
)
MACHINES = MachineGroups(("a", "b"), ("c", "d"))
BESIDE = replace(AGREED, variables=(), method=MeasurementMethod.MACHINES, machines=MACHINES)
PARTS = (IndependentVariable("parts", "pcs"),)
# Plants without an effect, and how many of them may be billed at 95 %: 3 (1.5) are expected, more
# than 7 (4) occur with a probability of 1 % (2 %).
PLANTS, MOST_BILLED = at_length((60, 7), (30, 4))


def noise(seed: int, count: int, rho: float = 0.5) -> FloatArray:
    lasts = np.random.default_rng(seed).standard_normal(count)
    for at in range(1, count):
        lasts[at] += rho * lasts[at - 1]
    return lasts


def weeks(effect: float, seed: int = 1) -> DailyTable:
    """364 days around 100; days with the effect are lower by `effect`."""
    days = np.arange(364) + FIRST.toordinal()
    values = (
        100
        + noise(seed, 364)
        - effect * treatment_indicator(days, ALTERNATING.reporting.first, WEEKS)
    )
    return DailyTable(days, values, {"parts": 300 + noise(seed + 100, 364)})


def half_of(whole: DailyTable) -> DailyTable:
    """The first half of a year: an equally valid test that runs faster."""
    return whole.filter(np.arange(len(whole.days)) < 182)


def machines(effect: float, seed: int = 1, **parts: float) -> dict[str, DailyTable]:
    """180 days of four machines with shared noise, two of them lower by `effect`."""
    days = np.arange(180) + FIRST.toordinal()
    shared = 5 * noise(seed + 50, 180)
    tables = {}
    for at, name in enumerate(MACHINES.all):
        treated = (days >= TURN.toordinal()) & (name in MACHINES.having)
        made = 300 + 10 * np.random.default_rng(seed * 9 + at).standard_normal(180)
        own = 100 + 3 * at + shared + noise(seed * 10 + at, 180)
        own += parts.get("parts", 0.0) * made
        tables[name] = DailyTable(days, own - effect * treated, {"parts": made})
    return tables


class TestSwitchback:
    def test_blocks_alternate_and_start_with_the_effect(self) -> None:
        days = np.arange(21) + FIRST.toordinal()
        treated = treatment_indicator(days, ALTERNATING.reporting.first, WEEKS)
        assert treated.tolist() == [1.0] * 7 + [0.0] * 7 + [1.0] * 7

    def test_saving_is_that_of_days_with_the_effect(self) -> None:
        # 26 weeks with the effect, six days of each count: 5 a day on 156 days.
        one, baseline = switchback_savings(weeks(5.0), ALTERNATING, WEEKS)
        assert one.estimate == pytest.approx(5 * 156, rel=0.1)
        assert one.actual == pytest.approx(95 * 156, rel=0.01)
        assert one.baseline == pytest.approx(one.actual + one.estimate)
        assert baseline.names == ("constant",)
        assert 0 < one.lower_bound(0.95) < one.estimate

    def test_standard_error_is_below_twice_that_of_independent_noise(self) -> None:
        # Noise that lasts for weeks affects both sides of the comparison.
        one, _ = switchback_savings(weeks(5.0), ALTERNATING, WEEKS)
        independent = 156 * (1.33 * 2 / 156) ** 0.5
        assert one.mixture.standard_error < 2 * independent

    def test_saving_is_adjusted_by_a_variable(self) -> None:
        whole = weeks(5.0)
        driven = replace(whole, values=whole.values + 2 * whole.variables["parts"])
        one, baseline = switchback_savings(driven, replace(ALTERNATING, variables=PARTS), WEEKS)
        assert baseline.names == ("constant", "parts")
        assert one.estimate == pytest.approx(5 * 156, rel=0.1)

    def test_saving_is_weighted_and_reversed_if_more_is_better(self) -> None:
        agreed = replace(ALTERNATING, variables=PARTS, unit="kWh/pcs", weight="parts")
        one, _ = switchback_savings(weeks(5.0), agreed, WEEKS)
        assert one.estimate == pytest.approx(5 * 156 * 300, rel=0.1)
        more, _ = switchback_savings(weeks(5.0), replace(agreed, more_is_better=True), WEEKS)
        assert more.estimate == -one.estimate

    def test_plants_without_an_effect_are_rarely_billed(self) -> None:
        billed = [
            switchback_savings(half_of(weeks(0.0, seed)), ALTERNATING, WEEKS)[0].lower_bound(0.95)
            > 0
            for seed in range(PLANTS)
        ]
        assert sum(billed) <= MOST_BILLED

    def test_proportional_effect_is_measured(self) -> None:
        # A tenth of each day's baseline, whatever that is.
        whole = weeks(0.0)
        treated = treatment_indicator(whole.days, ALTERNATING.reporting.first, WEEKS)
        without = whole.values + 2 * whole.variables["parts"]
        told = replace(whole, values=without * (1 - 0.1 * treated))
        one, _ = switchback_savings(told, replace(ALTERNATING, variables=PARTS), WEEKS)
        counts = np.arange(364) % 7 >= 1
        assert one.estimate == pytest.approx(0.1 * without @ (treated * counts), rel=0.05)

    def test_standard_error_does_not_depend_on_the_saved_share(self) -> None:
        # The same plant with 30 % less on days with the effect: the baseline is as uncertain.
        whole = weeks(0.0, 3)
        treated = treatment_indicator(whole.days, ALTERNATING.reporting.first, WEEKS)
        less = replace(whole, values=whole.values * (1 - 0.3 * treated))
        plain, saving = (switchback_savings(one, ALTERNATING, WEEKS)[0] for one in (whole, less))
        assert saving.mixture.standard_error == pytest.approx(plain.mixture.standard_error)

    def test_variance_ratio_of_treated_days_raises_the_error_at_most_twofold(self) -> None:
        # Almost no consumption is left, with unchanged noise: the error at most doubles.
        whole = weeks(0.0, 3)
        treated = treatment_indicator(whole.days, ALTERNATING.reporting.first, WEEKS)
        gone = replace(whole, values=whole.values - 95 * treated)
        plain, saving = (switchback_savings(one, ALTERNATING, WEEKS)[0] for one in (whole, gone))
        assert 1 < saving.mixture.standard_error / plain.mixture.standard_error < 2

    def test_days_with_the_effect_contribute_to_the_noise_model(self) -> None:
        one, _ = switchback_savings(weeks(5.0), ALTERNATING, WEEKS)
        assert len(one.mixture.weights) == 4

    def test_days_with_a_constant_variable_are_not_used_for_the_noise_model(self) -> None:
        whole = weeks(5.0)
        treated = treatment_indicator(whole.days, ALTERNATING.reporting.first, WEEKS)
        parts = np.where(treated == 1, 300.0, whole.variables["parts"])
        still = replace(whole, variables={"parts": parts})
        one, _ = switchback_savings(still, replace(ALTERNATING, variables=PARTS), WEEKS)
        assert len(one.mixture.weights) == 2
        assert one.estimate == pytest.approx(5 * 156, rel=0.1)

    @pytest.mark.parametrize(
        ("keep", "told"),
        [
            ("with", "0 complete days are too few"),
            ("without", "The reporting period has no complete day"),
            ("neither", "0 complete days are too few"),
        ],
    )
    def test_study_with_only_one_kind_of_days_is_rejected(self, keep: str, told: str) -> None:
        whole = weeks(5.0)
        treated = treatment_indicator(whole.days, ALTERNATING.reporting.first, WEEKS)
        side = {"with": treated == 1, "without": treated == 0, "neither": treated > 1}[keep]
        with pytest.raises(BaselineFitFailed, match=told):
            switchback_savings(whole.filter(side), ALTERNATING, WEEKS)


def beside(
    tables: Mapping[str, DailyTable],
    agreed: MeasurementPlan = BESIDE,
    machines: MachineGroups = MACHINES,
) -> tuple[SavingsEstimate, BaselineModel]:
    """The saving with terms selected from the days before, and their baseline."""
    before = {
        name: one.filter(one.days < agreed.reporting.first.toordinal())
        for name, one in tables.items()
    }
    baseline = select_baseline(compare_machine_groups(before, agreed, machines).difference, agreed)
    return holdout_savings(tables, baseline.terms, agreed, machines), baseline


class TestMachineGroups:
    def test_saving_is_that_of_machines_with_the_effect(self) -> None:
        # 4 a day for two machines on 60 days; differences exclude the shared noise.
        one, baseline = beside(machines(4.0))
        assert one.estimate == pytest.approx(4 * 2 * 60, rel=0.15)
        assert one.mixture.standard_error < 60
        assert baseline.names == ("constant",)

    def test_standard_error_does_not_depend_on_the_saved_share(self) -> None:
        # Both machines with the effect use half, so their noise is halved; the baseline's is not.
        plain, less = machines(0.0, parts=2.0), machines(0.0, parts=2.0)
        for name in MACHINES.having:
            was = plain[name]
            less[name] = replace(
                was, values=was.values * np.where(was.days < TURN.toordinal(), 1, 0.5)
            )
        agreed = replace(BESIDE, variables=PARTS)
        known, saving = (beside(one, agreed)[0] for one in (plain, less))
        true = sum(
            float((plain[name].values - less[name].values).sum()) for name in MACHINES.having
        )
        assert saving.estimate - true == pytest.approx(
            known.estimate, abs=0.2 * known.mixture.standard_error
        )
        assert saving.mixture.standard_error == pytest.approx(known.mixture.standard_error, rel=0.1)
        assert saving.baseline == pytest.approx(saving.actual + saving.estimate)

    def test_saving_is_adjusted_by_the_difference_of_a_variable(self) -> None:
        agreed = replace(BESIDE, variables=PARTS)
        one, baseline = beside(machines(4.0, parts=2.0), agreed)
        assert baseline.names == ("constant", "parts")
        assert one.estimate == pytest.approx(4 * 2 * 60, rel=0.15)

    def test_saving_of_a_rate_is_weighted_by_its_variable(self) -> None:
        agreed = replace(BESIDE, variables=PARTS, unit="kWh/pcs", weight="parts")
        one, _ = beside(machines(4.0), agreed)
        assert one.estimate == pytest.approx(4 * 2 * 60 * 300, rel=0.15)

    @pytest.mark.parametrize("after", [True, False])
    def test_tables_without_days_of_one_period_are_rejected(self, after: bool) -> None:
        turn = TURN.toordinal()
        tables = {
            name: one.filter((one.days >= turn) == after) for name, one in machines(4.0).items()
        }
        with pytest.raises(BaselineFitFailed, match="both with and without"):
            holdout_savings(tables, RegressionTerms(), BESIDE, MACHINES)

    def test_days_missing_for_one_machine_are_ignored(self) -> None:
        tables = machines(4.0)
        tables["c"] = tables["c"].filter(tables["c"].days % 5 != 0)
        one, baseline = beside(tables)
        assert len(baseline.residuals) == 96
        assert one.estimate == pytest.approx(4 * 2 * 48, rel=0.2)

    def test_variable_equal_on_all_machines_is_rejected(self) -> None:
        tables = {
            name: replace(one, variables={"parts": np.arange(180.0)})
            for name, one in machines(4.0).items()
        }
        with pytest.raises(BaselineFitFailed, match="parts has the same value on all days"):
            beside(tables, replace(BESIDE, variables=PARTS))

    def test_plants_without_an_effect_are_rarely_billed(self) -> None:
        billed = [
            holdout_savings(machines(0.0, seed), RegressionTerms(), BESIDE, MACHINES).lower_bound(
                0.95
            )
            > 0
            for seed in range(PLANTS)
        ]
        assert sum(billed) <= MOST_BILLED
