"""The usage page: cost of a billing period by day, hour, model, key and tag.

The figures come from the usage totals that the period's invoice is computed from
(billing/reports/spending.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import local_midnight
from billing.invoice_documents.billed_call import CallFilter
from billing.invoice_documents.billed_call_query import CallSelection, list_tag_names
from billing.invoice_documents.call_export import stream_calls_csv
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.metering.project_ids import PROJECT_ID_PREFIX
from billing.reports.spending import (
    SpendingDimension,
    SpendingFilter,
    SpendingRow,
    list_spending,
    list_spending_by_tag,
    list_tags,
    merge_by_model,
    merge_by_time,
)
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.dashboard.charts import Chart
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.projects.common import visible_project_ids
from gateway.dashboard.pages.usage.cost_chart import (
    CostChartTexts,
    cost_chart,
    day_labels,
    period_day_starts,
)
from gateway.dashboard.pages.usage.period_picker import Periods, read_periods
from gateway.projects.projects import list_projects
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

# Groupings that need a query of their own.
_DIMENSIONS = {
    "key": SpendingDimension.KEY,
    "project": SpendingDimension.PROJECT,
    "settlement": SpendingDimension.SETTLEMENT,
}


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """The query parameters of the page: period, day, filters and what to group by."""

    period: str | None
    by: str
    day: str | None
    model: str | None
    key: str | None
    tag: str | None
    project: str | None = None

    def address(self, **changes: str | None) -> str:
        """Return the page's URL with these parameters, after replacing those in `changes`."""
        names = ("period", "by", "day", "model", "key", "tag", "project")
        return url_with_query(
            "/dashboard/usage", {name: getattr(self, name) for name in names} | changes
        )

    @property
    def csv(self) -> str:
        """The URL of the CSV export of the calls, with the page's filters."""
        names = ("period", "day", "model", "key", "project")
        return url_with_query(
            "/dashboard/usage/calls.csv", {name: getattr(self, name) for name in names}
        )


@dataclass(frozen=True, slots=True)
class _UsageReport:
    """The data of the page."""

    periods: Periods
    currency: str
    times: list[SpendingRow]
    rows: list[SpendingRow]
    tags: list[str]
    keys: dict[UUID, str]
    day: datetime | None
    projects: dict[UUID, str]


