"""Selection of the billing period that a page shows, by its first day (`2026-11-01`)."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import local_day, parse_time_zone
from billing.subscriptions.periods import ensure_period_at, list_past_periods
from billing.tables import BillingPeriod

_MAX_PERIODS = 24


@dataclass(frozen=True, slots=True)
class Periods:
    """The billing period that is shown, and all that can be selected, newest first."""

    shown: BillingPeriod
    all: tuple[BillingPeriod, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the shown period."""
        return parse_time_zone(self.shown.time_zone)

    @property
    def days(self) -> list[date]:
        """The first days of all periods."""
        return [first_day(period) for period in self.all]

    @property
    def day(self) -> date:
        """The first day of the shown period."""
        return first_day(self.shown)


def first_day(period: BillingPeriod) -> date:
    """Return a period's first day in its time zone."""
    return local_day(period.starts_at, parse_time_zone(period.time_zone))


async def read_periods(
    session: AsyncSession, account_id: UUID, now: datetime, requested: str | None
) -> Periods:
    """Load the newest billing periods, and select the requested one, else the running one."""
    running = await ensure_period_at(session, account_id, now)
    periods = await list_past_periods(session, account_id, running.starts_at, _MAX_PERIODS)
    shown = next(
        (period for period in periods if first_day(period).isoformat() == requested), running
    )
    return Periods(shown, tuple(periods))
