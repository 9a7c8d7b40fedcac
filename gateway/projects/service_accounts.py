"""Service accounts: members of a project that are not persons and own API keys."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.project_ids import SERVICE_ACCOUNT_ID_PREFIX, parse_service_account_id
from billing.tables import ApiKey, Project, ServiceAccount
from gateway.access.api_keys import IssuedKey, KeyOwner, create_key, revoke_key
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.projects.errors import ProjectNameTaken, ServiceAccountNotFound
from gateway.projects.projects import lock_active_project, validate_project_name
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class IssuedServiceAccount:
    """A service account that was just created, with its first key, whose secret is shown once."""

    row: ServiceAccount
    key: IssuedKey


def require_service_account_id(text: str) -> UUID:
    """Parse the public id `svc_acct_…`. Raises ServiceAccountNotFound."""
    found = parse_service_account_id(text)
    if found is None:
        raise ServiceAccountNotFound("The project has no such service account.")
    return found


async def create_service_account(
    session: AsyncSession,
    clock: Clock,
    pepper: bytes,
    actor: Actor,
    account_id: UUID,
    project_id: UUID,
    name: str,
) -> IssuedServiceAccount:
    """Create a service account with a first key, which has its name.

    Raises ProjectNotFound, ProjectNotActive, ProjectNameInvalid, ProjectNameTaken.
    """
    # The lock of the project's row serializes the check of names.
    project = await lock_active_project(session, account_id, project_id)
    row = ServiceAccount(
        id=ids.new_id(),
        account_id=account_id,
        project_id=project.id,
        name=validate_project_name(name),
        role="member",
        created_at=clock.now(),
    )
    await _require_free_name(session, row)
    session.add(row)
    await session.flush()
    await _record(session, clock, actor, row, "service_account.created")
    owner = KeyOwner(project.id, row.id)
    key = await create_key(session, clock, pepper, account_id, row.name, actor=actor, owner=owner)
    return IssuedServiceAccount(row, key)


async def list_service_accounts(
    session: AsyncSession,
    account_id: UUID,
    project_id: UUID,
    limit: int = 10_000,
    after: UUID | None = None,
) -> list[ServiceAccount]:
    """List the service accounts of a project that are not deleted, the oldest first."""
    query = select(ServiceAccount).where(
        col(ServiceAccount.account_id) == account_id,
        col(ServiceAccount.project_id) == project_id,
        col(ServiceAccount.deleted_at).is_(None),
    )
    if after is not None:
        query = query.where(col(ServiceAccount.id) > after)
    return list((await session.scalars(query.order_by(col(ServiceAccount.id)).limit(limit))).all())


async def get_service_account(
    session: AsyncSession, account_id: UUID, project_id: UUID, service_account_id: UUID
) -> ServiceAccount:
    """Return a service account of a project, not a deleted one. Raises ServiceAccountNotFound."""
    query = select(ServiceAccount).where(
        col(ServiceAccount.id) == service_account_id,
        col(ServiceAccount.account_id) == account_id,
        col(ServiceAccount.project_id) == project_id,
        col(ServiceAccount.deleted_at).is_(None),
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise ServiceAccountNotFound("The project has no such service account.")
    return row


async def delete_service_account(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    project: Project,
    service_account_id: UUID,
) -> None:
    """Delete a service account and revoke its keys at once; running calls end normally.

    Raises ServiceAccountNotFound.
    """
    account_id = project.account_id
    row = await get_service_account(session, account_id, project.id, service_account_id)
    row.deleted_at = clock.now()
    await session.flush()
    keys = select(ApiKey.id).where(
        col(ApiKey.account_id) == account_id, col(ApiKey.service_account_id) == row.id
    )
    for key_id in (await session.scalars(keys)).all():
        await revoke_key(session, clock, account_id, key_id, actor)
    await _record(session, clock, actor, row, "service_account.deleted")


async def _require_free_name(session: AsyncSession, row: ServiceAccount) -> None:
    """Raise ProjectNameTaken if the project has a service account of this name."""
    query = select(ServiceAccount.id).where(
        col(ServiceAccount.project_id) == row.project_id,
        col(ServiceAccount.account_id) == row.account_id,
        col(ServiceAccount.deleted_at).is_(None),
        func.lower(col(ServiceAccount.name)) == func.lower(row.name),
    )
    if await session.scalar(query) is not None:
        raise ProjectNameTaken("The project has a service account of this name.", param="name")


async def _record(
    session: AsyncSession, clock: Clock, actor: Actor, row: ServiceAccount, action: str
) -> None:
    """Write the audit log entry of a change of a service account."""
    subject, details = ids.format_id(SERVICE_ACCOUNT_ID_PREFIX, row.id), {"name": row.name}
    await record_audit_event(session, clock, actor, row.account_id, action, subject, details)
