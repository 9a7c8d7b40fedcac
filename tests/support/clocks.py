"""Clocks that a test can set."""

from datetime import datetime, timedelta

from billing.metering.quotas import next_month_start
from infra.clock import SystemClock
from tests.support.stories.story import Calendar

# Accounts are billed by Shanghai's months, which begin before those of UTC.
_SHANGHAI_OFFSET = timedelta(hours=8)


class ShiftedClock(SystemClock):
    """The machine's clock, shifted forward. Durations are unchanged."""

    def __init__(self) -> None:
        self._shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self._shift

    def to(self, at: datetime) -> None:
        self._shift += at - self.now()

    def to_middle_of_month(self) -> None:
        """Move to a day with full days of its month before and after it."""
        self.to(next_month_start(self.now()) + timedelta(days=14, hours=4))

    def to_late_in_month(self) -> None:
        """Move back to about the 20th of a month, so that much of a month is past."""
        day = self.now().day
        self._shift -= timedelta(days=day - 20 if day >= 20 else day + 10)

    def to_next_month(self) -> None:
        """Move to one minute after the start of the next month in UTC and in Shanghai."""
        start = next_month_start(self.now() + _SHANGHAI_OFFSET)
        self._shift += start - self.now() + timedelta(minutes=1)


class CalendarClock(SystemClock):
    """A clock with settable dates; durations are the machine's."""

    def __init__(self) -> None:
        self.calendar = Calendar()

    def now(self) -> datetime:
        return self.calendar.now()
