"""`/v1/agents/commands`: what agents wrote to machines, and what became of it."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.agents.commands.queries import find_command, list_commands
from gateway.agents.commands.views import command_json
from gateway.agents.public_ids import COMMAND
from gateway.agents.store.agents import find_agent_id
from gateway.api.agents.bodies import PATH
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.tables.agents_commands import CommandStatus
from infra.database.database import Database


class AgentCommandRoutes(Controller):
    """Commands of the account's agents, by id `cmd_…`."""

    path = f"{PATH}/commands"

    @get("/", summary="List commands of agents, newest first")
    async def commands(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        agent: FromQuery[str | None] = None,
        status: FromQuery[CommandStatus | None] = None,
    ) -> dict[str, Any]:
        """Return a page of commands, optionally of one agent or with one status."""
        cursor, account_id = parse_cursor(COMMAND, after), principal.account_id
        async with database.transaction() as session:
            agent_id = await find_agent_id(session, account_id, agent)
            rows = await list_commands(session, account_id, limit + 1, cursor, agent_id, status)
        return page_json(rows, limit, command_json)

    @get("/{command:str}", summary="Retrieve a command of an agent")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        command: FromPath[str],
    ) -> dict[str, Any]:
        """Return a command with the value before it and the value read back."""
        async with database.transaction() as session:
            return command_json(await find_command(session, principal.account_id, command))
