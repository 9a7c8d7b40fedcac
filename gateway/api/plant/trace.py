"""`/v1/plant/trace`: what went into an item, what was made from it, and what inspected it."""

from typing import Any, Literal

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from gateway.call.values import Principal
from gateway.plant.epcis.documents import trace_json
from gateway.plant.epcis.errors import QueryInvalid
from gateway.plant.epcis.fields import MAX_TEXT
from gateway.plant.epcis.trace import Direction
from gateway.plant.epcis.trace_query import trace_item
from infra.database.database import Database


class TraceRoutes(Controller):
    """Traces over the account's EPCIS events."""

    path = "/v1/plant/trace"

    @get("/", summary="Trace an item")
    async def trace(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        item: FromQuery[str],
        direction: FromQuery[Literal["upstream", "downstream"]] = "upstream",
    ) -> dict[str, Any]:
        """Return the items, links, containers and inspections of a trace.

        `upstream` is what went into the item, `downstream` what was made from it.
        """
        if not 0 < len(item) <= MAX_TEXT:
            raise QueryInvalid(f"`item` has 1 to {MAX_TEXT} characters.", param="item")
        async with database.transaction() as session:
            place = (session, principal.account_id, item)
            return trace_json(await trace_item(*place, Direction(direction)))
