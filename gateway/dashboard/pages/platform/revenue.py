"""Revenue: what was earned month by month, and by plan, model, kind or account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import day_of, midnight
from billing.money import nano_per_minor
from billing.reports.revenue import (
    Earned,
    Month,
    Part,
    plan_names,
    revenue_by,
    revenue_by_month,
    running_usage,
)
from billing.subscriptions.plans import terms_of
from gateway.dashboard.charts import Chart, Series, height
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_PATH = "/dashboard/platform/revenue"
_MONTHS = 12
_PARTS = frozenset(Part)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for: a currency, one month of the year or all, divided by what."""

    currency: str
    month: date | None
    part: Part

    def address(self, **other: object) -> str:
        said = {"currency": self.currency, "month": self.month, "by": self.part, **other}
        shown = {name: _text(value) for name, value in said.items() if value is not None}
        return f"{_PATH}?{urlencode(shown)}"


@get("/platform/revenue", name="platform:revenue", permission=Permission.WATCH)
async def revenue(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    currency: FromQuery[str | None] = None,
    month: FromQuery[str | None] = None,
    by: FromQuery[str | None] = None,
) -> Response[str]:
    zone = platform_zone()
    months = _months(day_of(clock.now(), zone))
    async with database.transaction() as session:
        earned = await revenue_by_month(session, midnight(months[0], zone), clock.now(), zone)
        running = await running_usage(session)
        currencies = _currencies(earned, running)
        asked = Asked(
            currency if currency in currencies else next(iter(currencies), "CNY"),
            next((one for one in months if f"{one:%Y-%m}" == month), None),
            Part(by) if by in _PARTS else Part.PLAN,
        )
        time = _time(asked, months, zone, clock.now())
        parts = await revenue_by(session, asked.part, asked.currency, *time)
        names = await _names(session, viewing.language)
    own = {one.first_day: one for one in earned if one.currency == asked.currency}
    return viewing.page(
        "platform/revenue.html",
        asked=asked,
        currencies=currencies,
        months=[own[one] for one in reversed(months) if one in own],
        running=running.get(asked.currency, 0),
        parts=parts,
        whole=_whole(parts),
        names=names,
        charts=_chart(viewing, asked, months, own) if own else None,
    )


def _months(today: date) -> list[date]:
    """The first days of the last twelve months, this one included."""
    last = today.year * 12 + today.month - 1
    return [date(at // 12, at % 12 + 1, 1) for at in range(last - _MONTHS + 1, last + 1)]


def _time(
    asked: Asked, months: Sequence[date], zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    if asked.month is None:
        return midnight(months[0], zone), now
    following = months.index(asked.month) + 1
    until = midnight(months[following], zone) if following < len(months) else now
    return midnight(asked.month, zone), until


def _currencies(earned: Sequence[Month], running: Mapping[str, int]) -> list[str]:
    return list(dict.fromkeys([*(one.currency for one in earned), *running]))


def _whole(parts: Sequence[Earned]) -> int:
    """What shares are told of: parts that took something off are none of it."""
    return sum(max(0, one.minor) for one in parts)


async def _names(session: AsyncSession, language: str) -> dict[str, str]:
    """What plans are called."""
    versions = await plan_names(session)
    terms = await terms_of(session, versions.values())
    return {plan: terms[version].names[language] for plan, version in versions.items()}


def _chart(
    viewing: Viewing, asked: Asked, months: Sequence[date], own: Mapping[date, Month]
) -> Chart:
    writing, unit = viewing.writing, nano_per_minor(asked.currency)
    shown = [own.get(one) or Month(asked.currency, one, 0, 0, 0, 0) for one in months]

    def series(name: str, amounts: Sequence[int]) -> Series:
        texts = [writing.money(one, asked.currency) for one in amounts]
        return Series(name, [height(one * unit) for one in amounts], texts)

    together = viewing.say(marked("Net {amount}"))
    return Chart(
        title=viewing.say(marked("Revenue by month")),
        places=[writing.month(one) for one in months],
        series=[
            series(viewing.say(marked("Usage")), [one.usage for one in shown]),
            series(viewing.say(marked("Fees and outcomes")), [one.fees for one in shown]),
        ],
        totals=[together.format(amount=writing.money(one.net, asked.currency)) for one in shown],
        links=[asked.address(month=one) for one in months],
    )


def _text(value: object) -> str:
    return f"{value:%Y-%m}" if isinstance(value, date) else str(value)
