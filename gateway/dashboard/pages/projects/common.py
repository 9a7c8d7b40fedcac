"""What the pages of projects share: the visible projects, and the project of an address."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import ApiKey, Project
from gateway.dashboard.errors import PageNotFound, PermissionDenied
from gateway.dashboard.page_request import PageRequest
from gateway.projects.errors import ProjectNotFound
from gateway.projects.members import list_own_projects
from gateway.projects.projects import (
    format_project_id,
    get_project,
    list_projects,
    parse_project_id,
)
from gateway.projects.rights import ProjectRights, project_rights

PROJECTS_URL = "/dashboard/projects"


@dataclass(frozen=True, slots=True)
class VisibleProject:
    """A project that the viewer may see, and what else the viewer may do with it."""

    row: Project
    rights: ProjectRights


async def list_visible_projects(
    session: AsyncSession, page: PageRequest, *, include_archived: bool = False
) -> list[VisibleProject]:
    """Return the projects that the viewer may see, the default project first."""
    account_id = page.account_id
    roles = await list_own_projects(session, account_id, page.viewer.person_id)
    rows = await list_projects(session, account_id, include_archived=include_archived)
    found = (VisibleProject(row, project_rights(page.viewer, row, roles)) for row in rows)
    return [one for one in found if one.rights.see]


async def visible_project_ids(session: AsyncSession, page: PageRequest) -> frozenset[UUID] | None:
    """Return the projects whose keys and usage the viewer may see; None if these are all."""
    rows = await list_projects(session, page.account_id, include_archived=True)
    visible = await list_visible_projects(session, page, include_archived=True)
    if len(visible) == len(rows):
        return None
    return frozenset({page.account_id, *(one.row.id for one in visible)})


async def is_visible_key(session: AsyncSession, page: PageRequest, key: ApiKey) -> bool:
    """Return whether the viewer may see a key, which is of a project that the viewer may see."""
    visible = await visible_project_ids(session, page)
    return visible is None or (key.project_id or key.account_id) in visible


async def get_visible_project(
    session: AsyncSession, page: PageRequest, project: str
) -> VisibleProject:
    """Return a project by its public id. Raises PageNotFound if the viewer may not see it."""
    try:
        row = await get_project(session, page.account_id, parse_project_id(project))
    except ProjectNotFound as error:
        raise PageNotFound("The account has no such project.") from error
    roles = await list_own_projects(session, page.account_id, page.viewer.person_id)
    rights = project_rights(page.viewer, row, roles)
    if not rights.see:
        raise PageNotFound("The account has no such project.")
    return VisibleProject(row, rights)


def require_right(allowed: bool) -> None:
    """Raise PermissionDenied unless the viewer has the right."""
    if not allowed:
        raise PermissionDenied("Your role does not allow this.")


def project_url(project_id: UUID) -> str:
    """Return the URL of a project's page."""
    return f"{PROJECTS_URL}/{format_project_id(project_id)}"