class UsagePages(Controller):
    """Handlers of `/dashboard/usage`."""

    path = "/usage"

    @get("/", name="dashboard:usage")
    async def show_usage(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        by: FromQuery[str] = "model",
        day: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        key: FromQuery[str | None] = None,
        tag: FromQuery[str | None] = None,
        project: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show usage and cost of a period, filtered."""
        query = UsageQuery(
            period, by, day, model or None, key or None, tag or None, project or None
        )
        async with database.transaction() as session:
            report = await _load_usage(session, page, clock.now(), query)
        now = clock.now()
        chart = _usage_chart(page, report, now, query)
        return page.render(
            "parts/usage.html" if page.is_htmx else "usage.html",
            found=report,
            asked=query,
            charts=chart,
            zone=report.periods.zone,
            csv=replace(query, period=report.periods.day.isoformat()).csv,
        )

    @get("/calls.csv", name="dashboard:calls-csv")
    async def export_usage_calls(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        day: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        key: FromQuery[str | None] = None,
        project: FromQuery[str | None] = None,
    ) -> Stream:
        """Stream the period's calls as CSV with the page's filters, including rejected calls."""
        query = UsageQuery(period, "model", day, model or None, key or None, None, project)
        account_id = page.account_id
        async with database.transaction() as session:
            periods = await read_periods(session, account_id, clock.now(), period)
            currency = await get_account_currency(session, account_id)
            names = await list_tag_names(session, account_id, periods.shown.id)
            locale = (await get_profile(session, account_id)).locale
            visible = await visible_project_ids(session, page)
        begins = _parse_day(day, periods)
        only = _usage_filter(query, begins, periods, visible)
        chosen = CallFilter(
            False,
            only.model,
            only.key_id,
            only.since,
            only.until,
            project_ids=only.project_ids,
        )
        selected = CallSelection(periods.shown.id, call_filter=chosen)
        sheet = CallCsvFormat(currency, periods.zone, names, locale)
        content = stream_calls_csv(database, account_id, selected, sheet)
        shown = periods.day if begins is None else begins.astimezone(periods.zone).date()
        headers = {"content-disposition": f'attachment; filename="calls-{shown}.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)


def url_with_query(path: str, params: Mapping[str, str | None]) -> str:
    """Return the path with the non-empty parameters as its query string."""
    query = urlencode({name: value for name, value in params.items() if value})
    return f"{path}?{query}" if query else path


async def _load_usage(
    session: AsyncSession, page: PageRequest, now: datetime, query: UsageQuery
) -> _UsageReport:
    """Load the data of the page, of the projects that the viewer may see.

    Usage by tag is not known by project, so it is for viewers of all projects.
    """
    account_id, visible = page.account_id, await visible_project_ids(session, page)
    periods = await read_periods(session, account_id, now, query.period)
    day = _parse_day(query.day, periods)
    only = _usage_filter(query, day, periods, visible)
    times = SpendingDimension.DAY if day is None else SpendingDimension.HOUR
    spent = await list_spending(session, account_id, periods.shown, times, only, by_model=True)
    tags = await list_tags(session, account_id, periods.shown) if visible is None else []
    if query.by == "tag" and tags:
        tag = query.tag if query.tag in tags else tags[0]
        rows = await list_spending_by_tag(session, account_id, periods.shown, tag)
    elif query.by in _DIMENSIONS:
        rows = await list_spending(session, account_id, periods.shown, _DIMENSIONS[query.by], only)
    else:
        rows = merge_by_time(spent) if query.by == "day" else merge_by_model(spent)
    return _UsageReport(
        periods=periods,
        currency=await get_account_currency(session, account_id),
        times=spent,
        rows=rows,
        tags=tags,
        keys=await key_names(session, account_id, visible),
        day=day,
        projects=await project_names(session, account_id, visible),
    )


def _usage_filter(
    query: UsageQuery, day: datetime | None, periods: Periods, visible: frozenset[UUID] | None
) -> SpendingFilter:
    """Return the database filter of the query parameters, within the visible projects."""
    key_id = ids.parse_id(KEY_PREFIX, query.key) if query.key else None
    until = None if day is None else _next_midnight(day, periods)
    project_id = ids.parse_id(PROJECT_ID_PREFIX, query.project) if query.project else None
    chosen = None if project_id is None else frozenset({project_id})
    if chosen is not None and visible is not None:
        chosen &= visible
    only = visible if chosen is None else chosen
    return SpendingFilter(query.model, key_id, day, until, None if only is None else list(only))


def _parse_day(text: str | None, periods: Periods) -> datetime | None:
    """Return the start of a day, None unless it is a day of the shown period."""
    if text is None:
        return None
    try:
        begins = local_midnight(datetime.fromisoformat(text).date(), periods.zone)
    except (ValueError, OverflowError):
        return None
    return begins if periods.shown.starts_at <= begins < periods.shown.ends_at else None


def _next_midnight(day: datetime, periods: Periods) -> datetime:
    """Return the start of the next day in the period's time zone."""
    local = day.astimezone(periods.zone).date()
    return local_midnight(local + timedelta(days=1), periods.zone)


async def project_names(
    session: AsyncSession, account_id: UUID, visible: frozenset[UUID] | None
) -> dict[UUID, str]:
    """Return the names of the visible projects, archived ones too, by id; None: of all."""
    rows = await list_projects(session, account_id, include_archived=True)
    return {row.id: row.name for row in rows if visible is None or row.id in visible}


async def key_names(
    session: AsyncSession, account_id: UUID, visible: frozenset[UUID] | None
) -> dict[UUID, str]:
    """Return the names of the keys of the visible projects, by id; None: of all projects."""
    return {
        key.id: key.name
        for key in await list_keys(session, account_id)
        if visible is None or (key.project_id or account_id) in visible
    }


def _usage_chart(
    page: PageRequest, report: _UsageReport, now: datetime, query: UsageQuery
) -> Chart | None:
    """Build the chart by day, or by hour of the selected day; None without spending."""
    if not report.times:
        return None
    formatter, zone = page.formatter, report.periods.zone
    by_hour = report.day is not None
    texts = CostChartTexts(
        page.translate(gettext_noop("Cost by hour"))
        if by_hour
        else page.translate(gettext_noop("Cost by day")),
        page.translate(gettext_noop("Other models")),
        page.translate(gettext_noop("Total {cost}")),
    )
    if report.day is not None:
        hours = (_next_midnight(report.day, report.periods) - report.day) // timedelta(hours=1)
        starts = [report.day + timedelta(hours=at) for at in range(hours)]
        labels, links = [formatter.hour(start, zone) for start in starts], []
    else:
        starts = period_day_starts(report.periods.shown, now)
        labels = day_labels(starts, zone, formatter)
        links = [query.address(day=f"{start.astimezone(zone):%Y-%m-%d}") for start in starts]
    return cost_chart(report.times, starts, labels, report.currency, formatter, texts, links)
