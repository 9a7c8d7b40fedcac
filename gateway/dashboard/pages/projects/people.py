"""The people and service accounts on a project's page."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import Project
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.key_detail import key_url
from gateway.dashboard.pages.projects.common import (
    VisibleProject,
    get_visible_project,
    project_url,
    require_right,
)
from gateway.dashboard.pages.projects.detail import PROJECT_ERRORS, change_project, render_project
from gateway.identity.audit_log import PERSON_ID_PREFIX
from gateway.projects.errors import ServiceAccountNotFound
from gateway.projects.members import (
    PROJECT_ROLES,
    add_member,
    change_member_role,
    find_person,
    remove_member,
)
from gateway.projects.projects import lock_active_project
from gateway.projects.service_accounts import (
    create_service_account,
    delete_service_account,
    require_service_account_id,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class ProjectPeoplePages(Controller):
    """Handlers of the people and service accounts of `/dashboard/projects/{project}`."""

    path = "/projects/{project:str}"

    @post("/members")
    async def add(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Add a person of the account."""
        fields = await read_form_fields(request)

        async def save(session: AsyncSession, found: VisibleProject) -> None:
            row = await _lock_project(session, found)
            person = ids.parse_id(PERSON_ID_PREFIX, fields.get("person", ""))
            person_id = await find_person(session, page.account_id, person=person)
            role = _parse_role(fields.get("role", ""))
            await add_member(session, clock, page.actor, row, person_id, role)

        return await change_project(page, database, clock, project, fields, save, "#people")

    @post("/members/{member:str}/role")
    async def change_role(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        member: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the role of a person."""
        fields, person_id = await read_form_fields(request), _parse_person(member)

        async def save(session: AsyncSession, found: VisibleProject) -> None:
            row = await _lock_project(session, found)
            role = _parse_role(fields.get("role", ""))
            await change_member_role(session, clock, page.actor, row, person_id, role)

        return await change_project(page, database, clock, project, {}, save, "#people")

    @post("/members/{member:str}/remove")
    async def remove(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        member: FromPath[str],
    ) -> Response[Any]:
        """Remove a person."""
        person_id = _parse_person(member)

        async def save(session: AsyncSession, found: VisibleProject) -> None:
            row = await _lock_project(session, found)
            await remove_member(session, clock, page.actor, row, person_id)

        return await change_project(page, database, clock, project, {}, save, "#people")

    @post("/service-accounts")
    async def create_account(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        project: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create a service account and show the secret of its key once."""
        fields = await read_form_fields(request)
        try:
            async with database.transaction() as session:
                found = await get_visible_project(session, page, project)
                require_right(found.rights.manage)
                issued = await create_service_account(
                    session,
                    clock,
                    pepper,
                    page.actor,
                    page.account_id,
                    found.row.id,
                    fields.get("account_name", ""),
                )
        except PROJECT_ERRORS as error:
            form = with_errors(page, fields, error)
            return await render_project(page, database, clock, project, form, UNPROCESSABLE)
        address = key_url(issued.key.row.id)
        return page.render("key_made.html", issued=issued.key, overlap=None, address=address)

    @post("/service-accounts/{service_account:str}/delete")
    async def delete_account(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        project: FromPath[str],
        service_account: FromPath[str],
    ) -> Response[Any]:
        """Delete a service account and revoke its keys."""
        try:
            found_id = require_service_account_id(service_account)
            async with database.transaction() as session:
                found = await get_visible_project(session, page, project)
                require_right(found.rights.manage)
                await delete_service_account(session, clock, page.actor, found.row, found_id)
        except ServiceAccountNotFound as error:
            raise PageNotFound("The project has no such service account.") from error
        return page.redirect(f"{project_url(found.row.id)}#accounts")


async def _lock_project(session: AsyncSession, found: VisibleProject) -> Project:
    """Return the project, locked. Raises PermissionDenied, ProjectNotActive."""
    require_right(found.rights.manage)
    return await lock_active_project(session, found.row.account_id, found.row.id)


def _parse_person(text: str) -> UUID:
    """Parse the public id of a person. Raises PageNotFound."""
    person_id = ids.parse_id(PERSON_ID_PREFIX, text)
    if person_id is None:
        raise PageNotFound("The project has no such member.")
    return person_id


def _parse_role(text: str) -> str:
    """Return a role in a project. Raises PageNotFound for an unlisted choice."""
    if text not in PROJECT_ROLES:
        raise PageNotFound("Unknown role.")
    return text
