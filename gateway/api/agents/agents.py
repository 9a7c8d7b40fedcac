"""`/v1/agents`: create, change, activate, pause and delete agents, and their versions."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.agents.definitions.templates import read_templates
from gateway.agents.public_ids import AGENT
from gateway.agents.store.agents import (
    find_agent,
    list_agents,
    list_versions,
    restore_version,
    set_status,
)
from gateway.agents.store.owners import AgentOwner
from gateway.agents.views import agent_json, template_json, version_json
from gateway.api.agents.bodies import MAX_BODY_BYTES, PATH, parse_change, parse_new
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import AgentStatus
from infra.clock import Clock
from infra.database.database import Database


class AgentRoutes(Controller):
    """The account's agents, by id `agent_…`."""

    path = PATH
    request_max_body_size = MAX_BODY_BYTES
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List agents, newest first")
    async def agents(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        asset: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of agents, optionally those of one asset, by its code or ID."""
        cursor, account_id = parse_cursor(AGENT, after), principal.account_id
        async with database.transaction() as session:
            asset_id = None
            if asset is not None:
                asset_id = (await find_asset(session, account_id, asset)).id
            rows = await list_agents(session, account_id, limit + 1, cursor, asset_id)
        now = clock.now()
        return page_json(rows, limit, lambda row: agent_json(row, now))

    @get("/templates", summary="List the templates of agents")
    async def templates(self, principal: NamedDependency[Principal]) -> dict[str, Any]:
        """Return all templates, with their texts in English and Chinese."""
        found = [template_json(one) for one in read_templates().values()]
        return {"object": "list", "data": found, "has_more": False}

    @post("/", status_code=200, summary="Create an agent, paused")
    async def create(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create an agent; `warnings` lists what of the definition has no effect now."""
        fields = parse_new(await request.body(), _content_type(request))

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Create the agent."""
            paying = editing.principal.key_id
            if fields.key is not None:
                paying = await owner.find_key(fields.key)
            return editing.checked_json(await owner.create(paying, fields.definition))

        return await editing.apply_once(idempotency_key, edit)

    @get("/{agent:str}", summary="Retrieve an agent")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return an agent with its current definition."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
        return agent_json(row, clock.now())

    @post("/{agent:str}", status_code=200, summary="Change an agent: the next version")
    async def change(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        expected_version: FromQuery[int | None] = None,
    ) -> dict[str, Any]:
        """Replace the definition; the query `expected_version` is for a body in TOML."""
        fields = parse_change(await request.body(), _content_type(request))
        expected = fields.expected_version if expected_version is None else expected_version

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Make the definition the next version."""
            paying = None if fields.key is None else await owner.find_key(fields.key)
            changed = await owner.change_agent(agent, fields.definition, expected, paying)
            return editing.checked_json(changed)

        return await editing.apply(edit)

    @delete("/{agent:str}", status_code=200, summary="Delete an agent")
    async def erase(
        self, editing: NamedDependency[AgentEditing], agent: FromPath[str]
    ) -> dict[str, Any]:
        """Delete an agent; open proposals are rejected, work orders and counts stay."""
        await editing.apply(_status_edit(editing, agent, AgentStatus.DELETED))
        return {"id": agent, "object": "agent.deleted", "deleted": True}

    @post("/{agent:str}/activate", status_code=200, summary="Activate an agent")
    async def activate(
        self, editing: NamedDependency[AgentEditing], agent: FromPath[str]
    ) -> dict[str, Any]:
        """Let an agent tick from now on, also one that was stopped."""
        return await editing.apply(_status_edit(editing, agent, AgentStatus.ACTIVE))

    @post("/{agent:str}/pause", status_code=200, summary="Pause an agent")
    async def pause(
        self, editing: NamedDependency[AgentEditing], agent: FromPath[str]
    ) -> dict[str, Any]:
        """Let an agent tick no more; open proposals can still be approved."""
        return await editing.apply(_status_edit(editing, agent, AgentStatus.PAUSED))

    @get("/{agent:str}/versions", summary="List the versions of an agent, newest first")
    async def versions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return all versions of the definition, with who changed it and when."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            found = await list_versions(session, account_id, row.id)
        return page_json(found, len(found), version_json)

    @post(
        "/{agent:str}/versions/{version:int}/restore",
        status_code=200,
        summary="Restore an earlier version of an agent",
    )
    async def restore(
        self,
        editing: NamedDependency[AgentEditing],
        agent: FromPath[str],
        version: FromPath[int],
    ) -> dict[str, Any]:
        """Make an earlier definition the next version."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Restore the version."""
            await owner.require_allowed(agent)
            row = await restore_version(owner.change, agent, version)
            return editing.checked_json(await owner.checked(row))

        return await editing.apply(edit)


def _status_edit(editing: AgentEditing, agent: str, status: AgentStatus) -> Any:
    """Return the change that sets an agent's status."""

    async def edit(owner: AgentOwner) -> dict[str, Any]:
        """Set the status."""
        await owner.require_allowed(agent)
        return agent_json(await set_status(owner.change, agent, status), editing.clock.now())

    return edit


def _content_type(request: Request[Any, Any, Any]) -> str:
    """Return the content type of a request, empty without one."""
    return str(request.headers.get("content-type", ""))
