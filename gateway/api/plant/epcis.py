"""`/v1/plant/epcis`: the capture and query interfaces of EPCIS 2.0, in GS1's JSON shape."""

from typing import Any
from urllib.parse import quote, unquote

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.plant.epcis_headers import PATH, add_version, page_headers, require_version
from gateway.call.values import Principal
from gateway.plant.epcis.capture_job import (
    BEHAVIOURS,
    CAPTURE_ID_PREFIX,
    capture_document,
    capture_one,
    render_capture,
)
from gateway.plant.epcis.documents import query_document
from gateway.plant.epcis.errors import EventNotFound, QueryInvalid
from gateway.plant.epcis.queries import parse_query
from gateway.plant.epcis.resources import parse_per_page
from gateway.plant.epcis.storage import find_events, get_capture, get_events, list_captures
from gateway.wire.body import decode_body
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_BEHAVIOUR_HEADER = "gs1-capture-error-behaviour"
_DECODER = msgspec.json.Decoder(dict[str, Any])


class EpcisRoutes(Controller):
    """EPCIS events of the account."""

    path = PATH
    before_request = staticmethod(require_version)
    after_request = staticmethod(add_version)

    @get("/capture", summary="List capture jobs")
    async def captures(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[list[dict[str, Any]]]:
        """Return a page of capture jobs, the newest first (`perPage`, `nextPageToken`)."""
        pairs = list(request.query_params.multi_items())
        per_page = parse_per_page(request.query_params.get("perPage"))
        after = request.query_params.get("nextPageToken")
        before = None if after is None else ids.parse_id(CAPTURE_ID_PREFIX, after)
        if after is not None and before is None:
            raise QueryInvalid("`nextPageToken` is invalid.", param="nextPageToken")
        async with database.transaction() as session:
            rows = await list_captures(session, principal.account_id, per_page + 1, before)
        shown = [render_capture(row) for row in rows[:per_page]]
        token = shown[-1]["captureID"] if len(rows) > per_page else None
        return Response(shown, headers=dict(page_headers(f"{PATH}/capture", pairs, token)))

    @post("/capture", status_code=202, summary="Capture an EPCIS document")
    async def capture(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Store the events of an EPCISDocument; the capture job has the result.

        The header `GS1-Capture-Error-Behaviour` is `rollback` (default: all or nothing) or
        `proceed` (valid events are stored).
        """
        behaviour = request.headers.get(_BEHAVIOUR_HEADER, "rollback").lower()
        if behaviour not in BEHAVIOURS:
            raise QueryInvalid(
                "GS1-Capture-Error-Behaviour is `rollback` or `proceed`.", param=_BEHAVIOUR_HEADER
            )
        document = decode_body(_DECODER, await request.body())
        place = (database, clock, principal.account_id)
        row = await capture_document(*place, document, behaviour)
        name = ids.format_id(CAPTURE_ID_PREFIX, row.id)
        headers = {"location": f"{PATH}/capture/{name}"}
        return Response(render_capture(row), status_code=202, headers=headers)

    @get("/capture/{capture:str}", summary="Retrieve a capture job")
    async def capture_job(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        capture: FromPath[str],
    ) -> dict[str, Any]:
        """Return the result of a capture: whether it succeeded, counts and errors."""
        capture_id = ids.parse_id(CAPTURE_ID_PREFIX, capture)
        if capture_id is None:
            raise EventNotFound("The account has no such capture job.", param="capture")
        async with database.transaction() as session:
            return render_capture(await get_capture(session, principal.account_id, capture_id))

    @post("/events", status_code=201, summary="Capture one EPCIS event")
    async def add_event(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Store one event and return it with its id, computed as a hash if it had none."""
        raw = decode_body(_DECODER, await request.body())
        event = await capture_one(database, clock, principal.account_id, raw)
        location = f"{PATH}/events/{quote(event.id, safe='')}"
        headers = {"location": location}
        return Response(dict(event.body), status_code=201, headers=headers)

    @get("/events", summary="Query EPCIS events")
    async def events(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Return a page of events as an EPCISQueryDocument.

        Takes the parameters of the Simple Event Query, such as `MATCH_anyEPC`, `EQ_bizStep` and
        `GE_eventTime`; list values are separated by `|`. The `Link` header has the next page.
        """
        pairs = list(request.query_params.multi_items())
        query = parse_query(pairs)
        async with database.transaction() as session:
            page = await find_events(session, principal.account_id, query)
        document = query_document(page.rows, clock.now())
        headers = page_headers(f"{PATH}/events", pairs, page.next_token)
        return Response(document, headers=dict(headers))

    @get("/events/{event:path}", summary="Retrieve an EPCIS event")
    async def event(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Return an event by its URL-encoded id, with its error declaration if there is one."""
        # The router merges repeated slashes, which ids such as `ni:///sha-256;…` have.
        raw = request.scope["raw_path"].partition(b"/events/")[2].decode("latin-1")
        async with database.transaction() as session:
            rows = await get_events(session, principal.account_id, unquote(raw) or event)
        return Response(query_document(rows, clock.now()))
