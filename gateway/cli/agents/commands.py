"""`maas agents`: create, change, switch, list and delete agents of accounts, and their versions."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_toml
from gateway.agents.definitions.filling import fill_template
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.agents.store.agents import (
    AgentChange,
    find_agent,
    list_agents,
    list_versions,
    restore_version,
    set_status,
)
from gateway.agents.store.findings import warnings_json
from gateway.agents.store.owners import AgentOwner, Checked
from gateway.agents.views import agent_json, template_json, version_json
from gateway.cli.agents.limits import limits_app
from gateway.cli.agents.machine_commands import commands_app
from gateway.cli.agents.warnings import warnings_app
from gateway.cli.paying_key import find_paying_key
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import AgentStatus
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog

agents_app = typer.Typer(no_args_is_help=True)
agents_app.add_typer(limits_app, name="limits", help="Signed limits for commands to machines.")
agents_app.add_typer(warnings_app, name="warnings", help="Learned warning rules.")
agents_app.add_typer(commands_app, name="commands", help="Commands of agents to machines.")
AgentId = Annotated[str, typer.Argument(help="Agent ID (agent_…).")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows to list.")]
_DefinitionFile = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, help="Definition as TOML."),
]
_Key = Annotated[
    str | None, typer.Option(help="API key ID (key_…) that pays. Default: the newest one.")
]
_COLUMNS = ("id", "name", "status", "version", "last_tick_at", "asset")
_SHOWN = ("id", "name", "asset", "status", "stop_code", "version", "key", "last_tick_at")
_WARNINGS = ("code", "param", "message")


@agents_app.command("templates")
@command
def agents_templates() -> Table:
    """List the templates of agents."""
    rows = [template_json(one) for one in read_templates().values()]
    return Table([{**row, "name": row["title"]["en"]} for row in rows], ("id", "name"))


@agents_app.command("create")
@command
async def agents_create(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    file: _DefinitionFile = None,
    template: Annotated[str | None, typer.Option(help="Template, in place of a file.")] = None,
    asset: Annotated[str, typer.Option(help="Asset of the template: code or ID.")] = "",
    name: Annotated[str, typer.Option(help="Name of the agent made from the template.")] = "",
    key: _Key = None,
) -> Report:
    """Create an agent from a file or a template. It starts paused."""
    account_id = (await get_account(session, account)).id
    definition = _definition(file, template, asset, name)
    paying = await find_paying_key(session, clock, account_id, key)
    owner = _owner(settings, AgentChange(session, clock, CLI_ACTOR, account_id))
    return _report("Agent created.", await owner.create(paying, definition), clock)


@agents_app.command("list")
@command
async def agents_list(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    asset: Annotated[str | None, typer.Option(help="Only of this asset: code or ID.")] = None,
    limit: Limit = 50,
) -> Table:
    """List an account's agents, newest first."""
    account_id, now = (await get_account(session, account)).id, clock.now()
    asset_id = None if asset is None else (await find_asset(session, account_id, asset)).id
    rows = await list_agents(session, account_id, limit, None, asset_id)
    return Table([agent_json(row, now) for row in rows], _COLUMNS)


@agents_app.command("show")
@command
async def agents_show(
    settings: Settings, session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Report:
    """Show an agent, and what of its definition has no effect now."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    owner = _owner(settings, AgentChange(session, clock, CLI_ACTOR, account_id))
    return _report("Agent:", await owner.checked(row), clock)


@agents_app.command("change")
@command
async def agents_change(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    file: _DefinitionFile = None,
    expected_version: Annotated[
        int | None, typer.Option(help="Change only if this is the current version.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="API key ID (key_…) that pays from now on.")] = (
        None
    ),
) -> Report:
    """Replace an agent's definition by that of a file: the next version."""
    account_id = (await get_account(session, account)).id
    definition = _definition(file, None, "", "")
    owner = _owner(settings, AgentChange(session, clock, CLI_ACTOR, account_id))
    paying = None if key is None else await owner.find_key(key)
    changed = await owner.change_agent(agent, definition, expected_version, paying)
    return _report("Agent changed.", changed, clock)


@agents_app.command("activate")
@command
async def agents_activate(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Activate an agent, also one that was stopped."""
    return await _switch(session, clock, account, agent, AgentStatus.ACTIVE)


@agents_app.command("pause")
@command
async def agents_pause(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Pause an agent; open proposals can still be approved."""
    return await _switch(session, clock, account, agent, AgentStatus.PAUSED)


@agents_app.command("delete")
@command
async def agents_delete(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Delete an agent; open proposals are rejected, work orders stay."""
    return await _switch(session, clock, account, agent, AgentStatus.DELETED)


@agents_app.command("versions")
@command
async def agents_versions(session: AsyncSession, account: AccountName, agent: AgentId) -> Table:
    """List the versions of an agent's definition, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    rows = await list_versions(session, account_id, row.id)
    return Table([version_json(one) for one in rows], ("version", "created_at", "changed_by"))


@agents_app.command("restore")
@command
async def agents_restore(
    settings: Settings,
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    version: Annotated[int, typer.Argument(min=1, help="Version to restore.")],
) -> Report:
    """Make an earlier definition the next version."""
    account_id = (await get_account(session, account)).id
    owner = _owner(settings, AgentChange(session, clock, CLI_ACTOR, account_id))
    row = await restore_version(owner.change, agent, version)
    return _report("Version restored.", await owner.checked(row), clock)


def _definition(file: Path | None, template: str | None, asset: str, name: str) -> AgentDefinition:
    """Return the definition of a file or of a filled template. Raises AgentDefinitionInvalid."""
    if (file is None) == (template is None):
        raise AgentDefinitionInvalid("Name either a file or a template.", param="file")
    if file is None:
        return fill_template(template or "", asset, name, {})
    return check(read_toml(read_text_file(file, "The definition", AgentDefinitionInvalid)))


def _owner(settings: Settings, change: AgentChange) -> AgentOwner:
    """Return what makes changes for an operator, within the account's limit."""
    return AgentOwner(change, load_configured_catalog(settings), settings.agents_per_account)


def _report(title: str, checked: Checked, clock: Clock) -> Report:
    """Return an agent with its warnings."""
    shown = agent_json(checked.agent, clock.now())
    warnings = warnings_json(checked.warnings)
    record = Record(title, {name: shown[name] for name in _SHOWN})
    tables = [Table(warnings, _WARNINGS)] if warnings else []
    return Report({**shown, "warnings": warnings}, [record, *tables])


async def _switch(
    session: AsyncSession, clock: Clock, account: str, agent: str, status: AgentStatus
) -> Record:
    """Set the status of an agent and return it."""
    account_id = (await get_account(session, account)).id
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    row = await set_status(change, agent, status)
    return Record(f"Agent is {status.value}.", agent_json(row, clock.now()))
