"""The members of a project: people of the account with a role in the project.

Owners of the account see and manage all projects and need not be members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Project
from gateway.identity.audit_log import PERSON_ID_PREFIX, Actor, record_audit_event
from gateway.projects.errors import (
    LastProjectOwner,
    ProjectMemberExists,
    ProjectMemberNotFound,
)
from gateway.projects.projects import format_project_id
from gateway.tables import Membership, Person, ProjectMember
from infra import ids
from infra.clock import Clock

PROJECT_ROLES = ("owner", "member")


@dataclass(frozen=True, slots=True)
class ProjectMemberView:
    """A member of a project as shown to people; `role` is `owner` or `member`."""

    person_id: UUID
    email: str
    name: str
    role: str
    added_at: datetime


async def list_members(
    session: AsyncSession, account_id: UUID, project_id: UUID
) -> list[ProjectMemberView]:
    """List the members of a project, the oldest membership first."""
    query = (
        select(ProjectMember, Person)
        .join(Person, col(Person.id) == col(ProjectMember.person_id))
        .where(
            col(ProjectMember.account_id) == account_id,
            col(ProjectMember.project_id) == project_id,
        )
        .order_by(col(ProjectMember.created_at), col(Person.email))
    )
    rows = (await session.execute(query)).all()
    return [
        ProjectMemberView(person.id, person.email, person.name, row.role, row.created_at)
        for row, person in rows
    ]


async def get_member(
    session: AsyncSession, account_id: UUID, project_id: UUID, person_id: UUID
) -> ProjectMemberView:
    """Return one member of a project. Raises ProjectMemberNotFound."""
    for member in await list_members(session, account_id, project_id):
        if member.person_id == person_id:
            return member
    raise _not_found()


async def list_own_projects(
    session: AsyncSession, account_id: UUID, person_id: UUID
) -> dict[UUID, str]:
    """Return the role of a person in each of their projects, by project id."""
    query = select(ProjectMember.project_id, ProjectMember.role).where(
        col(ProjectMember.account_id) == account_id, col(ProjectMember.person_id) == person_id
    )
    return {project_id: role for project_id, role in (await session.execute(query)).all()}


async def find_person(
    session: AsyncSession, account_id: UUID, *, person: UUID | None = None, email: str = ""
) -> UUID:
    """Return a person of the account by id or e-mail address. Raises ProjectMemberNotFound."""
    query = (
        select(Person.id)
        .join(Membership, col(Membership.person_id) == col(Person.id))
        .where(col(Membership.account_id) == account_id)
    )
    if person is None:
        query = query.where(col(Person.email) == email.strip().lower())
    else:
        query = query.where(col(Person.id) == person)
    found = await session.scalar(query)
    if found is None:
        raise _not_found()
    return found


async def add_member(
    session: AsyncSession, clock: Clock, actor: Actor, project: Project, person_id: UUID, role: str
) -> ProjectMemberView:
    """Add a person of the account to a locked project. Raises ProjectMemberExists."""
    if any(row.person_id == person_id for row in await _lock_members(session, project)):
        raise ProjectMemberExists("The person is a member of the project already.")
    session.add(
        ProjectMember(
            project_id=project.id,
            person_id=person_id,
            account_id=project.account_id,
            role=role,
            created_at=clock.now(),
        )
    )
    await session.flush()
    await _record(session, clock, actor, project, person_id, "project.member_added", role)
    return await get_member(session, project.account_id, project.id, person_id)


async def change_member_role(
    session: AsyncSession, clock: Clock, actor: Actor, project: Project, person_id: UUID, role: str
) -> ProjectMemberView:
    """Change the role of a member of a locked project; the same role changes nothing.

    Raises ProjectMemberNotFound, LastProjectOwner.
    """
    row = _find(members := await _lock_members(session, project), person_id)
    if row.role != role:
        _require_other_owner(members, row)
        row.role = role
        await session.flush()
        await _record(session, clock, actor, project, person_id, "project.role_changed", role)
    return await get_member(session, project.account_id, project.id, person_id)


async def remove_member(
    session: AsyncSession, clock: Clock, actor: Actor, project: Project, person_id: UUID
) -> None:
    """Remove a member of a locked project. Raises ProjectMemberNotFound, LastProjectOwner."""
    row = _find(members := await _lock_members(session, project), person_id)
    _require_other_owner(members, row)
    role = row.role
    await session.delete(row)
    await session.flush()
    await _record(session, clock, actor, project, person_id, "project.member_removed", role)


async def _lock_members(session: AsyncSession, project: Project) -> Sequence[ProjectMember]:
    """Return the members of a project, locked."""
    query = select(ProjectMember).where(
        col(ProjectMember.project_id) == project.id,
        col(ProjectMember.account_id) == project.account_id,
    )
    ordered = query.order_by(col(ProjectMember.person_id)).with_for_update()
    return (await session.scalars(ordered)).all()


def _find(members: Sequence[ProjectMember], person_id: UUID) -> ProjectMember:
    """Return a person's membership. Raises ProjectMemberNotFound."""
    for row in members:
        if row.person_id == person_id:
            return row
    raise _not_found()


def _require_other_owner(members: Sequence[ProjectMember], row: ProjectMember) -> None:
    """Raise LastProjectOwner if the member is the project's only owner."""
    owners = [member for member in members if member.role == "owner"]
    if owners == [row]:
        raise LastProjectOwner(
            "The person is the only owner of the project. Make another member an owner first."
        )


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    project: Project,
    person_id: UUID,
    action: str,
    role: str,
) -> None:
    """Write the audit log entry of a change of a member."""
    details = {"person": ids.format_id(PERSON_ID_PREFIX, person_id), "role": role}
    subject = format_project_id(project.id)
    await record_audit_event(session, clock, actor, project.account_id, action, subject, details)


def _not_found() -> ProjectMemberNotFound:
    """Return the error for a person who is not a member."""
    return ProjectMemberNotFound("The person is not a member.", param="user_id")
