"""`maas projects`: create, list, change and archive projects, set budgets, move keys."""

from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.metering.budget_periods import BudgetPeriod
from billing.money import nano_text
from billing.reports.spending import SpendingDimension, list_spending
from billing.subscriptions.periods import ensure_period_at
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import require_key
from gateway.cli.projects.people import (
    members_add,
    members_list,
    members_remove,
    members_role,
    service_accounts_create,
    service_accounts_delete,
    service_accounts_list,
)
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.budgets import (
    BUDGET_NAMES,
    change_alert_percentages,
    change_budgets,
    parse_budget,
    parse_percentage_list,
)
from gateway.projects.keys import list_project_keys, move_key
from gateway.projects.projects import (
    archive_project,
    create_project,
    find_project,
    format_project_id,
    list_projects,
    rename_project,
)
from gateway.projects.views import ProjectView, load_key_views, load_project_views
from infra import ids
from infra.clock import Clock

projects_app = typer.Typer(no_args_is_help=True)
ProjectName = Annotated[str, typer.Argument(help="Project ID (proj_…) or name.")]
_BUDGET = "in the account's currency, or `none`."
Daily = Annotated[str | None, typer.Option(help=f"Budget per day (UTC), {_BUDGET}")]
Monthly = Annotated[str | None, typer.Option(help=f"Budget per month (UTC), {_BUDGET}")]
Total = Annotated[str | None, typer.Option(help=f"Budget in total, {_BUDGET}")]
_COLUMNS = ("id", "name", "status", "daily", "monthly", "total", "created_at")
_KEY_COLUMNS = ("id", "name", "redacted_value", "owner", "last_used_at", "revoked_at")
_NONE, _ACCOUNT = "none", "account"


@projects_app.command("create")
@command
async def projects_create(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    name: Annotated[str, typer.Argument(help="Name of the project, such as a line.")],
    daily: Daily = None,
    monthly: Monthly = None,
    total: Total = None,
) -> Record:
    """Create a project."""
    owner = (await get_account(session, account)).id
    row = await create_project(session, clock, CLI_ACTOR, owner, name)
    budgets = _parse_budgets(daily, monthly, total)
    await change_budgets(session, clock, CLI_ACTOR, owner, row.id, budgets)
    return await _record(session, clock, owner, row.id, "Project created.")


@projects_app.command("list")
@command
async def projects_list(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    archived: Annotated[bool, typer.Option("--archived", help="Include archived ones.")] = False,
) -> Table:
    """List an account's projects with their budgets."""
    owner = (await get_account(session, account)).id
    rows = await list_projects(session, owner, include_archived=archived)
    views = await load_project_views(session, owner, rows, clock.now())
    return Table([_row(view) for view in views], _COLUMNS)


@projects_app.command("show")
@command
async def projects_show(
    session: AsyncSession, clock: Clock, account: AccountName, project: ProjectName
) -> Report:
    """Show a project with its budgets and keys."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    (view,) = await load_project_views(session, owner, [row], clock.now())
    keys = await list_project_keys(session, owner, row.id)
    shown = await load_key_views(session, row, keys, clock.now())
    lines = [{**key, "owner": _owner_name(key)} for key in shown]
    return Report(
        {**view.to_json(), "api_keys": shown},
        [Record("Project", _row(view)), Table(lines, _KEY_COLUMNS)],
    )


@projects_app.command("rename")
@command
async def projects_rename(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    name: Annotated[str, typer.Argument(help="New name.")],
) -> Record:
    """Rename a project."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    await rename_project(session, clock, CLI_ACTOR, owner, row.id, name)
    return await _record(session, clock, owner, row.id, "Project renamed.")


