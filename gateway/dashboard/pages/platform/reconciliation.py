"""Reconciliation: whether all records agreed when they were compared last."""

from litestar import Response, get
from litestar.di import NamedDependency

from billing.reconciliation.history import MOST_DIFFERENCES, last_runs
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_RUNS = 30


@get("/platform/reconciliation", name="platform:reconciliation", permission=Permission.WATCH)
async def reconciliation(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    async with database.transaction() as session:
        runs = await last_runs(session, _RUNS)
    return viewing.page(
        "platform/reconciliation.html",
        runs=runs,
        most=MOST_DIFFERENCES,
        zone=platform_zone(),
        now=clock.now(),
    )
