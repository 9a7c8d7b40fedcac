"""Periods: which billing period a page is about, and choosing another.

A period goes by its first day, as `2026-11-01`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import day_of, zone_of
from billing.subscriptions.periods import past_periods, running_period
from billing.tables import BillingPeriod

_MOST = 24


@dataclass(frozen=True, slots=True)
class Periods:
    """The one that is shown, and all that can be chosen, the newest first."""

    shown: BillingPeriod
    all: tuple[BillingPeriod, ...]

    @property
    def zone(self) -> ZoneInfo:
        """By whose clocks the shown period has its days."""
        return zone_of(self.shown.time_zone)

    @property
    def days(self) -> list[date]:
        """The first days of all."""
        return [first_day(one) for one in self.all]

    @property
    def day(self) -> date:
        """The first day of the shown one."""
        return first_day(self.shown)


def first_day(period: BillingPeriod) -> date:
    """By the period's own calendar."""
    return day_of(period.starts_at, zone_of(period.time_zone))


async def read_periods(
    session: AsyncSession, account_id: UUID, now: datetime, asked: str | None
) -> Periods:
    """The account's newest periods; shown is the asked one, or the running one where there is no
    such."""
    running = await running_period(session, account_id, now)
    found = await past_periods(session, account_id, running.starts_at, _MOST)
    shown = next((one for one in found if first_day(one).isoformat() == asked), running)
    return Periods(shown, tuple(found))
