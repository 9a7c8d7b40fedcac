"""`maas agents ticks`, `days`, `actions`, `approve`, `reject` and `undo`."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.actions.deciding import approve, list_actions, reject, undo
from gateway.agents.store.agents import AgentChange, find_agent, find_agent_id
from gateway.agents.store.days import list_days
from gateway.agents.store.ticks import list_ticks
from gateway.agents.views import action_json, day_json, tick_json
from gateway.cli.agents.commands import AgentId, Limit
from gateway.cli.agents.commands import agents_app as agents_app
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents import AgentAction, AgentActionStatus
from infra.clock import Clock

__all__ = ["agents_app"]

_ActionId = Annotated[str, typer.Argument(help="Action ID (act_…).")]
_TICKS = ("finished_at", "decision", "basis", "raised", "cost", "error", "id")
_DAYS = ("day", "ticks", "raised", "predictions", "decisions", "actions", "errors", "cost")
_ACTIONS = ("created_at", "kind", "status", "agent", "decided_by", "id")


@agents_app.command("ticks")
@command
async def agents_ticks(
    session: AsyncSession, account: AccountName, agent: AgentId, limit: Limit = 50
) -> Table:
    """List the ticks of an agent in which something happened, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    ticks = [tick_json(one) for one in await list_ticks(session, account_id, row.id, limit)]
    shown = [
        {
            **tick,
            "decision": tick["assessment"].get("action"),
            "basis": tick["assessment"].get("basis"),
            "raised": ", ".join(tick["assessment"].get("raised", ())),
        }
        for tick in ticks
    ]
    return Table(shown, _TICKS)


@agents_app.command("days")
@command
async def agents_days(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until today, in UTC.")] = 30,
) -> Table:
    """List what an agent did by day: counts and cost."""
    account_id, today = (await get_account(session, account)).id, clock.now().date()
    row = await find_agent(session, account_id, agent)
    first = today - timedelta(days=days - 1)
    found = await list_days(session, account_id, row.id, first, today)
    return Table([day_json(one) for one in found], _DAYS)


@agents_app.command("actions")
@command
async def agents_actions(
    session: AsyncSession,
    account: AccountName,
    agent: Annotated[str | None, typer.Option(help="Only of this agent (agent_…).")] = None,
    status: Annotated[AgentActionStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Limit = 50,
) -> Table:
    """List actions that agents took or proposed, newest first."""
    account_id = (await get_account(session, account)).id
    agent_id = await find_agent_id(session, account_id, agent)
    rows = await list_actions(session, account_id, limit, None, agent_id, status)
    return Table([action_json(one) for one in rows], _ACTIONS)


@agents_app.command("approve")
@command
async def agents_approve(
    session: AsyncSession, clock: Clock, account: AccountName, action: _ActionId
) -> Record:
    """Approve a proposed action: it is executed."""
    return await _decide(session, clock, account, action, approve)


@agents_app.command("reject")
@command
async def agents_reject(
    session: AsyncSession, clock: Clock, account: AccountName, action: _ActionId
) -> Record:
    """Reject a proposed action."""
    return await _decide(session, clock, account, action, reject)


@agents_app.command("undo")
@command
async def agents_undo(
    session: AsyncSession, clock: Clock, account: AccountName, action: _ActionId
) -> Record:
    """Undo an executed action: retire its work order."""
    return await _decide(session, clock, account, action, undo)


async def _decide(
    session: AsyncSession,
    clock: Clock,
    account: str,
    action: str,
    decide: Callable[[AgentChange, str], Awaitable[AgentAction]],
) -> Record:
    """Decide about an action and return it."""
    account_id = (await get_account(session, account)).id
    row = await decide(AgentChange(session, clock, CLI_ACTOR, account_id), action)
    return Record(f"Action is {row.status}.", action_json(row))
