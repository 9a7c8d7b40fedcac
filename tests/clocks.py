"""Clocks that a test can set."""

from datetime import datetime, timedelta

from billing.quotas import next_month
from infra.clock import SystemClock


class ShiftedClock(SystemClock):
    """The machine's clock, moved on. Durations are as they are."""

    def __init__(self) -> None:
        self._shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self._shift

    def to_next_month(self) -> None:
        """To a minute after the next month has begun."""
        self._shift += next_month(self.now()) - self.now() + timedelta(minutes=1)
