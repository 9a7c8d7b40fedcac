"""Alarms: intervals, coverage, time under alarm, and the number of warnings."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.outcomes.predictions.alarms import (
    Alarm,
    Forecast,
    ObservedEvent,
    Period,
    WarningPolicy,
    alarm_fraction,
    alarm_of,
    count_warnings,
    distinct_events,
    first_warning,
)

DAY = timedelta(days=1)
START = datetime(2027, 1, 1, tzinfo=UTC)
PERIOD = Period(START, START + 100 * DAY)
POLICY = WarningPolicy(600_000, DAY, 10 * DAY, 3 * DAY)


def forecast(
    day: float, days: float = 30, ppm: int | None = 800_000, verdict: str = "yes"
) -> Forecast:
    at = START + day * DAY
    return Forecast(f"r{day}", "M1", at, at, at + days * DAY, verdict, ppm)


def alarms(*days: float) -> list[Alarm]:
    return [one for day in days if (one := alarm_of(POLICY, forecast(day))) is not None]


class TestAlarm:
    def test_alarm_begins_after_the_lead_and_ends_with_the_window(self) -> None:
        (alarm,) = alarms(5)
        assert (alarm.since, alarm.until) == (START + 6 * DAY, START + 15 * DAY)
        assert alarm.covers(START + 6 * DAY)
        assert alarm.covers(START + 15 * DAY)
        assert not alarm.covers(START + 5.9 * DAY)

    def test_alarm_ends_with_a_shorter_horizon(self) -> None:
        alarm = alarm_of(POLICY, forecast(5, days=3))
        assert alarm is not None
        assert alarm.until == START + 8 * DAY

    @pytest.mark.parametrize(
        "one",
        [
            forecast(5, ppm=599_999),
            forecast(5, ppm=None),
            forecast(5, verdict="no"),
            forecast(5, verdict="uncertain"),
            forecast(5, days=0.5),
        ],
    )
    def test_record_without_a_usable_warning_has_no_alarm(self, one: Forecast) -> None:
        assert alarm_of(POLICY, one) is None

    def test_alarm_of_a_revoked_key_covers_nothing(self) -> None:
        assert not Alarm(START, START + DAY, START, supports=False).covers(START)


class TestCounting:
    def test_overlapping_alarms_count_once_in_the_time_under_alarm(self) -> None:
        assert alarm_fraction(alarms(5, 7), PERIOD) == pytest.approx(0.11)

    def test_alarms_outside_of_the_period_do_not_count(self) -> None:
        assert alarm_fraction(alarms(-20, 100), PERIOD) == 0.0
        assert alarm_fraction(alarms(-5), PERIOD) == pytest.approx(0.05)

    def test_warning_without_an_event_is_one_false_warning(self) -> None:
        assert count_warnings(alarms(5), [], PERIOD, POLICY.window) == (1, 0)

    def test_warnings_repeated_until_the_event_are_one_true_warning(self) -> None:
        event = START + 12 * DAY
        assert count_warnings(alarms(5, 7, 9, 11.5), [event], PERIOD, POLICY.window) == (1, 1)

    def test_warning_all_the_time_counts_once_per_window(self) -> None:
        daily = alarms(*range(-2, 100))
        event = START + 55 * DAY
        assert count_warnings(daily, [event], PERIOD, POLICY.window) == (6 + 4, 1)

    def test_alarm_open_at_the_end_of_the_period_does_not_count_yet(self) -> None:
        assert count_warnings(alarms(95), [], PERIOD, POLICY.window) == (0, 0)


class TestEvents:
    def test_events_of_a_subject_within_apart_are_one(self) -> None:
        events = [ObservedEvent(str(day), "M1", START + day * DAY) for day in (9, 1, 3, 4.5)]
        found = distinct_events(POLICY, events)["M1"]
        assert [one.id for one in found] == ["1", "4.5", "9"]

    def test_first_warning_is_the_earliest_that_covers_the_event(self) -> None:
        event = ObservedEvent("e", "M1", START + 12 * DAY)
        first = first_warning(POLICY, [forecast(8), forecast(5), forecast(1)], event)
        assert first is not None
        assert first.id == "r5"
        assert first_warning(POLICY, [forecast(1)], event) is None
