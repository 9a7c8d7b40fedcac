"""The keys of a project: list them, create one, move one to another project.

A move takes effect like every change of a key: each gateway discards the cached key within a
second. Calls that were admitted before are recorded and charged under the old project, whose
quotas they reserved; leases of its budget are returned when they are idle.
"""

from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.tables import ApiKey
from gateway.access.api_keys import PREFIX, IssuedKey, KeyOwner, create_key, lock_key
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.projects.errors import ServiceAccountKeyFixed
from gateway.projects.projects import format_project_id, lock_active_project
from infra import ids
from infra.clock import Clock


async def create_project_key(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    account_id: UUID,
    project_id: UUID,
    name: str,
    *,
    actor: Actor,
    key_id: UUID | None = None,
) -> IssuedKey:
    """Create a key in an active project.

    Raises ProjectNotFound, ProjectNotActive, KeyNameInvalid, KeyAlreadyCreated.
    """
    project = await lock_active_project(session, account_id, project_id)
    owner = KeyOwner(project.id)
    return await create_key(
        session, clock, pepper, account_id, name, actor=actor, key_id=key_id, owner=owner
    )


async def list_project_keys(
    session: AsyncSession, account_id: UUID, project_id: UUID
) -> list[ApiKey]:
    """List all keys that are in a project now, the oldest first."""
    of_key = func.coalesce(col(ApiKey.project_id), col(ApiKey.account_id))
    query = select(ApiKey).where(col(ApiKey.account_id) == account_id, of_key == project_id)
    return list((await session.scalars(query.order_by(col(ApiKey.id)))).all())


async def move_key(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    key_id: UUID,
    project_id: UUID,
) -> ApiKey:
    """Move a key to another active project; a move to its own project changes nothing.

    Raises ProjectNotFound, ProjectNotActive, KeyNotFound, ServiceAccountKeyFixed.
    """
    project = await lock_active_project(session, account_id, project_id)
    row = await lock_key(session, account_id, key_id)
    before = row.project_id or account_id
    if before == project.id:
        return row
    if row.service_account_id is not None:
        raise ServiceAccountKeyFixed(
            "The key belongs to a service account of its project. Create a service account in the "
            "other project."
        )
    row.project_id = project.id
    await session.flush()
    await advance_epoch(session, account_id)
    details = {"from": format_project_id(before), "to": format_project_id(project.id)}
    subject = ids.format_id(PREFIX, key_id)
    await record_audit_event(session, clock, actor, account_id, "key.moved", subject, details)
    return row
