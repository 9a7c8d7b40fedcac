"""The page of revenue by month, broken down by plan, model, kind or account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import local_day, local_midnight
from billing.money import nano_per_minor
from billing.reports.deferred_revenue import deferred_lines_csv, load_deferred_lines
from billing.reports.margin import MarginDimension, MarginFilter, list_margins
from billing.reports.revenue import (
    MonthlyRevenue,
    RevenueDimension,
    RevenueShare,
    list_revenue_by,
    list_revenue_by_month,
    load_uninvoiced_usage,
    newest_plan_versions,
)
from billing.subscriptions.plans import load_terms
from gateway.dashboard.charts import Chart, Series, bar_height
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

_PATH = "/dashboard/platform/revenue"
_MONTHS = 12
_BREAKDOWNS = frozenset(RevenueDimension)
_MARGINS = frozenset(MarginDimension)


@dataclass(frozen=True, slots=True)
class RevenueQuery:
    """The query parameters of the page: currency, month (None for all), breakdown and margins."""

    currency: str
    month: date | None
    part: RevenueDimension
    margin: MarginDimension

    def address(self, **changes: object) -> str:
        """Return the page's URL with these parameters, after replacing those in `changes`."""
        params = {
            "currency": self.currency,
            "month": self.month,
            "by": self.part,
            "margin": self.margin,
            **changes,
        }
        query = {name: _query_value(value) for name, value in params.items() if value is not None}
        return f"{_PATH}?{urlencode(query)}"


@get("/platform/revenue", name="platform:revenue", permission=Permission.WATCH)
async def show_revenue(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    currency: FromQuery[str | None] = None,
    month: FromQuery[str | None] = None,
    by: FromQuery[str | None] = None,
    margin: FromQuery[str | None] = None,
) -> Response[str]:
    """Show revenue by month, account and model, and margins."""
    zone = platform_zone()
    months = _last_months(local_day(clock.now(), zone))
    async with database.transaction() as session:
        earned = await list_revenue_by_month(
            session, local_midnight(months[0], zone), clock.now(), zone
        )
        running = await load_uninvoiced_usage(session)
        currencies = _currencies(earned, running)
        query = RevenueQuery(
            currency if currency in currencies else next(iter(currencies), "CNY"),
            next((one for one in months if f"{one:%Y-%m}" == month), None),
            RevenueDimension(by) if by in _BREAKDOWNS else RevenueDimension.PLAN,
            MarginDimension(margin) if margin in _MARGINS else MarginDimension.MODEL,
        )
        time_range = _time_range(query, months, zone, clock.now())
        parts = await list_revenue_by(session, query.part, query.currency, *time_range)
        margins = await list_margins(session, query.margin, MarginFilter(*time_range), zone)
        names = await _localized_plan_names(session, page.language)
    by_month = {one.first_day: one for one in earned if one.currency == query.currency}
    return page.render(
        "platform/revenue.html",
        asked=query,
        currencies=currencies,
        months=[by_month[one] for one in reversed(months) if one in by_month],
        running=running.get(query.currency, 0),
        parts=parts,
        whole=_positive_total(parts),
        margins=[one for one in margins if one.currency == query.currency],
        names=names,
        charts=_revenue_chart(page, query, months, by_month) if by_month else None,
    )


@get("/platform/revenue/deferred.csv", name="platform:deferred", permission=Permission.WATCH)
async def download_deferred_revenue(
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    month: FromQuery[str | None] = None,
) -> Response[bytes]:
    """Return the fees that a month (2026-10; default: the current one) recognizes or defers."""
    zone = platform_zone()
    months = _last_months(local_day(clock.now(), zone))
    chosen = next((one for one in months if f"{one:%Y-%m}" == month), months[-1])
    async with database.transaction() as session:
        lines = await load_deferred_lines(session, chosen, zone)
    headers = {"content-disposition": f'attachment; filename="deferred-revenue-{chosen:%Y-%m}.csv"'}
    return Response(deferred_lines_csv(lines), media_type="text/csv", headers=headers)


def _last_months(today: date) -> list[date]:
    """Return the first days of the last twelve months, including the current one."""
    last = today.year * 12 + today.month - 1
    return [date(index // 12, index % 12 + 1, 1) for index in range(last - _MONTHS + 1, last + 1)]


def _time_range(
    query: RevenueQuery, months: Sequence[date], zone: ZoneInfo, now: datetime
) -> tuple[datetime, datetime]:
    """Return the start and end of the selected month, or of all months."""
    if query.month is None:
        return local_midnight(months[0], zone), now
    next_index = months.index(query.month) + 1
    until = local_midnight(months[next_index], zone) if next_index < len(months) else now
    return local_midnight(query.month, zone), until


def _currencies(earned: Sequence[MonthlyRevenue], running: Mapping[str, int]) -> list[str]:
    """Return the currencies with revenue or running usage."""
    return list(dict.fromkeys([*(row.currency for row in earned), *running]))


def _positive_total(parts: Sequence[RevenueShare]) -> int:
    """Return the sum of the positive revenue parts in minor units, the whole of the shares."""
    return sum(max(0, part.minor) for part in parts)


async def _localized_plan_names(session: AsyncSession, language: str) -> dict[str, str]:
    """Return the plans' names in a language, by plan."""
    versions = await newest_plan_versions(session)
    terms = await load_terms(session, versions.values())
    return {plan: terms[version].names[language] for plan, version in versions.items()}


def _revenue_chart(
    page: PageRequest,
    query: RevenueQuery,
    months: Sequence[date],
    by_month: Mapping[date, MonthlyRevenue],
) -> Chart:
    """Build the chart of revenue by month."""
    formatter, unit = page.formatter, nano_per_minor(query.currency)
    rows = [
        by_month.get(month) or MonthlyRevenue(query.currency, month, 0, 0, 0, 0) for month in months
    ]

    def series(name: str, amounts: Sequence[int]) -> Series:
        """Build the series of amounts per month, in minor units."""
        texts = [formatter.money(amount, query.currency) for amount in amounts]
        return Series(name, [bar_height(amount * unit) for amount in amounts], texts)

    total_label = page.translate(gettext_noop("Net {amount}"))
    return Chart(
        title=page.translate(gettext_noop("Revenue by month")),
        places=[formatter.month(month) for month in months],
        series=[
            series(page.translate(gettext_noop("Usage")), [month.usage for month in rows]),
            series(
                page.translate(gettext_noop("Fees and outcomes")), [month.fees for month in rows]
            ),
        ],
        totals=[
            total_label.format(amount=formatter.money(month.net, query.currency)) for month in rows
        ],
        links=[query.address(month=month) for month in months],
    )


def _query_value(value: object) -> str:
    """Format a query parameter; a month as `2026-11`."""
    return f"{value:%Y-%m}" if isinstance(value, date) else str(value)
