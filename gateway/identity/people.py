"""People: creation, lookup, the operators' list, unlocking and revoking platform roles."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.email_address import normalize_email
from gateway.identity.memberships import MembershipView, list_memberships
from gateway.identity.sessions import end_other_sessions
from gateway.identity.throttling.attempt_limits import login_attempts_by_email
from gateway.identity.throttling.lockout import reset_attempts
from gateway.identity.totp import disable_second_factor
from gateway.tables import Person
from infra import ids
from infra.clock import Clock
from infra.errors import AppError


class PersonNotFound(AppError):
    """No person has this e-mail address."""

    status = 404
    type = "invalid_request_error"
    code = "person_not_found"


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person with memberships, as operators see it."""

    id: UUID
    email: str
    name: str
    memberships: tuple[MembershipView, ...]
    second_factor: bool
    created_at: datetime


async def find_person_by_email(session: AsyncSession, email: str) -> Person | None:
    """Return the person with this normalized address, or None."""
    query = select(Person).where(col(Person.email) == email)
    return (await session.scalars(query)).one_or_none()


async def create_person(
    session: AsyncSession,
    clock: Clock,
    email: str,
    name: str,
    password_hash: str,
    language: str | None,
) -> Person | None:
    """Store a new person with a normalized address; None if the address is registered."""
    inserted = await session.scalars(
        insert(Person)
        .values(
            id=ids.new_id(),
            email=email,
            name=name.strip(),
            password_hash=password_hash,
            language=language,
            totp_step=0,
            recovery=[],
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(Person)
    )
    return inserted.one_or_none()


async def get_person_names(session: AsyncSession, person_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return names by person id."""
    query = select(Person.id, Person.name).where(col(Person.id).in_(person_ids))
    return {person_id: name for person_id, name in (await session.execute(query)).all()}


async def has_people(session: AsyncSession) -> bool:
    """Whether any person is registered."""
    return bool(await session.scalar(select(exists(select(Person.id)))))


async def list_people(session: AsyncSession) -> list[PersonView]:
    """Return all people ordered by e-mail address, for operators."""
    people = (await session.scalars(select(Person).order_by(col(Person.email)))).all()
    return [
        PersonView(
            id=person.id,
            email=person.email,
            name=person.name,
            memberships=tuple(await list_memberships(session, person.id)),
            second_factor=person.totp_since is not None,
            created_at=person.created_at,
        )
        for person in people
    ]


async def unlock_person(
    session: AsyncSession, clock: Clock, actor: Actor, email: str, *, disable_totp: bool = False
) -> bool:
    """Clear a person's login lockout; with `disable_totp`, disable the second factor too.

    `disable_totp` is for a person who lost the codes. Returns whether any attempts were counted.
    Raises EmailInvalid, PersonNotFound.
    """
    person = await find_person_by_email(session, normalize_email(email))
    if person is None:
        raise PersonNotFound("No person has this e-mail address.", param="email")
    counted = await reset_attempts(session, clock, login_attempts_by_email(person.email))
    if disable_totp:
        await disable_second_factor(session, clock, actor, person.id)
    await record_audit_event(session, clock, actor, None, "person.unlocked", person.email)
    return counted


async def revoke_platform_role(
    session: AsyncSession, clock: Clock, actor: Actor, email: str
) -> None:
    """Revoke a person's platform role and end all their sessions. Memberships are unchanged.

    Raises EmailInvalid, and PersonNotFound also if the person has no platform role.
    """
    person = await find_person_by_email(session, normalize_email(email))
    if person is None or person.platform_role is None:
        raise PersonNotFound(
            "No person with this e-mail address has a platform role.", param="email"
        )
    details = {"role": person.platform_role}
    person.platform_role = None
    await session.flush()
    await end_other_sessions(session, clock, person.id)
    await record_audit_event(session, clock, actor, None, "person.dismissed", person.email, details)


async def get_email_language(
    session: AsyncSession, person: Person | None, account_id: UUID | None
) -> str:
    """Return the language for e-mails: the person's choice, else the account's billing locale.

    Defaults to Chinese (`zh`).
    """
    if person is not None and person.language is not None:
        return person.language
    if account_id is not None:
        return (await get_profile(session, account_id)).locale
    return "zh"
