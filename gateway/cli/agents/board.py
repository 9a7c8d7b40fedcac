"""`maas agents teams …` and `maas agents tasks …`: teams of agents and their task board."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.agents.board.clock import database_now
from gateway.agents.board.holds import team_held_nano
from gateway.agents.board.membership import list_members
from gateway.agents.board.tasks import (
    TaskAnswer,
    answer_task,
    cancel_task,
    find_task,
    list_case,
    list_events,
    list_tasks,
)
from gateway.agents.board.team_fields import read_team
from gateway.agents.board.teams import (
    change_team,
    create_team,
    delete_team,
    find_team,
    list_teams,
)
from gateway.agents.board.views import member_json, task_json, task_with_events_json, team_json
from gateway.agents.store.agents import AgentChange
from gateway.cli.agents.commands import Limit
from gateway.cli.agents.history import agents_app
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents_board import AgentTeam, TaskStatus
from infra.clock import Clock

teams_app = typer.Typer(no_args_is_help=True)
tasks_app = typer.Typer(no_args_is_help=True)
agents_app.add_typer(teams_app, name="teams", help="Manage teams of agents with a shared budget.")
agents_app.add_typer(tasks_app, name="tasks", help="Show, cancel and answer tasks of teams.")

_TeamId = Annotated[str, typer.Argument(help="Team ID (team_…).")]
_TaskId = Annotated[str, typer.Argument(help="Task ID (task_…).")]
_Call = Annotated[str | None, typer.Option(help="Most that one call may cost.")]
_Day = Annotated[str | None, typer.Option(help="Most that all calls of a day may cost.")]
_Month = Annotated[str | None, typer.Option(help="Most that all calls of a month may cost.")]
_Disagreement = Annotated[
    float | None, typer.Option(help="Difference of probabilities above which verdicts conflict.")
]
_Opinions = Annotated[int | None, typer.Option(help="Diagnosticians that are asked: 1 or 2.")]
_Deadline = Annotated[str | None, typer.Option(help="When a task is stopped, such as 1h.")]
_Leases = Annotated[int | None, typer.Option(help="Leases after which a task is stopped.")]
_Changes = Annotated[
    int | None, typer.Option(help="Changes of a decision in the window that are allowed.")
]
_Window = Annotated[str | None, typer.Option(help="Window of these changes, such as 1h.")]
_TEAMS = ("id", "name", "day", "month", "spent_day", "spent_month", "held")
_MEMBERS = ("role", "name", "status", "stop_code", "agent", "asset")
_TASKS = ("created_at", "kind", "status", "code", "holder", "cost", "id")
_EVENTS = ("at", "kind", "agent", "data")


@teams_app.command("list")
@command
async def teams_list(session: AsyncSession, account: AccountName, limit: Limit = 50) -> Table:
    """List an account's teams with their budgets, newest first."""
    account_id = (await get_account(session, account)).id
    rows = await list_teams(session, account_id, limit)
    held, now = await team_held_nano(session, rows), await database_now(session)
    shown = [team_json(row, held.get(row.id, 0), now) for row in rows]
    return Table([{**one, **_amounts(one)} for one in shown], _TEAMS)


@teams_app.command("show")
@command
async def teams_show(session: AsyncSession, account: AccountName, team: _TeamId) -> Report:
    """Show a team with its budget and members."""
    account_id = (await get_account(session, account)).id
    row = await find_team(session, account_id, team)
    members = [member_json(*one) for one in await list_members(session, account_id, row.id)]
    shown = await _shown(session, row)
    tables = [Table(members, _MEMBERS)] if members else []
    return Report({**shown, "members": members}, [_record("Team:", shown), *tables])


@teams_app.command("create")
@command
async def teams_create(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    name: Annotated[str, typer.Argument(help="Name, which definitions of agents state.")],
    per_call: _Call = None,
    per_day: _Day = None,
    per_month: _Month = None,
    disagreement: _Disagreement = None,
    opinions: _Opinions = None,
    deadline: _Deadline = None,
    max_leases: _Leases = None,
    changes: _Changes = None,
    window: _Window = None,
) -> Report:
    """Create a team of agents. Agents join it with the section `board` of their definition."""
    change = await _change(session, clock, account)
    budget = {"per_call": per_call, "per_day": per_day, "per_month": per_month}
    fields = {"disagreement": disagreement, "opinions": opinions, "deadline": deadline}
    stated = _fields(budget, {**fields, "max_leases": max_leases}, changes, window)
    row = await create_team(change, read_team({"name": name, **stated}))
    shown = await _shown(session, row)
    return Report(shown, [_record("Team created.", shown)])


