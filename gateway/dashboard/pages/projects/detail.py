"""The page of one project: budgets, usage, keys, name and archive."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.price_format import format_short_amount
from billing.metering.quotas import LimitInvalid
from billing.reports.spending import SpendingDimension, SpendingFilter, list_spending
from billing.subscriptions.periods import ensure_period_at
from billing.tables import Project
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.api_keys import KeyNotFound, list_keys, lock_key, require_key
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.projects.common import (
    VisibleProject,
    get_visible_project,
    project_url,
    require_right,
)
from gateway.identity.roles import Permission
from gateway.identity.team import list_members as list_people
from gateway.projects.budgets import (
    BUDGET_NAMES,
    change_alert_percentages,
    change_budgets,
    parse_budget,
    parse_percentage_list,
)
from gateway.projects.errors import (
    BudgetInvalid,
    DefaultProject,
    LastProjectOwner,
    ProjectMemberExists,
    ProjectMemberNotFound,
    ProjectNameInvalid,
    ProjectNameTaken,
    ProjectNotActive,
    ServiceAccountKeyFixed,
)
from gateway.projects.keys import list_project_keys, move_key
from gateway.projects.members import list_members
from gateway.projects.projects import archive_project, format_project_id, rename_project
from gateway.projects.service_accounts import list_service_accounts
from gateway.projects.views import ProjectView, load_project_views
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

PROJECT_ERRORS = (
    BudgetInvalid,
    LimitInvalid,
    DefaultProject,
    LastProjectOwner,
    ProjectMemberExists,
    ProjectMemberNotFound,
    ProjectNameInvalid,
    ProjectNameTaken,
    ProjectNotActive,
    ServiceAccountKeyFixed,
    KeyNotFound,
)
"""Errors that the page of a project shows beside or above its forms."""

ProjectChange = Callable[[AsyncSession, VisibleProject], Awaitable[None]]


class ProjectPage(Controller):
    """Handlers of `/dashboard/projects/{project}`."""

    path = "/projects/{project:str}"

    @get("/", name="dashboard:project")
    async def show_project(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
    ) -> Response[str]:
        """Show a project."""
        return await render_project(page, database, clock, project, restored_form(page), 200)

    @post("/budget")
    async def set_budget(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the budgets and alert percentages."""
        fields = await read_form_fields(request)

        async def save(session: AsyncSession, found: VisibleProject) -> None:
            require_right(found.rights.budget)
            await _save_budget(session, clock, page, found.row, fields)

        return await change_project(page, database, clock, project, fields, save)

    @post("/name")
    async def rename(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Rename the project."""
        fields = await read_form_fields(request)

        async def save(session: AsyncSession, found: VisibleProject) -> None:
            require_right(found.rights.manage)
            place = (session, clock, page.actor, page.account_id, found.row.id)
            await rename_project(*place, fields.get("name", ""))

        return await change_project(page, database, clock, project, fields, save)

    @post("/archive", permission=Permission.TEAM)
    async def archive(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
    ) -> Response[Any]:
        """Archive the project, which disables its keys."""

        async def disable(session: AsyncSession, found: VisibleProject) -> None:
            await archive_project(session, clock, page.actor, page.account_id, found.row.id)

        return await change_project(page, database, clock, project, {}, disable)

    @post("/keys")
    async def move_key_here(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Move a key of another project to this one."""
        fields, account_id = await read_form_fields(request), page.account_id

        async def move(session: AsyncSession, found: VisibleProject) -> None:
            key_id = await require_key(session, account_id, fields.get("key", ""))
            before = await _project_of_key(session, page, key_id)
            require_right(found.rights.keys and before.rights.keys)
            await move_key(session, clock, page.actor, account_id, key_id, found.row.id)

        return await change_project(page, database, clock, project, fields, move, "#keys")


async def change_project(
    page: PageRequest,
    database: Database,
    clock: Clock,
    project: str,
    fields: Mapping[str, str],
    change: ProjectChange,
    anchor: str = "",
) -> Response[Any]:
    """Apply a form's change, then show the project at `anchor`, or the form with its errors."""
    try:
        async with database.transaction() as session:
            found = await get_visible_project(session, page, project)
            await change(session, found)
    except PROJECT_ERRORS as error:
        form = with_errors(page, fields, error)
        return await render_project(page, database, clock, project, form, UNPROCESSABLE)
    return page.redirect(f"{project_url(found.row.id)}{anchor}")


async def render_project(
    page: PageRequest,
    database: Database,
    clock: Clock,
    project: str,
    form: FormState,
    status: int,
) -> Response[str]:
    """Render a project's page, or a submitted form with its errors. Raises PageNotFound."""
    now, account_id = clock.now(), page.account_id
    async with database.transaction() as session:
        found = await get_visible_project(session, page, project)
        (view,) = await load_project_views(session, account_id, [found.row], now)
        keys = await list_project_keys(session, account_id, found.row.id)
        period = await ensure_period_at(session, account_id, now)
        only = SpendingFilter(project_ids=[found.row.id])
        spent = await list_spending(session, account_id, period, SpendingDimension.MODEL, only)
        context = {
            "members": await list_members(session, account_id, found.row.id),
            "people": await list_people(session, account_id),
            "accounts": await list_service_accounts(session, account_id, found.row.id),
            "zone": parse_time_zone((await get_profile(session, account_id)).time_zone),
            "others": await _movable_keys(session, found.row),
        }
    return page.render(
        "project.html",
        status=status,
        view=view,
        rights=found.rights,
        form=form,
        said=_form_values(view) | dict(form.values),
        keys=keys,
        calls=sum(row.calls for row in spent),
        cost=sum(row.cost_nano for row in spent),
        since=period.starts_at,
        address=project_url(found.row.id),
        may_archive=page.viewer.has_permission(Permission.TEAM),
        now=now,
        **context,
    )


async def _save_budget(
    session: AsyncSession,
    clock: Clock,
    page: PageRequest,
    project: Project,
    fields: Mapping[str, str],
) -> None:
    """Save the form of budgets. Raises BudgetInvalid, LimitInvalid, ProjectNotActive."""
    place = (session, clock, page.actor, page.account_id, project.id)
    amounts = {
        period: parse_budget(name, fields.get(name)) for name, period in BUDGET_NAMES.items()
    }
    percentages = parse_percentage_list(fields.get("alert_percentages", ""))
    await change_budgets(*place, amounts)
    await change_alert_percentages(*place, percentages)


async def _project_of_key(session: AsyncSession, page: PageRequest, key_id: UUID) -> VisibleProject:
    """Return the present project of a key. Raises PageNotFound if the viewer may not see it."""
    row = await lock_key(session, page.account_id, key_id)
    project_id = row.project_id or page.account_id
    return await get_visible_project(session, page, format_project_id(project_id))


async def _movable_keys(session: AsyncSession, project: Project) -> list[tuple[str, str]]:
    """Return (public id, name) of active keys of other projects, without service accounts'."""
    return [
        (ids.format_id(KEY_PREFIX, row.id), f"{row.name} ({row.hint})")
        for row in await list_keys(session, project.account_id)
        if row.revoked_at is None
        and row.service_account_id is None
        and (row.project_id or row.account_id) != project.id
    ]


def _form_values(view: ProjectView) -> dict[str, str]:
    """Return the present values of the forms."""
    budgets = {
        name: "" if state is None else format_short_amount(state.amount)
        for name, state in view.budgets.items()
    }
    percentages = ", ".join(map(str, view.row.alert_percentages or []))
    return {"name": view.row.name, "alert_percentages": percentages, **budgets}
