"""Slots of the day in the time zone of the tariff; pure.

A slot is found by the clock on the wall, as the tariff is. On days on which the clock is changed,
slots are repeated or left out like the hours of the tariff.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from gateway.agents.definitions.schedule import ScheduleStep


def slot_of(step: ScheduleStep, at: datetime) -> int:
    """Return the slot of the day that contains a time, from 0."""
    local = at.astimezone(step.zone)
    return int((local.hour * 3600 + local.minute * 60 + local.second) // step.slot_s)


def local_day(step: ScheduleStep, at: datetime) -> date:
    """Return the day of a time in the time zone of the tariff."""
    return at.astimezone(step.zone).date()


def start_of_day(step: ScheduleStep, day: date) -> datetime:
    """Return the midnight at which a day begins, in UTC."""
    return datetime.combine(day, time(), step.zone).astimezone(UTC)


def is_whole_day(step: ScheduleStep, day: date) -> bool:
    """Return whether a day has 24 hours; the clock is changed on others."""
    length = start_of_day(step, day + timedelta(days=1)) - start_of_day(step, day)
    return length == timedelta(days=1)


def slot_starts(step: ScheduleStep, at: datetime) -> Iterator[datetime]:
    """Return the starts of the next slots within the horizon; the first one starts now."""
    count = round(step.horizon_s / step.slot_s)
    begun = timedelta(seconds=_begun_s(step, at))
    yield at
    for index in range(1, count):
        yield at - begun + timedelta(seconds=step.slot_s * index)


def slot_share(step: ScheduleStep, at: datetime) -> float:
    """Return which part of the slot that contains a time is still to come, above 0, up to 1."""
    return 1.0 - _begun_s(step, at) / step.slot_s


def _begun_s(step: ScheduleStep, at: datetime) -> float:
    """Return for how many seconds the slot of a time has lasted."""
    local = at.astimezone(step.zone)
    seconds = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
    return seconds % step.slot_s
