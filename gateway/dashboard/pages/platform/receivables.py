"""Receivables: what is owed and how late it is, and how far dunning is with whom."""

from litestar import Response, get
from litestar.di import NamedDependency

from billing.collection.dunning import USUAL, stage_of
from billing.reports.receivables import AGES, ageing, overdue
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database

_MOST = 100


@get("/platform/receivables", name="platform:receivables", permission=Permission.WATCH)
async def receivables(
    viewing: NamedDependency[Viewing],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    now = clock.now()
    async with database.transaction() as session:
        owed = await ageing(session, now)
        late = await overdue(session, now, _MOST + 1)
    return viewing.page(
        "platform/receivables.html",
        owed=owed,
        ages=AGES,
        late=[(one, stage_of(one.due_at, one.reminders)) for one in late[:_MOST]],
        more=len(late) > _MOST,
        policy=USUAL,
        zone=platform_zone(),
        now=now,
    )
