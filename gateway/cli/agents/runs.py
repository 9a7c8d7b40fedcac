"""`maas agents run` and `runs`: ticks of an agent outside of its schedule."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.access.api_keys import require_key
from gateway.agents.requests.service import AgentRuns, is_ended
from gateway.agents.requests.store import RunRequest, list_runs
from gateway.agents.requests.views import run_json
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.cli.agents.commands import AgentId, Limit, agents_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.inference.admission import parse_max_cost
from gateway.inference.idempotency import parse_idempotency_key
from gateway.tables.agents_a2a import AgentRun
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_COLUMNS = ("created_at", "status", "decision", "basis", "cost", "error", "id")
_RULES = ("name", "status", "value", "unit", "tag")


@agents_app.command("run")
@command
async def agents_run(
    settings: Settings,
    database: Database,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    max_cost: Annotated[
        str | None, typer.Option(help="Most that its prediction may cost, for example 0.05.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="API key ID (key_…) that pays. Default: the agent's.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="With the same key, the agent runs once.")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds to wait for the end of the run.")
    ] = 30.0,
) -> Report:
    """Run an active agent now, once, outside of its schedule. A gateway must be running."""
    runs = AgentRuns(database, clock, _no_runner_here, settings.agent_runs_per_hour)
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
        row = await find_agent(session, account_id, agent)
        paying = row.key_id if key is None else await require_key(session, account_id, key)
        asked = ids.new_id().hex if idempotency_key is None else idempotency_key
        most = None if max_cost is None else parse_max_cost({b"x-max-cost": max_cost.encode()})
        request = RunRequest(agent, paying, parse_idempotency_key(asked), most, (agent,))
        run = await runs.request(AgentChange(session, clock, CLI_ACTOR, account_id), request)
    return _report(await runs.wait(run, wait))


@agents_app.command("runs")
@command
async def agents_runs(
    session: AsyncSession, account: AccountName, agent: AgentId, limit: Limit = 50
) -> Table:
    """List the runs of an agent outside of its schedule, newest first."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    found = [run_json(one) for one in await list_runs(session, account_id, row.id, limit)]
    shown = [
        {
            **one,
            "decision": (one["assessment"] or {}).get("action"),
            "basis": (one["assessment"] or {}).get("basis"),
        }
        for one in found
    ]
    return Table(shown, _COLUMNS)


def _no_runner_here() -> None:
    """Wake nothing: a gateway's runner looks for runs by itself."""


def _report(run: AgentRun) -> Report:
    """Return a run with its decision and the results of its rules."""
    shown = run_json(run)
    assessment = shown["assessment"] or {}
    title = "Run ended." if is_ended(run) else "The run waits for a gateway to take it up."
    record = Record(
        title,
        {
            "id": shown["id"],
            "status": shown["status"],
            "decision": assessment.get("action"),
            "basis": assessment.get("basis"),
            "cost": shown["cost"],
            "error": shown["error"],
        },
    )
    tables = [Table(shown["rules"], _RULES)] if shown["rules"] else []
    return Report(shown, [record, *tables])
