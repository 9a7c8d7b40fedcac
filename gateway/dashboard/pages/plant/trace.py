"""The page of traces: what went into an item, or what was made from it, as diagram and tables."""

from typing import Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.trace_diagram import draw_trace
from gateway.plant.epcis.fields import MAX_TEXT
from gateway.plant.epcis.trace import Direction
from gateway.plant.epcis.trace_query import trace_item
from infra.database.database import Database

_MAX_ROWS = 500


@get("/identifiers/trace", name="dashboard:trace")
async def show_trace(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    item: FromQuery[str] = "",
    direction: FromQuery[Literal["upstream", "downstream"]] = "upstream",
) -> Response[str]:
    """Show the form, and the trace of an item if one is given."""
    name = item.strip()[:MAX_TEXT]
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        found = None
        if name:
            found = await trace_item(session, page.account_id, name, Direction(direction))
    return page.render(
        "plant/trace.html",
        item=name,
        direction=direction,
        found=found,
        diagram=None if found is None else draw_trace(found),
        most=_MAX_ROWS,
        zone=parse_time_zone(profile.time_zone),
    )
