"""Create, list, rename and archive the projects of an account, each with an audit log entry.

The default project has the id of its account. Its row is created when it is first needed, so that
accounts of any age have one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.metering.project_ids import DEFAULT_NAME, PROJECT_ID_PREFIX
from billing.tables import Account, ApiKey, Project
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.projects.errors import (
    DefaultProject,
    ProjectNameInvalid,
    ProjectNameTaken,
    ProjectNotActive,
    ProjectNotFound,
)
from infra import ids
from infra.clock import Clock

MAX_NAME_LENGTH = 100
_NAME_INDEX = "uq_project_account_id_name"


def parse_project_id(text: str) -> UUID:
    """Parse the public id `proj_…` of a project. Raises ProjectNotFound."""
    project_id = ids.parse_id(PROJECT_ID_PREFIX, text)
    if project_id is None:
        raise _not_found()
    return project_id


def format_project_id(project_id: UUID) -> str:
    """Return the public id `proj_…` of a project."""
    return ids.format_id(PROJECT_ID_PREFIX, project_id)


def validate_project_name(name: str) -> str:
    """Return a name without surrounding white space. Raises ProjectNameInvalid."""
    stripped = name.strip()
    if not 0 < len(stripped) <= MAX_NAME_LENGTH or not stripped.isprintable():
        message = f"A name must have 1 to {MAX_NAME_LENGTH} printable characters."
        raise ProjectNameInvalid(message, param="name")
    return stripped


async def ensure_default_project(session: AsyncSession, account_id: UUID) -> None:
    """Create the row of the account's default project if it is missing."""
    account = select(
        col(Account.id), col(Account.id), literal(DEFAULT_NAME), col(Account.created_at)
    ).where(col(Account.id) == account_id)
    columns = ["id", "account_id", "name", "created_at"]
    await session.execute(insert(Project).from_select(columns, account).on_conflict_do_nothing())


async def create_project(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, name: str
) -> Project:
    """Create a project. Raises ProjectNameInvalid, ProjectNameTaken."""
    await ensure_default_project(session, account_id)
    row = Project(
        id=ids.new_id(),
        account_id=account_id,
        name=validate_project_name(name),
        created_at=clock.now(),
    )
    await _require_free_name(session, account_id, row.name, None)
    session.add(row)
    await _flush_name(session)
    await _record(session, clock, actor, row, "project.created", {"name": row.name})
    return row


async def list_projects(
    session: AsyncSession,
    account_id: UUID,
    *,
    include_archived: bool = False,
    limit: int = 10_000,
    after: UUID | None = None,
) -> list[Project]:
    """List an account's projects by id, which is the default project first, then by age."""
    await ensure_default_project(session, account_id)
    query = select(Project).where(col(Project.account_id) == account_id)
    if not include_archived:
        query = query.where(col(Project.archived_at).is_(None))
    if after is not None:
        query = query.where(col(Project.id) > after)
    return list((await session.scalars(query.order_by(col(Project.id)).limit(limit))).all())


async def get_project(session: AsyncSession, account_id: UUID, project_id: UUID) -> Project:
    """Return a project of an account, archived or not. Raises ProjectNotFound."""
    return await _read_project(session, account_id, project_id, locked=False)


async def lock_active_project(session: AsyncSession, account_id: UUID, project_id: UUID) -> Project:
    """Return an active project of an account, locked. Raises ProjectNotFound, ProjectNotActive."""
    row = await _read_project(session, account_id, project_id, locked=True)
    if row.archived_at is not None:
        raise ProjectNotActive("The project is archived. Choose an active project.")
    return row