@teams_app.command("change")
@command
async def teams_change(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    team: _TeamId,
    per_call: _Call = None,
    per_day: _Day = None,
    per_month: _Month = None,
    disagreement: _Disagreement = None,
    opinions: _Opinions = None,
    deadline: _Deadline = None,
    max_leases: _Leases = None,
    changes: _Changes = None,
    window: _Window = None,
) -> Report:
    """Change the budget and the limits of a team; options that are missing stay."""
    change = await _change(session, clock, account)
    budget = {"per_call": per_call, "per_day": per_day, "per_month": per_month}
    fields = {"disagreement": disagreement, "opinions": opinions, "deadline": deadline}
    stated = _fields(budget, {**fields, "max_leases": max_leases}, changes, window)
    shown = await _shown(session, await change_team(change, team, stated))
    return Report(shown, [_record("Team changed.", shown)])


@teams_app.command("delete")
@command
async def teams_delete(
    session: AsyncSession, clock: Clock, account: AccountName, team: _TeamId
) -> Record:
    """Delete a team without members and open tasks."""
    row = await delete_team(await _change(session, clock, account), team)
    return Record("Team deleted.", {"id": team, "name": row.name, "deleted": True})


@tasks_app.command("list")
@command
async def tasks_list(
    session: AsyncSession,
    account: AccountName,
    team: Annotated[str | None, typer.Option(help="Only of this team (team_…).")] = None,
    status: Annotated[TaskStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Limit = 50,
) -> Table:
    """List tasks of an account's teams, newest first."""
    account_id, team_id = (await get_account(session, account)).id, None
    if team is not None:
        team_id = (await find_team(session, account_id, team)).id
    rows = await list_tasks(session, account_id, limit, None, team_id, status)
    return Table([task_json(one) for one in rows], _TASKS)


@tasks_app.command("show")
@command
async def tasks_show(session: AsyncSession, account: AccountName, task: _TaskId) -> Report:
    """Show a task with bids, leases, verdicts and events."""
    account_id = (await get_account(session, account)).id
    row = await find_task(session, account_id, task)
    events = await list_events(session, account_id, row.id)
    case = await list_case(session, account_id, row.case_id)
    shown = task_with_events_json(row, events, case)
    return Report(shown, [_record("Task:", task_json(row)), Table(shown["events"], _EVENTS)])


@tasks_app.command("cancel")
@command
async def tasks_cancel(
    session: AsyncSession, clock: Clock, account: AccountName, task: _TaskId
) -> Record:
    """Cancel an open task and its case."""
    row = await cancel_task(await _change(session, clock, account), task)
    return Record(f"Task is {row.status}.", task_json(row))


@tasks_app.command("answer")
@command
async def tasks_answer(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    task: _TaskId,
    agree_with: Annotated[str | None, typer.Option(help="Agent whose verdict counts.")] = None,
    probability: Annotated[float | None, typer.Option(help="Probability of a failure.")] = None,
    note: Annotated[str, typer.Option(help="Kept with the task.")] = "",
) -> Record:
    """Answer a task that waits for a person; planning goes on with the answer."""
    answer = TaskAnswer(agree_with=agree_with, probability=probability, note=note)
    row = await answer_task(await _change(session, clock, account), task, answer)
    return Record(f"Task is {row.status}.", task_json(row))


async def _change(session: AsyncSession, clock: Clock, account: str) -> AgentChange:
    """Return the context of an operator's change."""
    account_id = (await get_account(session, account)).id
    return AgentChange(session, clock, CLI_ACTOR, account_id)


async def _shown(session: AsyncSession, row: AgentTeam) -> dict[str, Any]:
    """Return a team as JSON."""
    held = await team_held_nano(session, [row])
    return team_json(row, held.get(row.id, 0), await database_now(session))


def _record(title: str, shown: dict[str, Any]) -> Record:
    """Return the fields of a team or a task for reading."""
    return Record(title, {**shown, **_amounts(shown)})


def _amounts(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the amounts of a team as columns; empty for anything else."""
    if "budget" not in shown:
        return {}
    budget, spent = shown["budget"], shown["spent"]
    return {
        "day": budget["per_day"],
        "month": budget["per_month"],
        "spent_day": spent["day"],
        "spent_month": spent["month"],
        "held": spent["held"],
    }


def _fields(
    budget: dict[str, str | None], fields: dict[str, Any], changes: int | None, window: str | None
) -> dict[str, Any]:
    """Return the fields that options state."""
    oscillation = _stated({"changes": changes, "window": window})
    nested = {"budget": _stated(budget), "oscillation": oscillation}
    return _stated(fields) | {name: value for name, value in nested.items() if value}


def _stated(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without those that no option states."""
    return {name: value for name, value in fields.items() if value is not None}
