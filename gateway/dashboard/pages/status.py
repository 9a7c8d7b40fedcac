"""The status of the service for customers: current incidents, and recent ones."""

from litestar import Response, get
from litestar.di import NamedDependency

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.incidents.store import list_open_incidents, list_recent_incidents, load_updates
from infra.clock import Clock
from infra.database.database import Database


@get("/status", name="dashboard:status", permission=None)
async def show_status(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
) -> Response[str]:
    """Show open incidents and those resolved in the last 14 days, with their updates."""
    async with database.transaction() as session:
        current = await list_open_incidents(session)
        recent = await list_recent_incidents(session, clock.now())
        updates = await load_updates(session, [*current, *recent])
        zone = platform_zone()
        if page.viewer.account_id is not None:
            profile = await get_profile(session, page.viewer.account_id)
            zone = parse_time_zone(profile.time_zone)
    return page.render("status.html", current=current, recent=recent, updates=updates, zone=zone)
