"""What a signed-in person may do with a project, from the roles in the account and the project."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from billing.tables import Project
from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission


@dataclass(frozen=True, slots=True)
class ProjectRights:
    """What a person may do with one project.

    `see`: its pages; `manage`: name, people and service accounts; `keys`: create keys in it and
    move keys to it; `budget`: its budgets and alerts.
    """

    see: bool
    manage: bool
    keys: bool
    budget: bool


def project_rights(viewer: Viewer, project: Project, roles: Mapping[UUID, str]) -> ProjectRights:
    """Return a viewer's rights; `roles` are the viewer's roles by project.

    Owners of the account have all rights. Finance members set budgets of all projects. Developers
    create keys in the default project and in those of which they are members, and as owner of a
    project they manage it. The default project has no people: every member sees it.
    """
    role = roles.get(project.id)
    is_owner = viewer.has_permission(Permission.TEAM)
    is_developer = viewer.has_permission(Permission.KEYS)
    is_finance = viewer.has_permission(Permission.LIMITS)
    is_member = role is not None or project.is_default
    return ProjectRights(
        see=is_owner or is_finance or is_member or viewer.impersonated,
        manage=is_owner or (is_developer and role == "owner"),
        keys=is_owner or (is_developer and is_member),
        budget=is_owner or is_finance,
    )
