"""Alarms: when the warnings of a subject count, which events they cover, and how many they are.

A warning made at r with the horizon [from, to] is an alarm during

    [max(from, r + lead), min(to, r + window)]

An event is covered if it lies in an alarm. For precision, alarms of a subject are joined, end at
the event that they cover, and count once for each `window` of their length: who warns all the time
makes one warning per window. Pure; times are UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from billing.outcomes.predictions.content import PredictionVerdict

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A record as it is scored; without `supports` (a revoked key) it covers no event."""

    id: str
    subject: str
    recorded_at: datetime
    since: datetime
    until: datetime
    verdict: str
    probability_ppm: int | None
    supports: bool = True


@dataclass(frozen=True, slots=True)
class ObservedEvent:
    """An event that happened to a subject; `id` names the outcome or report."""

    id: str
    subject: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class WarningPolicy:
    """What makes a record a warning, and when it counts: probability, lead, window.

    Events of one subject within `apart` are one event.
    """

    probability_ppm: int
    lead: timedelta
    window: timedelta
    apart: timedelta

    def is_warning(self, forecast: Forecast) -> bool:
        """Return whether a record says yes with at least the probability."""
        ppm = forecast.probability_ppm
        said = forecast.verdict == PredictionVerdict.YES
        return said and ppm is not None and ppm >= self.probability_ppm


@dataclass(frozen=True, slots=True)
class Period:
    """A time range; the end itself is not part of it."""

    starts_at: datetime
    ends_at: datetime

    def contains(self, at: datetime) -> bool:
        """Return whether a time lies in the period."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class Alarm:
    """The time during which a warning counts, both ends included."""

    since: datetime
    until: datetime
    recorded_at: datetime
    supports: bool = True

    def covers(self, at: datetime) -> bool:
        """Return whether an event at this time is covered."""
        return self.supports and self.since <= at <= self.until


def alarm_of(policy: WarningPolicy, forecast: Forecast) -> Alarm | None:
    """Return the alarm of a record; None if it is no warning or leaves no time."""
    if not policy.is_warning(forecast):
        return None
    since = max(forecast.since, forecast.recorded_at + policy.lead)
    until = min(forecast.until, forecast.recorded_at + policy.window)
    if since > until:
        return None
    return Alarm(since, until, forecast.recorded_at, forecast.supports)


def distinct_events(
    policy: WarningPolicy, events: Iterable[ObservedEvent]
) -> dict[str, list[ObservedEvent]]:
    """Return the events by subject in order of time, without repeats within `apart`."""
    by_subject: dict[str, list[ObservedEvent]] = {}
    for event in sorted(events, key=lambda one: (one.happened_at, one.id)):
        known = by_subject.setdefault(event.subject, [])
        if not known or event.happened_at - known[-1].happened_at > policy.apart:
            known.append(event)
    return by_subject


def alarm_fraction(alarms: Iterable[Alarm], period: Period) -> float:
    """Return the share of a period that is under alarm, 0 to 1."""
    covered = sum(
        (until - since for since, until in _joined(_clipped(alarms, period))), timedelta()
    )
    return (covered // _MICROSECOND) / ((period.ends_at - period.starts_at) // _MICROSECOND)


def count_warnings(
    alarms: Iterable[Alarm], events: Sequence[datetime], period: Period, window: timedelta
) -> tuple[int, int]:
    """Return the number of warnings of a subject, and of those that an event followed.

    Warnings that were made before an event end at it. What is still open at the end of the period
    is not counted until its window is full.
    """
    total = true = 0
    bounds = [period.starts_at - _MICROSECOND, *events, period.ends_at]
    known = [one for one in alarms if one.since < period.ends_at and one.until >= bounds[0]]
    for earlier, end in pairwise(bounds):
        is_event = end != period.ends_at
        begun = [
            (since, min(one.until, end))
            for one in known
            if earlier < (since := max(one.since, period.starts_at)) <= end
            and (one.recorded_at > earlier or earlier == bounds[0])
        ]
        for since, until in _joined(begun):
            full, rest = divmod(until - since, window)
            if until < end or is_event:
                total += max(1, full + (rest > timedelta()))
                true += until == end
            else:
                total += full
    return total, true


def _clipped(alarms: Iterable[Alarm], period: Period) -> list[tuple[datetime, datetime]]:
    """Return the parts of alarms within a period."""
    return [
        (max(one.since, period.starts_at), min(one.until, period.ends_at))
        for one in alarms
        if one.since < period.ends_at and one.until >= period.starts_at
    ]


def _joined(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return spans in order of time, overlapping ones joined."""
    joined: list[tuple[datetime, datetime]] = []
    for since, until in sorted(spans):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined


def first_warning(
    policy: WarningPolicy, forecasts: Iterable[Forecast], event: ObservedEvent
) -> Forecast | None:
    """Return the earliest record whose alarm covers an event, None if it was missed."""
    covering = [
        one
        for one in forecasts
        if one.subject == event.subject
        and (alarm := alarm_of(policy, one)) is not None
        and alarm.covers(event.happened_at)
    ]
    return min(covering, key=lambda one: one.recorded_at, default=None)
