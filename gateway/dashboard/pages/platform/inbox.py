"""The page of pending work: what waits for a person, with links, and reconciling now."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency

from billing.collection.collector import Collector
from billing.collection.payments.checkout import Checkout, PaymentProviderUnavailable
from billing.reports.pending_work import PendingKind, list_pending_work
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.operations.reconciliation import (
    CollectorNotResponding,
    Reconciler,
    ReconciliationOptions,
)
from gateway.upstream.load_balancer import Router
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_URL, _PLATFORM = "/dashboard/platform/inbox", "/dashboard/platform"
_RECONCILIATION = f"{_PLATFORM}/reconciliation"
# Where an operator does the work of each kind.
_PAGES: Mapping[PendingKind, str] = {
    PendingKind.LINE_DISPUTE: f"{_PLATFORM}/accounts",
    PendingKind.OUTCOME_DISPUTE: f"{_PLATFORM}/accounts",
    PendingKind.BANK_LINE: f"{_PLATFORM}/bank",
    PendingKind.PAYMENT_PROOF: f"{_PLATFORM}/bank",
    PendingKind.FAPIAO_OVERDUE: f"{_PLATFORM}/fapiao",
    PendingKind.FAPIAO: f"{_PLATFORM}/fapiao",
    PendingKind.PAYMENT_DISCREPANCY: f"{_PLATFORM}/payments",
    PendingKind.OVERDUE_INVOICE: f"{_PLATFORM}/receivables",
    PendingKind.FAILED_DELIVERY: f"{_PLATFORM}/webhooks?progress=failed",
    PendingKind.DIFFERENCE: _RECONCILIATION,
}


class InboxPages(Controller):
    """Handlers of `/dashboard/platform/inbox`."""

    path = "/platform/inbox"

    @get("/", name="platform:inbox", permission=Permission.WATCH)
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show pending work by kind, with the age of the oldest."""
        async with database.transaction() as session:
            rows = await list_pending_work(session, clock.now())
        return page.render(
            "platform/inbox.html",
            pending=[row for row in rows if row.count],
            pages=_PAGES,
            operates=page.viewer.has_permission(Permission.OPERATE),
            zone=platform_zone(),
            now=clock.now(),
        )

    @post("/reconcile", permission=Permission.OPERATE)
    async def reconcile(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        router: NamedDependency[Router],
        collector: NamedDependency[Collector | None],
        checkout: NamedDependency[Checkout],
    ) -> Response[Any]:
        """Reconcile now and show the result; a service that does not answer is tried next time."""
        reconciler = Reconciler(database, clock, catalog, router, collector, checkout)
        try:
            result = await reconciler.run(ReconciliationOptions())
        except (CollectorNotResponding, PaymentProviderUnavailable):
            return page.redirect(_URL)
        details = {"differences": len(result["differences"])}
        async with database.transaction() as session:
            await record_audit_event(
                session, clock, page.actor, None, "records.reconciled", "", details
            )
        return page.redirect(_RECONCILIATION)
