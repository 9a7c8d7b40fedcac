"""`/v1/agents/limits` and `/connectors`: what the owner allows agents to write to machines."""

from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.agents.commands.limits import (
    add_limits,
    find_limits,
    list_connectors,
    list_limits,
    revoke_limits,
)
from gateway.agents.commands.views import connector_json, limits_json
from gateway.agents.public_ids import LIMITS
from gateway.agents.store.owners import AgentOwner
from gateway.api.agents.bodies import MAX_BODY_BYTES, PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.plant.commands.documents import read_key
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database


class CommandLimitsRequest(msgspec.Struct, kw_only=True):
    """A signed document of limits, as `maas agents limits sign` writes it.

    `public_key` is the owner's public key in PEM or JWK, with which the signature is checked. The
    connector checks it again, with the keys of its own configuration.
    """

    limits: str
    public_key: str


_DECODER = msgspec.json.Decoder(CommandLimitsRequest)
BODIES = {f"{PATH}/limits": CommandLimitsRequest}


class CommandLimitsRoutes(Controller):
    """Signed limits of the account, by id `lim_…`, and its connectors."""

    path = PATH
    request_max_body_size = MAX_BODY_BYTES
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/limits", summary="List signed limits for commands, newest first")
    async def limits(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of limits with their points and status."""
        cursor, now = parse_cursor(LIMITS, after), clock.now()
        async with database.transaction() as session:
            rows = await list_limits(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, lambda row: limits_json(row, now))

    @post("/limits", status_code=200, summary="Add limits that the owner signed")
    async def add(
        self, editing: NamedDependency[AgentEditing], request: Request[Any, Any, Any]
    ) -> dict[str, Any]:
        """Add a signed document; it replaces earlier ones for its connector."""
        body = decode_body_strict(_DECODER, await request.body())
        key = read_key(body.public_key)

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Add the limits."""
            row = await add_limits(owner.change, body.limits, key)
            return limits_json(row, editing.clock.now())

        return await editing.apply(edit)

    @get("/limits/{limits:str}", summary="Retrieve signed limits")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limits: FromPath[str],
    ) -> dict[str, Any]:
        """Return limits with the signed document."""
        async with database.transaction() as session:
            row = await find_limits(session, principal.account_id, limits)
        return {**limits_json(row, clock.now()), "limits": row.token}

    @post("/limits/{limits:str}/revoke", status_code=200, summary="Revoke signed limits")
    async def revoke(
        self, editing: NamedDependency[AgentEditing], limits: FromPath[str]
    ) -> dict[str, Any]:
        """Revoke limits: no command is sent under them any more."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Revoke the limits."""
            return limits_json(await revoke_limits(owner.change, limits), editing.clock.now())

        return await editing.apply(edit)

    @get("/connectors", summary="List connectors that fetch commands")
    async def connectors(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the connectors with the keys that they trust and the tags that they can write."""
        async with database.transaction() as session:
            rows = await list_connectors(session, principal.account_id)
        return page_json(rows, len(rows), connector_json)
