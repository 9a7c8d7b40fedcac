"""What an agent did, cost and saved in a time range, by day or month in UTC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from gateway.agents.savings.evidence import list_denials, list_failures
from gateway.agents.savings.method import join_events, resolve
from gateway.agents.savings.recommendations import list_recommendations
from gateway.agents.savings.values import Activity, Event, PeriodSavings, Result
from gateway.agents.store.agents import read_definition
from gateway.agents.store.days import list_days
from gateway.tables.agents import Agent, AgentDay
from gateway.tables.plant import PlantAsset
from infra.clock import Clock

_DAY = timedelta(days=1)


class Interval(StrEnum):
    """The length of the periods of a list."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Savings:
    """An agent's savings: of the whole range, and by period, the oldest first."""

    currency: str
    interval: Interval
    total: PeriodSavings
    periods: tuple[PeriodSavings, ...]


async def load_savings(
    session: AsyncSession,
    clock: Clock,
    row: Agent,
    first: date,
    last: date,
    interval: Interval = Interval.MONTH,
) -> Savings:
    """Return the savings of an agent from a day to another, both included, in UTC."""
    starts_at, ends_at, now = _midnight(first), _midnight(last + _DAY), clock.now()
    asset = await session.get_one(PlantAsset, row.asset_id)
    step = read_definition(row.definition).outlook_step
    event = "" if step is None else step.event
    recommendations = await list_recommendations(session, row, starts_at, ends_at)
    since = min([starts_at, *(one.at for one in recommendations)])
    until = max([min(ends_at, now), *(min(one.until, now) for one in recommendations)])
    failures = await list_failures(session, asset, event, since, until + timedelta(microseconds=1))
    denied = await list_denials(session, asset, event, since, until)
    results, missed = resolve(recommendations, join_events(failures), denied, now)
    days = await list_days(session, row.account_id, row.id, first, last)
    spans = list(_spans(first, last, interval))
    return Savings(
        await get_account_currency(session, row.account_id),
        interval,
        _period(starts_at, ends_at, days, results, missed),
        tuple(_period(since, until, days, results, missed) for since, until in spans),
    )


def _period(
    starts_at: datetime,
    ends_at: datetime,
    days: Sequence[AgentDay],
    results: Sequence[Result],
    missed: Sequence[Event],
) -> PeriodSavings:
    """Return what falls into a period."""
    counted = [one for one in days if starts_at <= _midnight(one.day) < ends_at]
    sums = (sum(getattr(day, one.name) for day in counted) for one in fields(Activity))
    return PeriodSavings(
        starts_at,
        ends_at,
        Activity(*sums),
        tuple(one for one in results if starts_at <= one.recommendation.at < ends_at),
        tuple(one for one in missed if starts_at <= one.at < ends_at),
    )


def _spans(first: date, last: date, interval: Interval) -> Iterator[tuple[datetime, datetime]]:
    """Yield the periods of a range; the first and the last month may be parts of one."""
    day = first
    while day <= last:
        following = day + _DAY if interval is Interval.DAY else _next_month(day)
        yield _midnight(day), _midnight(min(following, last + _DAY))
        day = following


def _next_month(day: date) -> date:
    """Return the first day of the next month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    """Return the start of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
