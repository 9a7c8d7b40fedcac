"""Usage: what a billing period's calls cost, by day, hour, model, key and tag.

The figures are those of the totals from which the period's invoice is made
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

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import midnight
from billing.invoice_documents.billed_call import CallFilter
from billing.invoice_documents.billed_call_query import Selected, tag_names
from billing.invoice_documents.call_export import calls_csv
from billing.invoice_documents.rendering.calls_csv import CallSheet
from billing.reports.spending import (
    Dimension,
    Only,
    Spent,
    by_models,
    by_times,
    spending,
    spending_by_tag,
    tags_of,
)
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import list_keys
from gateway.dashboard.charts import Chart
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.cost_chart import Words, cost_chart, day_places, days_of
from gateway.dashboard.pages.period_picker import Periods, read_periods
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

# What times and models do not tell.
_BY = {"key": Dimension.KEY, "settlement": Dimension.SETTLEMENT}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for: a period, a day of it, what is added up by what."""

    period: str | None
    by: str
    day: str | None
    model: str | None
    key: str | None
    tag: str | None

    def address(self, **changes: str | None) -> str:
        """The same with changes."""
        names = ("period", "by", "day", "model", "key", "tag")
        return address_of(
            "/dashboard/usage", {name: getattr(self, name) for name in names} | changes
        )

    @property
    def csv(self) -> str:
        """The calls that the page adds up, as a file: with the filters of the page."""
        names = ("period", "day", "model", "key")
        return address_of(
            "/dashboard/usage/calls.csv", {name: getattr(self, name) for name in names}
        )


@dataclass(frozen=True, slots=True)
class _Found:
    periods: Periods
    currency: str
    times: list[Spent]
    rows: list[Spent]
    tags: list[str]
    keys: dict[UUID, str]
    day: datetime | None


class UsagePages(Controller):
    """`/dashboard/usage…`."""

    path = "/usage"

    @get("/", name="dashboard:usage")
    async def usage(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        by: FromQuery[str] = "model",
        day: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        key: FromQuery[str | None] = None,
        tag: FromQuery[str | None] = None,
    ) -> Response[str]:
        asked = Asked(period, by, day, model or None, key or None, tag or None)
        async with database.transaction() as session:
            found = await _read(session, viewing.account_id, clock.now(), asked)
        now = clock.now()
        chart = _chart(viewing, found, now, asked)
        return viewing.page(
            "parts/usage.html" if viewing.partly else "usage.html",
            found=found,
            asked=asked,
            charts=chart,
            zone=found.periods.zone,
            csv=replace(asked, period=found.periods.day.isoformat()).csv,
        )

    @get("/calls.csv", name="dashboard:calls-csv")
    async def as_csv(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        day: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        key: FromQuery[str | None] = None,
    ) -> Stream:
        """The period's calls with the filters of the usage page; refused and failed ones too."""
        asked = Asked(period, "model", day, model or None, key or None, None)
        account_id = viewing.account_id
        async with database.transaction() as session:
            periods = await read_periods(session, account_id, clock.now(), period)
            currency = await currency_of(session, account_id)
            names = await tag_names(session, account_id, periods.shown.id)
            locale = (await read_profile(session, account_id)).locale
        begins = _day(day, periods)
        only = _only(asked, begins, periods)
        chosen = CallFilter(False, only.model, only.key_id, only.since, only.until)
        selected = Selected(periods.shown.id, only=chosen)
        sheet = CallSheet(currency, periods.zone, names, locale)
        content = calls_csv(database, account_id, selected, sheet)
        shown = periods.day if begins is None else begins.astimezone(periods.zone).date()
        headers = {"content-disposition": f'attachment; filename="calls-{shown}.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)


def address_of(path: str, said: Mapping[str, str | None]) -> str:
    """The path with those values as its query that are not empty."""
    query = urlencode({name: value for name, value in said.items() if value})
    return f"{path}?{query}" if query else path


async def _read(session: AsyncSession, account_id: UUID, now: datetime, asked: Asked) -> _Found:
    periods = await read_periods(session, account_id, now, asked.period)
    place = session, account_id, periods.shown
    day = _day(asked.day, periods)
    only = _only(asked, day, periods)
    times = Dimension.DAY if day is None else Dimension.HOUR
    spent = await spending(*place, times, only, by_model=True)
    tags = await tags_of(*place)
    if asked.by == "tag" and tags:
        tag = asked.tag if asked.tag in tags else tags[0]
        rows = await spending_by_tag(*place, tag)
    elif asked.by in _BY:
        rows = await spending(*place, _BY[asked.by], only)
    else:
        rows = by_times(spent) if asked.by == "day" else by_models(spent)
    return _Found(
        periods=periods,
        currency=await currency_of(session, account_id),
        times=spent,
        rows=rows,
        tags=tags,
        keys=await key_names(session, account_id),
        day=day,
    )


def _only(asked: Asked, day: datetime | None, periods: Periods) -> Only:
    key_id = ids.parse(KEY_PREFIX, asked.key) if asked.key else None
    until = None if day is None else _day_after(day, periods)
    return Only(model=asked.model, key_id=key_id, since=day, until=until)


def _day(text: str | None, periods: Periods) -> datetime | None:
    """The instant at which an asked day begins; None where it is no day of the period."""
    if text is None:
        return None
    try:
        begins = midnight(datetime.fromisoformat(text).date(), periods.zone)
    except (ValueError, OverflowError):
        return None
    return begins if periods.shown.starts_at <= begins < periods.shown.ends_at else None


def _day_after(day: datetime, periods: Periods) -> datetime:
    local = day.astimezone(periods.zone).date()
    return midnight(local + timedelta(days=1), periods.zone)


async def key_names(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    """The names of the account's keys."""
    return {key.id: key.name for key in await list_keys(session, account_id)}


def _chart(viewing: Viewing, found: _Found, now: datetime, asked: Asked) -> Chart | None:
    if not found.times:
        return None
    writing, zone = viewing.writing, found.periods.zone
    by_hour = found.day is not None
    words = Words(
        viewing.say(marked("Cost by hour")) if by_hour else viewing.say(marked("Cost by day")),
        viewing.say(marked("Other models")),
        viewing.say(marked("Together {cost}")),
    )
    if found.day is not None:
        hours = (_day_after(found.day, found.periods) - found.day) // timedelta(hours=1)
        starts = [found.day + timedelta(hours=at) for at in range(hours)]
        places, links = [writing.hour(one, zone) for one in starts], []
    else:
        starts = days_of(found.periods.shown, now)
        places = day_places(starts, zone, writing)
        links = [asked.address(day=f"{one.astimezone(zone):%Y-%m-%d}") for one in starts]
    return cost_chart(found.times, starts, places, found.currency, writing, words, links)
