"""`/v1/admin/reports/…`: margin, revenue, receivables, deliveries and calls; `reconciliations`."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import DEFAULT_PROFILE
from billing.collection.collector import Collector
from billing.collection.payments.checkout import Checkout
from billing.dates import local_day, parse_time_zone
from billing.metering.usage import REQUEST_ID_PREFIX, list_usage, usage_to_json
from billing.reconciliation.history import list_check_runs
from billing.reports.deferred_revenue import (
    deferred_lines_csv,
    load_deferred_lines,
    load_prepaid_balances,
    summarize,
)
from billing.reports.deliveries import DeliveryState, count_inbox, count_outbox, list_outbox
from billing.reports.margin import MarginDimension, MarginFilter, list_margins
from billing.reports.receivables import list_overdue_invoices, load_receivables_ageing
from billing.reports.revenue import RevenueDimension, list_revenue_by, list_revenue_by_month
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json
from gateway.call.errors import ParameterInvalid
from gateway.operations.parsing import parse_instant, parse_month
from gateway.operations.reconciliation import Reconciler, ReconciliationOptions
from gateway.operations.reports import (
    deferred_revenue_json,
    deliveries_json,
    margin_json,
    monthly_revenue_json,
    receivables_json,
    revenue_share_json,
)
from gateway.upstream.load_balancer import Router
from infra import ids
from models.catalog import Catalog


class NewReconciliation(msgspec.Struct):
    """`all_rows`: check also calls found correct before. `correct`: append corrections."""

    all_rows: bool = False
    correct: bool = False


BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/admin/reconciliations": NewReconciliation}
_RECONCILIATION = msgspec.json.Decoder(NewReconciliation)
_MONTH, _YEAR = timedelta(days=30), timedelta(days=366)
_MAX_OVERDUE = 100
Since = Annotated[str | None, QueryParameter(description="ISO 8601, UTC without an offset")]
# `upstream` is also the name of a dependency of handlers.
UpstreamName = Annotated[
    str | None, QueryParameter(name="upstream", description="`own` for MAAS_SERVING_URL")
]
Until = Annotated[str | None, QueryParameter(description="Exclusive; now by default")]


class AdminReportRoutes(Controller):
    """Reports of the platform. Amounts are decimal strings; months are those of Shanghai."""

    path = "/reports"

    @get("/margin", summary="Charges, upstream costs, margin", admin_scope=AdminScope.REPORTS_READ)
    async def margin(
        self,
        admin: NamedDependency[AdminRequest],
        by: FromQuery[MarginDimension] = MarginDimension.MODEL,
        since: Since = None,
        until: Until = None,
        model: FromQuery[str | None] = None,
        account: FromQuery[str | None] = None,
        upstream_name: UpstreamName = None,
    ) -> dict[str, Any]:
        """Return margins by model, account, upstream or month, of the last 30 days by default."""
        start, end = _range(admin, since, until, _MONTH)
        zone = parse_time_zone(DEFAULT_PROFILE.time_zone)

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the margins as JSON."""
            owner = None if account is None else (await get_account(session, account)).id
            filters = MarginFilter(start, end, model, owner, upstream_name)
            rows = await list_margins(session, by, filters, zone)
            return [margin_json(row, by) for row in rows]

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @get("/revenue", summary="Revenue by month or part", admin_scope=AdminScope.REPORTS_READ)
    async def revenue(
        self,
        admin: NamedDependency[AdminRequest],
        by: FromQuery[RevenueDimension | None] = None,
        currency: FromQuery[str] = "CNY",
        since: Since = None,
        until: Until = None,
    ) -> dict[str, Any]:
        """Return revenue by month, or by plan, model, kind or account in a currency."""
        start, end = _range(admin, since, until, _YEAR)
        zone, code = parse_time_zone(DEFAULT_PROFILE.time_zone), currency.upper()

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the revenue as JSON."""
            if by is None:
                months = await list_revenue_by_month(session, start, end, zone)
                return list(map(monthly_revenue_json, months))
            shares = await list_revenue_by(session, by, code, start, end)
            return [revenue_share_json(share, code) for share in shares]

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @get(
        "/receivables",
        summary="Receivables by age, and overdue invoices",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def receivables(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return what is owed by age, and up to 100 overdue invoices, the oldest first."""
        now = admin.clock.now()

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the receivables as JSON."""
            ageing = await load_receivables_ageing(session, now)
            overdue = await list_overdue_invoices(session, now, _MAX_OVERDUE)
            return receivables_json(ageing, overdue, now)

        return await admin.read(load)

    @get(
        "/deliveries",
        summary="E-mails, webhooks and events by state, and failed ones",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def deliveries(
        self, admin: NamedDependency[AdminRequest], limit: PageLimit = 20
    ) -> dict[str, Any]:
        """Return the numbers of deliveries, and the newest that failed."""

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the deliveries as JSON."""
            failed = await list_outbox(session, DeliveryState.FAILED, limit)
            return deliveries_json(await count_outbox(session), await count_inbox(session), failed)

        return await admin.read(load)

    @get(
        "/deferred_revenue",
        summary="Deferred revenue of a month by currency",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def deferred_revenue(
        self, admin: NamedDependency[AdminRequest], month: FromQuery[str | None] = None
    ) -> dict[str, Any]:
        """Return fees invoiced in advance of a month such as 2026-10, by default this month.

        Net of tax and before credit notes. `prepaid` is the unused paid wallet balance.
        """
        day, zone = _month(admin, month), parse_time_zone(DEFAULT_PROFILE.time_zone)

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the totals as JSON."""
            lines = await load_deferred_lines(session, day, zone)
            prepaid = await load_prepaid_balances(session, day, zone)
            return [deferred_revenue_json(one) for one in summarize(lines, prepaid, day)]

        data = await admin.read(load)
        return {"object": "list", "month": f"{day:%Y-%m}", "data": data, "has_more": False}

    @get(
        "/deferred_revenue.csv",
        summary="Download the fees that a month recognizes or defers as CSV",
        media_type="text/csv",
        admin_scope=AdminScope.REPORTS_READ,
    )
    async def deferred_fees(
        self, admin: NamedDependency[AdminRequest], month: FromQuery[str | None] = None
    ) -> Response[bytes]:
        """Return the single fees of a month as CSV."""
        day, zone = _month(admin, month), parse_time_zone(DEFAULT_PROFILE.time_zone)
        lines = await admin.read(lambda session: load_deferred_lines(session, day, zone))
        name = f"deferred-revenue-{day:%Y-%m}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(deferred_lines_csv(lines), media_type="text/csv", headers=headers)

    @get("/usage", summary="List calls, newest first", admin_scope=AdminScope.REPORTS_READ)
    async def usage(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        before: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of calls of all accounts, or of one."""
        cursor = None if before is None else ids.parse_id(REQUEST_ID_PREFIX, before)
        if before is not None and cursor is None:
            raise ParameterInvalid("`before` must be a request id (req_…).", param="before")

        async def load(session: AsyncSession) -> Any:
            """Return the usage rows."""
            owner = None if account is None else (await get_account(session, account)).id
            return await list_usage(session, account_id=owner, limit=limit + 1, before=cursor)

        return page_json(await admin.read(load), limit, usage_to_json)


class AdminReconciliationRoutes(Controller):
    """Checks that usage, limits, invoices and the ledger agree."""

    path = "/reconciliations"

    @get("/", summary="List checks, newest first", admin_scope=AdminScope.REPORTS_READ)
    async def runs(
        self, admin: NamedDependency[AdminRequest], limit: PageLimit = 20
    ) -> dict[str, Any]:
        """Return the newest checks with their differences."""
        rows = await admin.read(lambda session: list_check_runs(session, limit))
        data = [
            {
                "object": "reconciliation",
                "at": row.at.isoformat(),
                "source": row.source,
                "difference_count": row.count,
                "differences": row.differences,
                "figures": row.figures,
            }
            for row in rows
        ]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/",
        status_code=200,
        summary="Reconcile now",
        admin_scope=AdminScope.RECONCILE_WRITE,
    )
    async def reconcile(
        self,
        admin_change: NamedDependency[AdminRequest],
        catalog: NamedDependency[Catalog],
        router: NamedDependency[Router],
        collector: NamedDependency[Collector | None],
        checkout: NamedDependency[Checkout],
    ) -> dict[str, Any]:
        """Compare all records and return the differences; with `correct`, append corrections.

        A repeated call checks again: there is nothing left to correct.
        """
        body = admin_change.decode(_RECONCILIATION)
        place = (admin_change.database, admin_change.clock, catalog, router, collector, checkout)
        result = await Reconciler(*place).run(ReconciliationOptions(body.all_rows, body.correct))
        return {"object": "reconciliation", **result}


def _month(admin: AdminRequest, text: str | None) -> date:
    """Return the first day of a month, by default of the present one. Raises ParameterInvalid."""
    if text is not None:
        return parse_month(text, ParameterInvalid)
    zone = parse_time_zone(DEFAULT_PROFILE.time_zone)
    return local_day(admin.clock.now(), zone).replace(day=1)


def _range(
    admin: AdminRequest, since: str | None, until: str | None, default: timedelta
) -> tuple[datetime, datetime]:
    """Return the start and exclusive end of a report. Raises ParameterInvalid."""
    end = admin.clock.now() if until is None else parse_instant(until, ParameterInvalid)
    start = end - default if since is None else parse_instant(since, ParameterInvalid)
    if start >= end:
        raise ParameterInvalid("`since` must be before `until`.", param="since")
    return start, end
