"""The page of receivables: ageing of open invoices, and the dunning stage of overdue ones."""

from litestar import Response, get
from litestar.di import NamedDependency

from billing.collection.dunning import compute_dunning_stage
from billing.invoices.payment_terms import load_dunning_policies
from billing.rating.payment_terms import DEFAULT_DUNNING_POLICY
from billing.reports.receivables import (
    AGE_BUCKET_DAYS,
    list_overdue_invoices,
    load_receivables_ageing,
)
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_MAX_ROWS = 100


@get("/platform/receivables", name="platform:receivables", permission=Permission.WATCH)
async def show_receivables(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    """Show open invoices by age and account."""
    now = clock.now()
    async with database.transaction() as session:
        owed = await load_receivables_ageing(session, now)
        late = await list_overdue_invoices(session, now, _MAX_ROWS + 1)
        days = await load_dunning_policies(session, [one.invoice_id for one in late])
    return page.render(
        "platform/receivables.html",
        owed=owed,
        ages=AGE_BUCKET_DAYS,
        late=[
            (
                invoice,
                compute_dunning_stage(invoice.due_at, invoice.reminders, days[invoice.invoice_id]),
            )
            for invoice in late[:_MAX_ROWS]
        ],
        more=len(late) > _MAX_ROWS,
        policy=DEFAULT_DUNNING_POLICY,
        zone=platform_zone(),
        now=now,
    )
