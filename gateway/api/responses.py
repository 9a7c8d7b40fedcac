"""`/v1/responses/{id}`: retrieve, cancel and delete stored responses, and list their input items.

`POST /v1/responses` is a metered call (gateway/api/inference.py).
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from gateway.api.pagination import PageLimit
from gateway.asgi.slotted_stream import SlottedStream
from gateway.call.errors import ParameterInvalid
from gateway.call.stream_slots import StreamSlots
from gateway.call.values import Principal
from gateway.inference.relay import EVENT_STREAM
from gateway.responses import rows
from gateway.responses.following import REPLAYABLE, ResponseFollower
from gateway.responses.store import ResponseStore
from gateway.responses.views import page_of_items, response_json
from gateway.wire.responses.output import ResponseStatus
from gateway.wire.responses.replay import replayed_events
from infra.clock import Clock
from infra.database.database import Database

_StartingAfter = Annotated[
    int | None, QueryParameter(ge=0, description="With `stream`: only events after this one")
]


class ResponseRoutes(Controller):
    """The account's stored responses; one of another account is reported as not found."""

    path = "/v1/responses"

    @get("/{response:str}", summary="Retrieve a stored response")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        response_store: NamedDependency[ResponseStore],
        response_streams: NamedDependency[StreamSlots],
        response: FromPath[str],
        stream: FromQuery[bool] = False,
        starting_after: _StartingAfter = None,
    ) -> Response[bytes] | Stream:
        """Return a response, also one that has not ended; `stream` for its events instead."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await rows.find_response(session, clock, account_id, response)
        found = response_json(row, response_store.content(account_id))
        if not stream:
            return Response(msgspec.json.encode(found), media_type="application/json")
        is_open = not ResponseStatus(row.status).is_final
        if row.background and (is_open or row.status in REPLAYABLE):
            follower = ResponseFollower(database, response_store, clock)
            events = follower.events(account_id, found, starting_after)
            return SlottedStream(events, response_streams.take(account_id), EVENT_STREAM)
        if row.status not in REPLAYABLE:
            raise ParameterInvalid(
                f"The response has the status {row.status!r}, so it has no events. Poll it.",
                param="stream",
            )
        return Response(replayed_events(found, starting_after), headers=EVENT_STREAM)

    @get("/{response:str}/input_items", summary="List the input items of a stored response")
    async def input_items(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        response_store: NamedDependency[ResponseStore],
        response: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        order: FromQuery[Literal["asc", "desc"]] = "desc",
    ) -> dict[str, Any]:
        """Return a page of the conversation's items before the answer."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await rows.find_response(session, clock, account_id, response)
        items = response_store.content(account_id).open_items(row.id, row.items)
        return page_of_items(items, limit, after, order == "desc")

    @post("/{response:str}/cancel", status_code=200, summary="Cancel a background response")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        response_store: NamedDependency[ResponseStore],
        response: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel a background response and return it; a call that was sent is billed."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await rows.cancel_response(session, clock, account_id, response)
        return response_json(row, response_store.content(account_id))

    @delete("/{response:str}", status_code=200, summary="Delete a stored response")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        response: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a response, also one that is being streamed: its stream ends normally."""
        async with database.transaction() as session:
            await rows.delete_response(session, clock, principal.account_id, response)
        return {"id": response, "object": "response", "deleted": True}
