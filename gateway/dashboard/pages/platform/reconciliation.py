"""The page of reconciliation runs and the differences they found."""

from litestar import Response, get
from litestar.di import NamedDependency

from billing.reconciliation.history import MAX_DIFFERENCES, list_check_runs
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_MAX_RUNS = 30


@get("/platform/reconciliation", name="platform:reconciliation", permission=Permission.WATCH)
async def show_reconciliation(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    """Show the results of the last reconciliation runs."""
    async with database.transaction() as session:
        runs = await list_check_runs(session, _MAX_RUNS)
    return page.render(
        "platform/reconciliation.html",
        runs=runs,
        most=MAX_DIFFERENCES,
        zone=platform_zone(),
        now=clock.now(),
    )
