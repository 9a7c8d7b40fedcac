"""The stand-in's time: what it stamps on objects, and what a test moves on.

Webhooks are signed with wall time, as those who verify them compare with wall time.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from infra.clock import SystemClock


class MovableClock(Protocol):
    """What the stand-in needs of a clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        ...

    def advance(self, by: timedelta) -> None:
        """Move on."""
        ...


class SteppedClock(SystemClock):
    """Stands still until a test moves it; also fits where the product wants a clock."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, 8, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