@projects_app.command("archive")
@command
async def projects_archive(
    session: AsyncSession, clock: Clock, account: AccountName, project: ProjectName
) -> Record:
    """Archive a project for good. Its keys stop working within a second."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    await archive_project(session, clock, CLI_ACTOR, owner, row.id)
    return await _record(session, clock, owner, row.id, "Project archived.")


@projects_app.command("budget")
@command
async def projects_budget(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    daily: Daily = None,
    monthly: Monthly = None,
    total: Total = None,
    alerts: Annotated[
        str | None,
        typer.Option(help="Alert percentages such as 50,80,100; `account` for the account's."),
    ] = None,
) -> Record:
    """Set budgets of a project and the percentages at which alerts are sent.

    Takes effect on all gateways within a second.
    """
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    budgets = _parse_budgets(daily, monthly, total)
    await change_budgets(session, clock, CLI_ACTOR, owner, row.id, budgets)
    if alerts is not None:
        percentages = parse_percentage_list("" if alerts == _ACCOUNT else alerts)
        await change_alert_percentages(session, clock, CLI_ACTOR, owner, row.id, percentages)
    return await _record(session, clock, owner, row.id, "Budgets set.")


@projects_app.command("move-key")
@command
async def projects_move_key(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    project: ProjectName,
    key: Annotated[str, typer.Argument(help="Key ID (key_…).")],
) -> Record:
    """Move a key to a project. Calls that are running stay with the old project."""
    owner = (await get_account(session, account)).id
    row = await find_project(session, owner, project)
    key_id = await require_key(session, owner, key)
    await move_key(session, clock, CLI_ACTOR, owner, key_id, row.id)
    fields = {"key": ids.format_id(KEY_PREFIX, key_id), "project": row.name}
    return Record("Key moved.", fields)


@projects_app.command("usage")
@command
async def projects_usage(session: AsyncSession, clock: Clock, account: AccountName) -> Table:
    """Show calls and usage charges of the current billing period by project."""
    owner = (await get_account(session, account)).id
    period = await ensure_period_at(session, owner, clock.now())
    spent = await list_spending(session, owner, period, SpendingDimension.PROJECT)
    rows = await list_projects(session, owner, include_archived=True)
    names = {row.id: row.name for row in rows}
    lines = [
        {
            "project": names.get(one.value) if isinstance(one.value, UUID) else None,
            "project_id": format_project_id(one.value) if isinstance(one.value, UUID) else None,
            "calls": one.calls,
            "cost": nano_text(one.cost_nano),
        }
        for one in spent
    ]
    return Table(lines, ("project", "project_id", "calls", "cost"))


projects_app.command("members")(members_list)
projects_app.command("add-member")(members_add)
projects_app.command("set-role")(members_role)
projects_app.command("remove-member")(members_remove)
projects_app.command("service-accounts")(service_accounts_list)
projects_app.command("create-service-account")(service_accounts_create)
projects_app.command("delete-service-account")(service_accounts_delete)


def _parse_budgets(
    daily: str | None, monthly: str | None, total: str | None
) -> dict[BudgetPeriod, int | None]:
    """Parse the budgets that are given; `none` is no budget. Raises BudgetInvalid."""
    texts = {"daily": daily, "monthly": monthly, "total": total}
    return {
        BUDGET_NAMES[name]: None if text == _NONE else parse_budget(name, text)
        for name, text in texts.items()
        if text is not None
    }


async def _record(
    session: AsyncSession, clock: Clock, account_id: UUID, project_id: UUID, title: str
) -> Record:
    """Return a project as a record."""
    row = await find_project(session, account_id, format_project_id(project_id))
    (view,) = await load_project_views(session, account_id, [row], clock.now())
    return Record(title, _row(view))


def _row(view: ProjectView) -> dict[str, Any]:
    """Return a project's fields, with budgets as `spent / limit`."""
    shown = view.to_json()
    budgets = {
        name: None if state is None else f"{nano_text(state.used)} / {nano_text(state.amount)}"
        for name, state in view.budgets.items()
    }
    return {**shown, **budgets, "created_at": view.row.created_at.isoformat()}


def _owner_name(key: dict[str, Any]) -> str | None:
    """Return the name of the service account that owns a key."""
    owner = key["owner"]
    return None if owner is None else str(owner["service_account"]["name"])
