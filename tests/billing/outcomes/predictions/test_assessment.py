"""The rule of payment: figures by hand, and what always, never and random warnings come to."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.outcomes.predictions.alarms import Forecast, ObservedEvent, Period, WarningPolicy
from billing.outcomes.predictions.assessment import Assessment, Requirements, assess, chance_of
from load.simulation.predictors import (
    HALF_YEAR,
    NO_SKILL,
    POLICY,
    SKILLED,
    SUBJECTS,
    Predictor,
    simulate_plant,
)

DAY = timedelta(days=1)
START = datetime(2027, 1, 1, tzinfo=UTC)
PERIOD = Period(START, START + 100 * DAY)
RULE = WarningPolicy(600_000, timedelta(), 10 * DAY, 3 * DAY)
REQUIRED = Requirements(990_000, 500_000, 500_000)


def warning(subject: str, day: int, supports: bool = True) -> Forecast:
    at = START + day * DAY
    return Forecast(f"{subject}{day}", subject, at, at, at + 30 * DAY, "yes", 900_000, supports)


def event(subject: str, day: float) -> ObservedEvent:
    return ObservedEvent(f"{subject}-{day}", subject, START + day * DAY)


def assessed(warnings: list[Forecast], events: list[ObservedEvent]) -> Assessment:
    return assess(RULE, REQUIRED, ("M1", "M2"), PERIOD, warnings, events)


class TestChance:
    def test_chance_is_the_tail_of_the_poisson_binomial_distribution(self) -> None:
        assert chance_of(2, [0.1, 0.2]) == pytest.approx(0.02)
        assert chance_of(1, [0.1, 0.2]) == pytest.approx(1 - 0.9 * 0.8)
        assert chance_of(0, [0.1]) == 1.0
        assert chance_of(3, [1.0, 1.0, 1.0]) == 1.0


class TestFiguresByHand:
    def test_three_hits_of_three_with_a_tenth_of_the_time_under_alarm_are_paid(self) -> None:
        """M1: 2 alarms of 10 days = 20 %, M2: 10 %. Chance 0.2 x 0.2 x 0.1 = 0.4 %."""
        found = assessed(
            [warning("M1", 10), warning("M1", 50), warning("M2", 30)],
            [event("M1", 15), event("M1", 58), event("M2", 31)],
        )
        assert (found.events, found.hits, found.warnings, found.true_warnings) == (3, 3, 3, 3)
        assert (found.alarm_ppm, found.chance_ppm) == (150_000, 4_000)
        assert (found.precision_ppm, found.recall_ppm) == (1_000_000, 1_000_000)
        assert found.skill_ppm == round((1 - 0.5 / 3) * 1_000_000)
        # The lowest rate r with r^3 = 1 %: 0.215443; less the mean share of alarm, 0.166667.
        assert found.skill_lower_ppm == 48_777
        assert found.lead_hours == 120.0
        assert found.is_paid

    def test_two_hits_of_two_are_not_enough(self) -> None:
        found = assessed([warning("M1", 10), warning("M1", 50)], [event("M1", 15), event("M1", 58)])
        assert (found.chance_ppm, found.failed) == (40_000, ("skill",))

    def test_missed_events_lower_recall(self) -> None:
        missed = [event("M2", day) for day in (20, 40, 60, 80)]
        hits = [event("M1", 15), event("M1", 58), event("M1", 75)]
        warnings = [warning("M1", 10), warning("M1", 50), warning("M1", 70)]
        found = assessed(warnings, [*hits, *missed])
        assert (found.recall_ppm, found.failed) == (428_571, ("skill", "recall"))

    def test_false_warnings_lower_precision(self) -> None:
        false = [warning("M2", day) for day in (0, 20, 40, 60)]
        hits = [event("M1", 15), event("M1", 58), event("M1", 71)]
        found = assessed([warning("M1", 10), warning("M1", 50), warning("M1", 70), *false], hits)
        assert (found.precision_ppm, found.failed) == (428_571, ("skill", "precision"))

    def test_warnings_of_a_revoked_key_are_alarms_that_cover_nothing(self) -> None:
        found = assessed([warning("M1", 10, supports=False)], [event("M1", 15)])
        assert (found.hits, found.alarm_ppm, found.lead_hours) == (0, 50_000, None)

    def test_other_subjects_and_times_do_not_count(self) -> None:
        found = assessed([warning("M9", 10)], [event("M9", 15), event("M1", -1), event("M1", 100)])
        assert (found.events, found.warnings, found.is_paid) == (0, 0, False)

    def test_always_warning_has_no_skill(self) -> None:
        daily = [warning(subject, day) for subject in ("M1", "M2") for day in range(-1, 100)]
        events = [event("M1", day) for day in range(5, 100, 10)]
        found = assessed(daily, events)
        assert (found.hits, found.recall_ppm) == (10, 1_000_000)
        assert (found.skill_ppm, found.chance_ppm, found.alarm_ppm) == (0, 1_000_000, 1_000_000)
        assert "skill" in found.failed


def paid_seeds(predictor: Predictor, seeds: int) -> int:
    """How many simulated half years with 20 failures are paid."""
    paid = 0
    for seed in range(seeds):
        plant = simulate_plant(seed, 20)
        found = assess(POLICY, REQUIRED, SUBJECTS, HALF_YEAR, predictor(plant), plant.failures)
        paid += found.is_paid
    return paid


class TestSimulatedPredictors:
    """docs/decisions/0090 has the figures of all predictors over 100 seeds each."""

    @pytest.mark.parametrize("name", [name for name in NO_SKILL if "random," in name])
    def test_random_warnings_are_unpaid_in_99_of_100_seeds(self, name: str) -> None:
        assert paid_seeds(NO_SKILL[name], 100) <= 1

    @pytest.mark.parametrize("name", ["never", "always", "always, half of the subjects"])
    def test_warning_always_or_never_is_unpaid(self, name: str) -> None:
        assert paid_seeds(NO_SKILL[name], 10) == 0

    def test_precision_and_recall_of_seven_tenths_are_paid_in_90_of_100_seeds(self) -> None:
        assert paid_seeds(SKILLED["precision 0.7, recall 0.7"], 100) >= 90
