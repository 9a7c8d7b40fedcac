"""The list of calls with its filters and CSV export, and the page of one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.billed_call import CallFilter
from billing.invoice_documents.billed_call_query import CallSelection, list_tag_names
from billing.invoice_documents.call_export import stream_calls_csv
from billing.invoice_documents.rendering.calls_csv import CallCsvFormat
from billing.metering.error_fixes import (
    ANY_ERROR,
    ERROR_CODE_GROUPS,
    find_suggested_fix,
    is_error_code,
)
from billing.metering.usage import REQUEST_ID_PREFIX, list_linked_usage, list_usage
from billing.reports.call_cost import CallNotFound, get_call_cost
from billing.tables import BillingPeriod, Usage
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.projects.common import visible_project_ids
from gateway.dashboard.pages.usage.decision_view import decision_view
from gateway.dashboard.pages.usage.overview import key_names, url_with_query
from gateway.dashboard.pages.usage.period_picker import Periods, first_day, read_periods
from gateway.registry.decision_records import list_records
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_CALLS_URL = "/dashboard/usage/calls"
_CALLS_PER_PAGE = 50
_MAX_RECORDS = 50


@dataclass(frozen=True, slots=True)
class CallFilters:
    """The filters of the list of calls; None means no filter. `error` is an error code or
    ANY_ERROR."""

    period: BillingPeriod | None
    error: str | None

    @property
    def day(self) -> date | None:
        """The first day of the selected billing period."""
        return None if self.period is None else first_day(self.period)

    @property
    def since(self) -> datetime | None:
        """The start of the selected period, None without one."""
        return None if self.period is None else self.period.starts_at

    @property
    def until(self) -> datetime | None:
        """The exclusive end of the selected period, None without one."""
        return None if self.period is None else self.period.ends_at

    @property
    def chosen(self) -> bool:
        """Whether any filter is set."""
        return self.period is not None or self.error is not None

    @property
    def unlisted(self) -> bool:
        """Whether the error code is none of the filter's options, as with a model server's own."""
        listed_codes = {
            ANY_ERROR,
            *(code for codes in ERROR_CODE_GROUPS.values() for code in codes),
        }
        return self.error is not None and self.error not in listed_codes

    def address(self, path: str = _CALLS_URL, before: str | None = None) -> str:
        """Return the URL of the list, or of another path, with these filters."""
        day = None if self.day is None else self.day.isoformat()
        return url_with_query(path, {"period": day, "error": self.error, "before": before})

    def export_selection(self, visible: frozenset[UUID] | None) -> CallSelection:
        """Return these filters, within the visible projects, as the selection of a CSV export."""
        criteria = CallFilter(
            billed=False,
            since=self.since,
            until=self.until,
            error_code=self.error,
            project_ids=None if visible is None else list(visible),
        )
        return CallSelection(None, call_filter=criteria)


class CallPages(Controller):
    """Handlers of `/dashboard/usage/calls`."""

    path = "/usage/calls"

    @get("/", name="dashboard:calls")
    async def list_calls(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        error: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's calls, filtered."""
        cursor = None if before is None else ids.parse_id(REQUEST_ID_PREFIX, before)
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            periods = await read_periods(session, page.account_id, clock.now(), period)
            filters = _parse_filters(periods, period, error)
            rows = await list_usage(
                session,
                account_id=page.account_id,
                limit=_CALLS_PER_PAGE + 1,
                before=cursor,
                since=filters.since,
                until=filters.until,
                error_code=filters.error,
                project_ids=await visible_project_ids(session, page),
            )
        return page.render(
            "calls.html",
            calls=rows[:_CALLS_PER_PAGE],
            more=_next_page_url(filters, rows),
            first=filters.address() if before else None,
            zone=parse_time_zone(profile.time_zone),
            periods=periods,
            filters=filters,
            groups=ERROR_CODE_GROUPS,
            unlisted=filters.unlisted,
            csv=filters.address(f"{_CALLS_URL}/all.csv"),
        )

    @get("/all.csv", name="dashboard:all-calls-csv")
    async def export_calls(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        period: FromQuery[str | None] = None,
        error: FromQuery[str | None] = None,
    ) -> Stream:
        """Stream the filtered calls as CSV, oldest first.

        Each tag of the shown period, or else of the current one, has a column.
        """
        account_id = page.account_id
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            periods = await read_periods(session, account_id, clock.now(), period)
            currency = await get_account_currency(session, account_id)
            names = await list_tag_names(session, account_id, periods.shown.id)
            visible = await visible_project_ids(session, page)
        filters = _parse_filters(periods, period, error)
        sheet = CallCsvFormat(currency, parse_time_zone(profile.time_zone), names, profile.locale)
        content = stream_calls_csv(database, account_id, filters.export_selection(visible), sheet)
        name = "-".join(str(part) for part in ("calls", filters.day, filters.error) if part)
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Stream(content, media_type="text/csv", headers=headers)

    @get("/{request_id:str}", name="dashboard:call")
    async def show_call(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        request_id: FromPath[str],
    ) -> Response[str]:
        """Show one call with its cost breakdown."""
        call_id = ids.parse_id(REQUEST_ID_PREFIX, request_id)
        if call_id is None:
            raise CallNotFound("The account has no such call.", param="request_id")
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            priced = await get_call_cost(session, page.account_id, call_id)
            visible = await visible_project_ids(session, page)
            if visible is not None and (priced.row.project_id or page.account_id) not in visible:
                raise CallNotFound("The account has no such call.", param="request_id")
            keys = await key_names(session, page.account_id, visible)
            steps = await list_linked_usage(session, page.account_id, call_id, _MAX_RECORDS)
            records = await list_records(session, page.account_id, _MAX_RECORDS, request_id=call_id)
        return page.render(
            "call.html",
            steps=steps,
            steps_nano=sum(step.cost_nano for step in steps),
            decisions=[decision_view(record, page.language) for record in records],
            priced=priced,
            call=priced.row,
            fix=find_suggested_fix(priced.row.error_code, priced.row.status),
            request_id=request_id,
            key_name=keys.get(priced.row.key_id) if priced.row.key_id else None,
            zone=parse_time_zone(profile.time_zone),
        )


def _parse_filters(periods: Periods, period: str | None, error: str | None) -> CallFilters:
    """Parse the query parameters; invalid values are ignored."""
    shown = periods.shown if first_day(periods.shown).isoformat() == period else None
    return CallFilters(shown, error if error and is_error_code(error) else None)


def _next_page_url(filters: CallFilters, rows: Sequence[Usage]) -> str | None:
    """Return the URL of the next page, None on the last."""
    if len(rows) <= _CALLS_PER_PAGE:
        return None
    return filters.address(
        before=ids.format_id(REQUEST_ID_PREFIX, rows[_CALLS_PER_PAGE - 1].request_id)
    )
