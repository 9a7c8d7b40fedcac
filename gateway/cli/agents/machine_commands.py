"""`maas agents commands`: what agents wrote to machines, and what became of it."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.commands.queries import find_command, list_commands
from gateway.agents.commands.views import command_json
from gateway.agents.store.agents import find_agent_id
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.tables.agents_commands import CommandStatus

commands_app = typer.Typer(no_args_is_help=True)
_COLUMNS = ("created_at", "tag", "value", "unit", "status", "code", "value_read", "agent", "id")


@commands_app.command("list")
@command
async def commands_list(
    session: AsyncSession,
    account: AccountName,
    agent: Annotated[str | None, typer.Option(help="Only of this agent (agent_…).")] = None,
    status: Annotated[CommandStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")] = 50,
) -> Table:
    """List commands of agents to machines, newest first."""
    account_id = (await get_account(session, account)).id
    agent_id = await find_agent_id(session, account_id, agent)
    rows = await list_commands(session, account_id, limit, None, agent_id, status)
    return Table([command_json(row) for row in rows], _COLUMNS)


@commands_app.command("show")
@command
async def commands_show(
    session: AsyncSession,
    account: AccountName,
    command_id: Annotated[str, typer.Argument(metavar="COMMAND", help="Command ID (cmd_…).")],
) -> Record:
    """Show a command with the value before it and the value read back."""
    account_id = (await get_account(session, account)).id
    row = await find_command(session, account_id, command_id)
    return Record("Command:", command_json(row))
