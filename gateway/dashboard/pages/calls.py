"""Calls: the list with its filters, as a page and as a file; one call with its cost and error."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import zone_of
from billing.invoice_documents.billed_call import CallFilter
from billing.invoice_documents.billed_call_query import Selected, tag_names
from billing.invoice_documents.call_export import calls_csv
from billing.invoice_documents.rendering.calls_csv import CallSheet
from billing.metering.error_fixes import ANY_ERROR, GROUPS, fix_of, is_error_code
from billing.metering.usage import REQUEST_PREFIX, list_usage
from billing.reports.call_cost import CallNotFound, priced_call
from billing.tables import BillingPeriod, Usage
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.period_picker import Periods, first_day, read_periods
from gateway.dashboard.pages.usage import address_of, key_names
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PATH = "/dashboard/usage/calls"
_CALLS = 50


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls are listed; None is all. `error` is an error code or ANY_ERROR."""

    period: BillingPeriod | None
    error: str | None

    @property
    def day(self) -> date | None:
        """The period's first day, by which it is chosen."""
        return None if self.period is None else first_day(self.period)

    @property
    def since(self) -> datetime | None:
        return None if self.period is None else self.period.starts_at

    @property
    def until(self) -> datetime | None:
        return None if self.period is None else self.period.ends_at

    @property
    def chosen(self) -> bool:
        return self.period is not None or self.error is not None

    @property
    def unlisted(self) -> bool:
        """Whether the error is of no table, as a model's own code is."""
        known = {ANY_ERROR, *(code for codes in GROUPS.values() for code in codes)}
        return self.error is not None and self.error not in known

    def address(self, path: str = _PATH, before: str | None = None) -> str:
        """The list, or its file, with these filters."""
        day = None if self.day is None else self.day.isoformat()
        return address_of(path, {"period": day, "error": self.error, "before": before})

    def of_file(self) -> Selected:
        """The same calls, for a file."""
        only = CallFilter(billed=False, since=self.since, until=self.until, error_code=self.error)
        return Selected(None, only=only)


class CallPages(Controller):
    """`/dashboard/usage/calls…`."""

    path = "/usage/calls"

    @get("/", name="dashboard:calls")
    async def calls(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        error: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        mark = None if before is None else ids.parse(REQUEST_PREFIX, before)
        async with database.transaction() as session:
            profile = await read_profile(session, viewing.account_id)
            periods = await read_periods(session, viewing.account_id, clock.now(), period)
            filters = _filters(periods, period, error)
            rows = await list_usage(
                session,
                account_id=viewing.account_id,
                limit=_CALLS + 1,
                before=mark,
                since=filters.since,
                until=filters.until,
                error_code=filters.error,
            )
        return viewing.page(
            "calls.html",
            calls=rows[:_CALLS],
            more=_older(filters, rows),
            first=filters.address() if before else None,
            zone=zone_of(profile.time_zone),
            periods=periods,
            filters=filters,
            groups=GROUPS,
            unlisted=filters.unlisted,
            csv=filters.address(f"{_PATH}/all.csv"),
        )

    @get("/all.csv", name="dashboard:all-calls-csv")
    async def as_csv(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        error: FromQuery[str | None] = None,
    ) -> Stream:
        """The calls of the list with its filters, the earliest first. Tags of the shown period
        (else of the running one) have columns of their own."""
        account_id = viewing.account_id
        async with database.transaction() as session:
            profile = await read_profile(session, account_id)
            periods = await read_periods(session, account_id, clock.now(), period)
            currency = await currency_of(session, account_id)
            names = await tag_names(session, account_id, periods.shown.id)
        filters = _filters(periods, period, error)
        sheet = CallSheet(currency, zone_of(profile.time_zone), names, profile.locale)
        content = calls_csv(database, account_id, filters.of_file(), sheet)
        name = "-".join(str(part) for part in ("calls", filters.day, filters.error) if part)
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)

    @get("/{request_id:str}", name="dashboard:call")
    async def call(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        request_id: FromPath[str],
    ) -> Response[str]:
        identity = ids.parse(REQUEST_PREFIX, request_id)
        if identity is None:
            raise CallNotFound("The account has no such call.", param="request_id")
        async with database.transaction() as session:
            profile = await read_profile(session, viewing.account_id)
            priced = await priced_call(session, viewing.account_id, identity)
            keys = await key_names(session, viewing.account_id)
        return viewing.page(
            "call.html",
            priced=priced,
            call=priced.row,
            fix=fix_of(priced.row.error_code, priced.row.status),
            request_id=request_id,
            key_name=keys.get(priced.row.key_id) if priced.row.key_id else None,
            zone=zone_of(profile.time_zone),
        )


def _filters(periods: Periods, period: str | None, error: str | None) -> Filters:
    """What the address asks for; what cannot be read filters nothing."""
    shown = periods.shown if first_day(periods.shown).isoformat() == period else None
    return Filters(shown, error if error and is_error_code(error) else None)


def _older(filters: Filters, rows: Sequence[Usage]) -> str | None:
    """The address of the next page; None where this is the last."""
    if len(rows) <= _CALLS:
        return None
    return filters.address(before=ids.show(REQUEST_PREFIX, rows[_CALLS - 1].request_id))
