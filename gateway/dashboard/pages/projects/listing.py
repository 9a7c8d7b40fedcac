"""The list of projects, and the form to create one."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.accounts.profiles import get_account_currency
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.projects.common import (
    PROJECTS_URL,
    list_visible_projects,
    project_url,
)
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.projects.errors import ProjectNameInvalid, ProjectNameTaken
from gateway.projects.projects import count_active_keys, create_project
from gateway.projects.views import load_project_views
from infra.clock import Clock
from infra.database.database import Database


class ProjectPages(Controller):
    """Handlers of `/dashboard/projects`."""

    path = "/projects"

    @get("/", name="dashboard:projects")
    async def show_projects(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the projects that the viewer may see."""
        return await _render(page, database, clock, restored_form(page), 200)

    @post("/", permission=Permission.TEAM, keeps=PreservedFields(PROJECTS_URL, ("name",)))
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create a project and show its page."""
        fields = {"name": "", **await read_form_fields(request)}
        try:
            async with database.transaction() as session:
                row = await create_project(
                    session, clock, page.actor, page.account_id, fields["name"]
                )
        except (ProjectNameInvalid, ProjectNameTaken) as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, form, UNPROCESSABLE)
        return page.redirect(project_url(row.id))


async def _render(
    page: PageRequest, database: Database, clock: Clock, form: FormState, status: int
) -> Response[str]:
    """Render the list of projects with their budgets and numbers of keys."""
    async with database.transaction() as session:
        visible = await list_visible_projects(session, page, include_archived=True)
        rows = [one.row for one in visible]
        views = await load_project_views(session, page.account_id, rows, clock.now())
        keys = await count_active_keys(session, page.account_id, clock.now())
        currency = await get_account_currency(session, page.account_id)
    return page.render(
        "projects.html",
        status=status,
        views=views,
        keys=keys,
        form=form,
        currency=currency,
        may=page.viewer.has_permission(Permission.TEAM),
    )
