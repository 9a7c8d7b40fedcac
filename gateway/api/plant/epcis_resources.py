"""`/v1/plant/epcis/eventTypes`, `/epcs`, `/bizSteps`, …: top-level resources of EPCIS 2.0."""

from typing import Any
from urllib.parse import unquote

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.plant.epcis_headers import PATH, add_version, page_headers, require_version
from gateway.call.values import Principal
from gateway.plant.epcis.documents import collection, query_document
from gateway.plant.epcis.queries import parse_query
from gateway.plant.epcis.resources import RESOURCES, list_values, parse_per_page
from gateway.plant.epcis.storage import find_events
from infra.clock import Clock
from infra.database.database import Database

_EVENTS = "/events"


class EpcisResourceRoutes(Controller):
    """Values that occur in the account's events, and the events of each."""

    path = PATH
    before_request = staticmethod(require_version)
    after_request = staticmethod(add_version)

    @get([f"/{name}" for name in RESOURCES], summary="List values that occur in EPCIS events")
    async def values(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Return a page of event types, EPCs, business steps, locations, read points or
        dispositions."""
        path = request.scope["path"].rstrip("/")
        pairs = list(request.query_params.multi_items())
        per_page = parse_per_page(request.query_params.get("perPage"))
        token = request.query_params.get("nextPageToken")
        place = (principal.account_id, path.rpartition("/")[2], per_page, token)
        async with database.transaction() as session:
            page = await list_values(session, *place)
        headers = page_headers(path, pairs, page.next_token)
        return Response(collection(page.values), headers=dict(headers))

    @get(
        [f"/{name}/{{resource:path}}" for name in RESOURCES],
        summary="Query the EPCIS events of a value",
    )
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        resource: FromPath[str],
    ) -> Response[dict[str, Any]]:
        """Return what is below a value (`events`), or with `/events` its events.

        The value is URL-encoded. Events are filtered as those of `/events` are.
        """
        # The router merges repeated slashes, which URIs have.
        path = request.scope["raw_path"].decode("latin-1").rstrip("/")
        name, _, rest = path.partition(f"{PATH}/")[2].partition("/")
        if not rest.endswith(_EVENTS):
            return Response(collection(["events"]))
        pairs = list(request.query_params.multi_items())
        value = unquote(rest.removesuffix(_EVENTS))
        query = parse_query([*pairs, (RESOURCES[name], value)])
        async with database.transaction() as session:
            page = await find_events(session, principal.account_id, query)
        headers = page_headers(path, pairs, page.next_token)
        return Response(query_document(page.rows, clock.now()), headers=dict(headers))
