"""The time of the fake Stripe, which a test can advance.

Webhooks are signed with wall time, as those who verify them compare with wall time.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from infra.clock import SystemClock


class MovableClock(Protocol):
    """The clock interface of the fake Stripe."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        ...

    def advance(self, by: timedelta) -> None:
        """Advance the clock."""
        ...


class SteppedClock(SystemClock):
    """A clock that stands still until advanced; also usable as the product's clock."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, 8, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
