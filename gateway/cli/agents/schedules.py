"""`maas agents schedule`, `schedule-days`, `-learn`, `-policies`, `-promote` and `-rollback`."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

import gateway.cli.agents.history  # noqa: F401  # adds its commands
from billing.accounts.accounts import get_account
from gateway.agents.scheduling.owners import (
    DEFAULT_DAYS,
    MAX_DAYS,
    list_schedule_days,
    plan_now,
    policy_with_shadow,
    start_learning,
)
from gateway.agents.scheduling.policy_store import list_policies
from gateway.agents.scheduling.shadowing import promote, roll_back
from gateway.agents.scheduling.views import policy_json, schedule_day_json, schedule_json
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.cli.agents.commands import AgentId, agents_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from infra.clock import Clock
from infra.database.database import Database

_SHOWN = ("status", "reason", "pumps_running", "pumps_wanted", "policy", "policy_error",
          "expected_cost", "expected_cost_hysteresis", "expected_saving", "currency")  # fmt: skip
_SWITCHES = ("start", "pumps")
_DAYS = ("day", "cost", "cost_hysteresis", "saved", "shadow_saved", "currency", "policy", "reason")
_POLICIES = ("id", "status", "created_at", "saving", "low", "shadow_days", "missing", "error")
BY_OPERATOR = "taken back by the operator"


@agents_app.command("schedule")
@command
async def agents_schedule(
    database: Database, clock: Clock, account: AccountName, agent: AgentId
) -> Report:
    """Show what an agent that schedules pumps would do now, and its plan."""
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
        row = await find_agent(session, account_id, agent)
    shown = schedule_json(row, await plan_now(database, row, clock.now()))
    record = Record("Plan:", {name: shown[name] for name in _SHOWN})
    return Report(shown, [record, Table(shown["switches"], _SWITCHES)])


@agents_app.command("schedule-days")
@command
async def agents_schedule_days(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until today.")] = 30,
) -> Table:
    """List what an agent that schedules pumps saved, by local day."""
    account_id, today = (await get_account(session, account)).id, clock.now().date()
    row = await find_agent(session, account_id, agent)
    found = await list_schedule_days(session, row, today - timedelta(days=days - 1), today)
    return Table([schedule_day_json(one) for one in found], _DAYS)


@agents_app.command("schedule-learn")
@command
async def agents_schedule_learn(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    days: Annotated[
        int, typer.Option(min=1, max=MAX_DAYS, help="Local days before today in the log.")
    ] = DEFAULT_DAYS,
) -> Record:
    """Queue the training of a schedule from stored readings."""
    account_id = (await get_account(session, account)).id
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return Record("Training queued.", policy_json(await start_learning(change, agent, days)))


@agents_app.command("schedule-policies")
@command
async def agents_schedule_policies(
    session: AsyncSession, account: AccountName, agent: AgentId
) -> Table:
    """List the learned schedules of an agent, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    rows = await list_policies(session, account_id, row.id)
    found = [await policy_with_shadow(session, row, one) for one in rows]
    return Table([_with_figures(one) for one in found], _POLICIES)


@agents_app.command("schedule-promote")
@command
async def agents_schedule_promote(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    policy: Annotated[str, typer.Argument(help="Learned schedule (spol_…).")],
) -> Record:
    """Let a learned schedule decide that is shown to be better."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent, is_locked=True)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return Record("Schedule promoted.", policy_json(await promote(change, row, policy)))


@agents_app.command("schedule-rollback")
@command
async def agents_schedule_rollback(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Record:
    """Return to two-level control."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent, is_locked=True)
    change = AgentChange(session, clock, CLI_ACTOR, account_id)
    return Record("Schedule taken back.", policy_json(await roll_back(change, row, BY_OPERATOR)))


def _with_figures(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a learned schedule with the columns of the table."""
    saving = shown["report"].get("replay", {}).get("saving", {})
    shadow = shown["shadow"] or {}
    return {
        **shown,
        "saving": saving.get("value"),
        "low": saving.get("low"),
        "shadow_days": shadow.get("days"),
        "missing": ", ".join(shadow.get("reasons", shown["report"].get("reasons", ()))),
    }
