"""People: finding them, and what operators see and mend of them.

Owns looking people up, the operator's help for somebody who is locked out, and ending what somebody
is on the platform.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import read_profile
from gateway.identity.attempt_limits import by_email
from gateway.identity.audit_log import Actor, record
from gateway.identity.email_address import normal_email
from gateway.identity.lockout import forget
from gateway.identity.memberships import Belonging, belongings
from gateway.identity.sessions import end_others
from gateway.identity.totp import turn_off
from gateway.tables import Person
from infra.clock import Clock
from infra.errors import AppError


class PersonNotFound(AppError):
    """Nobody has this e-mail address."""

    status = 404
    type = "invalid_request_error"
    code = "person_not_found"


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody, with where they belong. For operators."""

    id: UUID
    email: str
    name: str
    belongs: tuple[Belonging, ...]
    second_factor: bool
    created_at: datetime


async def person_by_email(session: AsyncSession, email: str) -> Person | None:
    """By the address in its normal form."""
    query = select(Person).where(col(Person.email) == email)
    return (await session.scalars(query)).one_or_none()


async def names_of(session: AsyncSession, person_ids: Collection[UUID]) -> dict[UUID, str]:
    """What people are called."""
    query = select(Person.id, Person.name).where(col(Person.id).in_(person_ids))
    return {person_id: name for person_id, name in (await session.execute(query)).all()}


async def anybody(session: AsyncSession) -> bool:
    """Whether there is any person yet."""
    return bool(await session.scalar(select(exists(select(Person.id)))))


async def list_people(session: AsyncSession) -> list[Known]:
    """Everybody, by address. For operators."""
    people = (await session.scalars(select(Person).order_by(col(Person.email)))).all()
    return [
        Known(
            id=one.id,
            email=one.email,
            name=one.name,
            belongs=tuple(await belongings(session, one.id)),
            second_factor=one.totp_since is not None,
            created_at=one.created_at,
        )
        for one in people
    ]


async def unlock(
    session: AsyncSession, clock: Clock, by: Actor, email: str, *, second_factor_off: bool = False
) -> bool:
    """Let somebody try to sign in at once; gives whether they were counted at all. On wish the
    second factor is turned off, whose codes were lost. Raises EmailInvalid, PersonNotFound."""
    person = await person_by_email(session, normal_email(email))
    if person is None:
        raise PersonNotFound("Nobody has this e-mail address.", param="email")
    counted = await forget(session, clock, by_email(person.email))
    if second_factor_off:
        await turn_off(session, clock, by, person.id)
    await record(session, clock, by, None, "person.unlocked", person.email)
    return counted


async def dismiss(session: AsyncSession, clock: Clock, by: Actor, email: str) -> None:
    """End what somebody is on the platform, and all their sessions; what they are in accounts
    stays. Raises EmailInvalid, PersonNotFound, also of somebody who is nothing there."""
    person = await person_by_email(session, normal_email(email))
    if person is None or person.platform_role is None:
        raise PersonNotFound("Nobody with this address runs the platform.", param="email")
    details = {"role": person.platform_role}
    person.platform_role = None
    await session.flush()
    await end_others(session, clock, person.id)
    await record(session, clock, by, None, "person.dismissed", person.email, details)


async def language_of(session: AsyncSession, person: Person | None, account_id: UUID | None) -> str:
    """What somebody is written in: as the person chose, else as the account is billed in."""
    if person is not None and person.language is not None:
        return person.language
    if account_id is not None:
        return (await read_profile(session, account_id)).locale
    return "zh"
