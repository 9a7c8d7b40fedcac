"""`maas agents savings` and `report`: what an agent did, cost and saved."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.savings.report import load_report
from gateway.agents.savings.savings import Interval, load_savings
from gateway.agents.savings.views import report_json, savings_json
from gateway.agents.store.agents import find_agent
from gateway.cli.agents.commands import AgentId
from gateway.cli.agents.history import agents_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from infra.clock import Clock

__all__ = ["agents_app"]

_PERIODS = ("from", "ticks", "recommendations", "cost", "expected_saving", "observed")
_RECOMMENDATIONS = ("at", "action", "status", "carried_out", "expected_saving", "observed")
_REPORTED = (
    *("from", "ticks", "predictions", "recommendations", "actions", "errors", "cost"),
    *("expected_saving", "observed"),
)
_SITUATIONS = ("finished_at", "until", "ticks", "decision", "raised", "error")


@agents_app.command("savings")
@command
async def agents_savings(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    agent: AgentId,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until today, in UTC.")] = 90,
    interval: Annotated[Interval, typer.Option(help="Length of the periods.")] = Interval.MONTH,
) -> Report:
    """Show what an agent cost, was expected to save, and saved by recorded events."""
    account_id, today = (await get_account(session, account)).id, clock.now().date()
    row = await find_agent(session, account_id, agent)
    first = today - timedelta(days=days - 1)
    found = savings_json(row, await load_savings(session, clock, row, first, today, interval))
    made = found["recommendations"]
    periods = Table([_with_bounds(one) for one in found["periods"]], _PERIODS)
    made_table = Table([_with_bounds(one) for one in made], _RECOMMENDATIONS)
    return Report(found, [periods, *([made_table] if made else [])])


@agents_app.command("report")
@command
async def agents_report(
    session: AsyncSession, clock: Clock, account: AccountName, agent: AgentId
) -> Report:
    """Show what an agent did since yesterday, why, what it cost and saved."""
    account_id = (await get_account(session, account)).id
    row = await find_agent(session, account_id, agent)
    found = report_json(row, await load_report(session, clock, row))
    shown = _with_bounds(found)
    record = Record(f"{row.name}:", {name: shown[name] for name in _REPORTED})
    rows = [_situation(one) for one in found["situations"]]
    return Report(found, [record, *([Table(rows, _SITUATIONS)] if rows else [])])


def _with_bounds(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the bounds of the observed saving as one text, empty if not yet known."""
    bounds = row["observed_saving"]
    if bounds is None:
        return {**row, "observed": ""}
    same = bounds["from"] == bounds["to"]
    return {**row, "observed": bounds["to"] if same else f"{bounds['from']} to {bounds['to']}"}


def _situation(one: dict[str, Any]) -> dict[str, Any]:
    """Return a situation as a row of a table."""
    tick = one["first"]
    assessment = tick["assessment"]
    return {
        "finished_at": tick["finished_at"],
        "until": one["until"],
        "ticks": one["ticks"],
        "decision": assessment.get("action"),
        "raised": ", ".join(assessment.get("raised") or ()),
        "error": tick["error"],
    }