async def find_project(session: AsyncSession, account_id: UUID, text: str) -> Project:
    """Return an account's project by its id, or an active one by name. Raises ProjectNotFound."""
    project_id = ids.parse_id(PROJECT_ID_PREFIX, text)
    if project_id is not None:
        return await get_project(session, account_id, project_id)
    await ensure_default_project(session, account_id)
    query = select(Project).where(
        col(Project.account_id) == account_id,
        col(Project.archived_at).is_(None),
        func.lower(col(Project.name)) == text.strip().lower(),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise _not_found()
    return row


async def rename_project(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, project_id: UUID, name: str
) -> Project:
    """Rename an active project; the same name again changes nothing.

    Raises ProjectNotFound, ProjectNotActive, ProjectNameInvalid, ProjectNameTaken.
    """
    row = await lock_active_project(session, account_id, project_id)
    name = validate_project_name(name)
    if name == row.name:
        return row
    await _require_free_name(session, account_id, name, row.id)
    details = {"from": row.name, "to": name}
    row.name = name
    await _flush_name(session)
    await advance_epoch(session, account_id)  # refusals name the project
    await _record(session, clock, actor, row, "project.renamed", details)
    return row


async def archive_project(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, project_id: UUID
) -> Project:
    """Archive a project for good, which disables its keys at once; twice changes nothing.

    Raises ProjectNotFound, DefaultProject.
    """
    row = await _read_project(session, account_id, project_id, locked=True)
    if row.is_default:
        raise DefaultProject("The default project cannot be archived.")
    if row.archived_at is not None:
        return row
    row.archived_at = clock.now()
    await session.flush()
    await advance_epoch(session, account_id)
    await _record(session, clock, actor, row, "project.archived", {"name": row.name})
    return row


async def count_active_keys(
    session: AsyncSession, account_id: UUID, now: datetime
) -> dict[UUID, int]:
    """Return the number of keys that can be used by project."""
    project_id = func.coalesce(col(ApiKey.project_id), col(ApiKey.account_id))
    query = (
        select(project_id, func.count())
        .where(
            col(ApiKey.account_id) == account_id,
            col(ApiKey.revoked_at).is_(None),
            func.coalesce(col(ApiKey.expires_at), now) >= now,
        )
        .group_by(project_id)
    )
    return {found: int(number) for found, number in (await session.execute(query)).all()}


async def _read_project(
    session: AsyncSession, account_id: UUID, project_id: UUID, *, locked: bool
) -> Project:
    """Return a project of an account. Raises ProjectNotFound."""
    if project_id == account_id:
        await ensure_default_project(session, account_id)
    query = select(Project).where(col(Project.id) == project_id)
    query = query.where(col(Project.account_id) == account_id)
    found = await session.scalars(
        query.with_for_update() if locked else query,
        execution_options={"populate_existing": True},
    )
    row = found.one_or_none()
    if row is None:
        raise _not_found()
    return row


async def _require_free_name(
    session: AsyncSession, account_id: UUID, name: str, own_id: UUID | None
) -> None:
    """Raise ProjectNameTaken if another active project of the account has the name."""
    query = select(Project.id).where(
        col(Project.account_id) == account_id,
        col(Project.archived_at).is_(None),
        func.lower(col(Project.name)) == func.lower(name),
    )
    if own_id is not None:
        query = query.where(col(Project.id) != own_id)
    if await session.scalar(query) is not None:
        raise _name_taken()


async def _flush_name(session: AsyncSession) -> None:
    """Write a new name. Raises ProjectNameTaken if a concurrent transaction took it."""
    try:
        await session.flush()
    except IntegrityError as error:
        if _NAME_INDEX in str(error.orig):
            raise _name_taken() from error
        raise


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    project: Project,
    action: str,
    details: Mapping[str, Any],
) -> None:
    """Write the audit log entry of a change of a project."""
    subject = format_project_id(project.id)
    await record_audit_event(session, clock, actor, project.account_id, action, subject, details)


def _not_found() -> ProjectNotFound:
    """Return the error for a project that the account does not have."""
    return ProjectNotFound("The account has no such project.", param="project")


def _name_taken() -> ProjectNameTaken:
    """Return the error for a name that is in use."""
    return ProjectNameTaken("An active project has this name. Choose another name.", param="name")
