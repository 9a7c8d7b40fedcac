"""Brier score, skill and calibration by hand."""

from datetime import UTC, datetime, timedelta

from billing.outcomes.predictions.alarms import Forecast, ObservedEvent, Period, WarningPolicy
from billing.outcomes.predictions.assessment import Requirements
from billing.outcomes.predictions.scores import CalibrationBin, Scores, score

DAY = timedelta(days=1)
START = datetime(2027, 1, 1, tzinfo=UTC)
PERIOD = Period(START, START + 30 * DAY)
POLICY = WarningPolicy(500_000, timedelta(), 14 * DAY, DAY)


def forecast(day: int, ppm: int | None) -> Forecast:
    at = START + day * DAY
    verdict = "yes" if (ppm or 0) >= 500_000 else "no"
    return Forecast(str(day), "M1", at, at, at + 5 * DAY, verdict, ppm)


def scored(*forecasts: Forecast, now: int = 30) -> Scores:
    events = [ObservedEvent("e", "M1", START + 3 * DAY)]
    required = Requirements(990_000, 500_000, 500_000)
    return score(POLICY, required, ["M1"], PERIOD, forecasts, events, START + now * DAY)


def test_brier_score_and_calibration_of_three_records() -> None:
    """(0.8 - 1)^2 = 0.04, (0.1 - 0)^2 = 0.01, (0.3 - 0)^2 = 0.09: mean 0.046667.
    Observed frequency 1/3: reference 2/9; skill 1 - 0.046667 / 0.222222 = 0.79."""
    found = scored(forecast(0, 800_000), forecast(10, 100_000), forecast(20, 300_000))
    assert (found.records, found.resolved) == (3, 3)
    assert (found.brier, found.brier_reference, found.brier_skill) == (0.046667, 0.222222, 0.79)
    assert found.calibration == (
        CalibrationBin(0.1, 0.2, 1, 0.1, 0.0),
        CalibrationBin(0.3, 0.4, 1, 0.3, 0.0),
        CalibrationBin(0.8, 0.9, 1, 0.8, 1.0),
    )
    assert found.assessment.hits == 1


def test_record_with_an_open_horizon_or_without_probability_is_not_scored() -> None:
    found = scored(forecast(0, None), forecast(20, 200_000), now=22)
    assert (found.records, found.resolved, found.brier, found.brier_skill) == (2, 0, None, None)


def test_event_within_an_open_horizon_resolves_the_record() -> None:
    found = scored(forecast(0, 1_000_000), now=4)
    assert (found.resolved, found.brier, found.brier_skill) == (1, 0.0, None)
    assert found.calibration[0].upper == 1.0
