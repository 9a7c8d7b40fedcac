"""Identities at external providers that are linked to a person: find, link, list and unlink."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.sso.provider import ExternalIdentity
from gateway.tables import LinkedIdentity, Person
from infra.clock import Clock
from infra.errors import AppError


class IdentityTaken(AppError):
    """The identity is linked to another person."""

    status = 409
    type = "invalid_request_error"
    code = "identity_taken"


async def find_linked_person(
    session: AsyncSession, clock: Clock, provider: str, subject: str
) -> Person | None:
    """Return the person whom an identity is linked to, and record its use; None if nobody."""
    linked = await session.get(LinkedIdentity, (provider, subject))
    if linked is None:
        return None
    linked.used_at = clock.now()
    return await session.get_one(Person, linked.person_id)


async def link_identity(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID | None,
    provider: str,
    identity: ExternalIdentity,
) -> None:
    """Link an identity to the acting person. No effect if it is linked to this person already.

    Raises IdentityTaken.
    """
    if actor.person_id is None:
        raise IdentityTaken("Only a person can link an identity.")
    inserted = await session.execute(
        insert(LinkedIdentity)
        .values(
            provider=provider,
            subject=identity.subject,
            person_id=actor.person_id,
            name=identity.name[:200],
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(col(LinkedIdentity.subject))
    )
    if inserted.scalar_one_or_none() is not None:
        await record_audit_event(session, clock, actor, account_id, "identity.linked", provider)
        return
    linked = await session.get_one(LinkedIdentity, (provider, identity.subject))
    if linked.person_id != actor.person_id:
        raise IdentityTaken("This identity is linked to another person.")


async def list_linked_identities(
    session: AsyncSession, person_id: UUID
) -> Sequence[LinkedIdentity]:
    """List a person's identities, oldest first."""
    query = (
        select(LinkedIdentity)
        .where(col(LinkedIdentity.person_id) == person_id)
        .order_by(col(LinkedIdentity.created_at))
    )
    return (await session.scalars(query)).all()


async def unlink_identities(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID | None, provider: str
) -> bool:
    """Remove the acting person's identities at a provider. Returns False if there are none."""
    removed = await session.execute(
        delete(LinkedIdentity)
        .where(
            col(LinkedIdentity.provider) == provider,
            col(LinkedIdentity.person_id) == actor.person_id,
        )
        .returning(col(LinkedIdentity.subject))
    )
    found = bool(removed.all())
    if found:
        await record_audit_event(session, clock, actor, account_id, "identity.unlinked", provider)
    return found
