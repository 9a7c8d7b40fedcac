"""Schedules of EPCIS subscriptions: the next time at which all given fields match.

Fields as in EPCIS 2.0: `second`, `minute`, `hour`, `dayOfMonth`, `month` and `dayOfWeek` (Monday
is 1), each a number, a range `[1-5]`, or a list `0,15,[30-35]`. A field left out matches all
values, but `second`, `minute` and `hour` are 0 if only larger units are given. Times are UTC.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.plant.epcis.errors import SubscriptionInvalid

_RANGES = {
    "second": range(60),
    "minute": range(60),
    "hour": range(24),
    "dayOfMonth": range(1, 32),
    "month": range(1, 13),
    "dayOfWeek": range(1, 8),
}
_ENTRY = re.compile(r"\[?([0-9]{1,2})(?:-([0-9]{1,2}))?\]?")
_MAX_DAYS = 366 * 8 + 1  # 29 February that is a certain day of the week can be years away
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """Values of each field that match."""

    fields: Mapping[str, Sequence[int]]

    def next_after(self, time: datetime) -> datetime | None:
        """Return the first matching second after a time (UTC), None if there is none."""
        first = time.replace(microsecond=0) + timedelta(seconds=1)
        for number in range(_MAX_DAYS):
            day = (first + timedelta(days=number)).replace(hour=0, minute=0, second=0)
            if not self._matches_day(day):
                continue
            found = self._next_in(day, first)
            if found is not None:
                return found
        return None

    def _matches_day(self, day: datetime) -> bool:
        """Return whether a day matches."""
        return (
            day.day in self.fields["dayOfMonth"]
            and day.month in self.fields["month"]
            and day.isoweekday() in self.fields["dayOfWeek"]
        )

    def _next_in(self, day: datetime, first: datetime) -> datetime | None:
        """Return the first matching second of a day, not before `first`."""
        for hour in self.fields["hour"]:
            if day + timedelta(hours=hour + 1) <= first:
                continue
            for minute in self.fields["minute"]:
                for second in self.fields["second"]:
                    found = day.replace(hour=hour, minute=minute, second=second)
                    if found >= first:
                        return found
        return None


def parse_schedule(raw: Any) -> Schedule:
    """Parse a schedule. Raises SubscriptionInvalid."""
    if not isinstance(raw, dict) or not raw or not set(raw) <= set(_RANGES):
        known = ", ".join(_RANGES)
        raise SubscriptionInvalid(f"`schedule` has fields of {known}.", param="schedule")
    given = {name: _values(name, text) for name, text in raw.items()}
    names = list(_RANGES)
    finest = min(names.index(name) for name in given)
    for index, name in enumerate(names):
        all_values = list(_RANGES[name])
        is_finer = index < min(finest, 3)
        given.setdefault(name, [0] if is_finer else all_values)
    schedule = Schedule(given)
    if schedule.next_after(datetime(2000, 1, 1)) is None:  # noqa: DTZ001  # any day
        raise SubscriptionInvalid("`schedule` never matches.", param="schedule")
    return schedule


def _values(name: str, text: Any) -> Sequence[int]:
    """Return the sorted values of a field. Raises SubscriptionInvalid."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    found: set[int] = set()
    is_short = isinstance(text, str) and len(text) <= _MAX_TEXT
    for entry in str(text).split(",") if is_short else [""]:
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise _invalid(name)
        first, last = int(match[1]), int(match[2] or match[1])
        found |= set(range(first, last + 1))
    if not found or not found <= set(_RANGES[name]):
        raise _invalid(name)
    return sorted(found)


def _invalid(name: str) -> SubscriptionInvalid:
    """Return the error of a field."""
    allowed = _RANGES[name]
    return SubscriptionInvalid(
        f"`schedule.{name}` is a list of numbers or ranges from {allowed[0]} to {allowed[-1]}, "
        "such as `0,15` or `[8-17]`.",
        param=f"schedule.{name}",
    )
