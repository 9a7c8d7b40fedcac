"""Commands to machines: signed limits, connectors, and what agents wrote."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.commands.limits import (
    add_limits,
    list_connectors,
    list_limits,
    read_document,
    revoke_limits,
)
from gateway.agents.commands.queries import list_commands
from gateway.agents.commands.views import limits_status
from gateway.agents.public_ids import COMMAND, LIMITS
from gateway.dashboard.forms import EMPTY_FORM, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
    TEXT_FORM_BYTES,
    AgentPage,
    agent_url,
    load_account,
    load_names,
    provide_agents,
)
from gateway.identity.roles import Permission
from gateway.plant.commands.documents import MAX_BYTES, read_key
from gateway.plant.commands.errors import CommandLimitsInvalid, CommandLimitsUntrusted
from gateway.tables.agents import Agent
from infra import ids
from infra.errors import AppError

COMMANDS_URL = f"{AGENTS_URL}/commands"
_PER_PAGE, _LIMITS = 25, 20


class AgentCommandPages(Controller):
    """Handlers of `/dashboard/agents/commands`."""

    path = "/agents/commands"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:agent-commands")
    async def show(
        self, agents: NamedDependency[AgentPage], after: FromQuery[str | None] = None
    ) -> Response[str]:
        """Show limits, connectors and commands."""
        return await _render(agents, after=after)

    @post("/limits", permission=Permission.PLANT, request_max_body_size=TEXT_FORM_BYTES)
    async def add(
        self, agents: NamedDependency[AgentPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Add limits that the owner signed."""
        fields = await read_form_fields(request, MAX_BYTES + 1)
        try:
            key = read_key(fields.get("key", ""))
            async with agents.database.transaction() as session:
                await add_limits(agents.change(session), fields.get("limits", ""), key)
        except (CommandLimitsUntrusted, CommandLimitsInvalid) as error:
            return await _render(agents, fields, error)
        return agents.page.redirect(COMMANDS_URL)

    @post("/limits/{limits:str}/revoke", permission=Permission.PLANT)
    async def revoke(
        self, agents: NamedDependency[AgentPage], limits: FromPath[str]
    ) -> Response[Any]:
        """Revoke limits: no command is sent under them."""
        async with agents.database.transaction() as session:
            await revoke_limits(agents.change(session), limits)
        return agents.page.redirect(COMMANDS_URL)


async def _render(
    agents: AgentPage,
    fields: Mapping[str, str] | None = None,
    error: AppError | None = None,
    after: str | None = None,
) -> Response[str]:
    """Render the page; with an error, the limits that were sent were not added."""
    page = agents.page
    form = EMPTY_FORM if error is None else with_errors(page, fields or {}, error)
    async with agents.database.transaction() as session:
        values = await _load(agents, session, after)
    return page.render(
        "agents/commands.html",
        status=UNPROCESSABLE if error is not None else 200,
        form=form,
        may_decide=agents.may_decide,
        url=COMMANDS_URL,
        first=COMMANDS_URL if after else None,
        **values,
    )


async def _load(agents: AgentPage, session: AsyncSession, after: str | None) -> dict[str, Any]:
    """Load limits, connectors and a page of commands."""
    account_id, now = agents.page.account_id, agents.clock.now()
    cursor = None if after is None else ids.parse_id(COMMAND, after)
    rows = await list_commands(session, account_id, _PER_PAGE + 1, cursor)
    shown = rows[:_PER_PAGE]
    query = select(Agent).where(
        col(Agent.account_id) == account_id, col(Agent.id).in_([row.agent_id for row in shown])
    )
    zone, _ = await load_account(session, account_id)
    more = ids.format_id(COMMAND, shown[-1].id) if len(rows) > _PER_PAGE else None
    return {
        "limits": [
            (ids.format_id(LIMITS, row.id), row, limits_status(row, now), read_document(row).points)
            for row in await list_limits(session, account_id, _LIMITS, None)
        ],
        "connectors": await list_connectors(session, account_id),
        "commands": shown,
        "names": {row.id: (row.name, agent_url(row.id)) for row in await session.scalars(query)},
        "people": await load_names(session, account_id),
        "zone": zone,
        "more": None if more is None else f"{COMMANDS_URL}?after={more}#commands",
    }
