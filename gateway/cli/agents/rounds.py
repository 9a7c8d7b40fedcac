"""`maas agents rounds …` and `maas agents steps`: rounds of agents, reports, and calls of tools."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.rounds.errors import RoundNotFound
from gateway.agents.rounds.pdf import render_report
from gateway.agents.rounds.printing import load_sheet
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.rounds.store import cancel, find_round, list_rounds, start_round
from gateway.agents.rounds.views import report_json, round_json, round_with_route_json
from gateway.agents.steps.recording import list_agent_steps
from gateway.agents.steps.views import step_json
from gateway.agents.store.agents import AgentChange, find_agent, find_agent_id
from gateway.cli.agents import history
from gateway.cli.agents.commands import AgentId, Limit, agents_app
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents_rounds import RoundStatus
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings

# The commands of history are registered by its import.
__all__ = ("agents_app", "history")

_RoundId = Annotated[str, typer.Argument(help="Round ID (round_…).")]
_ROUNDS = ("started_at", "name", "status", "submitted_at", "out_of_limits", "id")
_STEPS = ("name", "model", "cost", "error", "tick", "id")


@agents_app.command("rounds")
@command
async def agents_rounds(
    session: AsyncSession,
    account: AccountName,
    agent: Annotated[str | None, typer.Option(help="Only of this agent (agent_…).")] = None,
    status: Annotated[RoundStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Limit = 50,
) -> Table:
    """List inspection rounds, newest first."""
    account_id = (await get_account(session, account)).id
    agent_id = await find_agent_id(session, account_id, agent)
    rows = await list_rounds(session, account_id, limit, None, agent_id, status)
    return Table([round_json(one) for one in rows], _ROUNDS)


@agents_app.command("start-round")
@command
async def agents_start_round(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Start an inspection round of an agent; one that is open is shown."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return Record("Round started.", round_with_route_json(await start_round(change, row)))


@agents_app.command("cancel-round")
@command
async def agents_cancel_round(
    session: AsyncSession, clock: Clock, account: AccountName, round_id: _RoundId
) -> Record:
    """Cancel an inspection round that was not submitted."""
    account_id = (await get_account(session, account)).id
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return Record("Round cancelled.", round_json(await cancel(change, round_id)))


@agents_app.command("round-report")
@command
async def agents_report(
    session: AsyncSession,
    settings: Settings,
    account: AccountName,
    round_id: _RoundId,
    pdf: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write the report to as PDF.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the PDF: en or zh.")] = None,
) -> Record:
    """Show the report of a submitted round, and optionally write it as PDF."""
    account_id = (await get_account(session, account)).id
    row = await find_round(session, account_id, round_id)
    if row.report is None:
        raise RoundNotFound("The round was not submitted, so it has no report.", param="round")
    if pdf is not None:
        sheet = await load_sheet(session, row, locale)
        content = await asyncio.to_thread(render_report, sheet)
        await asyncio.to_thread(pdf.write_bytes, content)
    return Record("Report:", report_json(row, SigningKey(secret_key(settings), PURPOSE)))


@agents_app.command("steps")
@command
async def agents_steps(
    session: AsyncSession, account: AccountName, agent: AgentId, limit: Limit = 50
) -> Table:
    """List the calls of an agent's tools, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    rows = await list_agent_steps(session, account_id, row.id, limit)
    return Table([step_json(one) for one in rows], _STEPS)
