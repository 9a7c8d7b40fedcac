"""The audit log: who changed what, when and from where.

Owns writing entries, in the transaction of the change itself, and showing them. Entries are never
changed; the database refuses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.current_user import Viewer
from gateway.tables import AuditEntry, Person
from infra import ids
from infra.clock import Clock

_LONGEST = 300
_MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person from an address, or the command line without either."""

    person_id: UUID | None
    address: str
    impersonated: bool = False

    @classmethod
    def of(cls, viewer: Viewer, address: str) -> "Actor":
        return cls(viewer.person_id, address[:64], viewer.impersonated)


COMMAND_LINE = Actor(None, "")


@dataclass(frozen=True, slots=True)
class Entry:
    """A change, as it is shown. `email` and `name` are None for the command line; `account_id` and
    `account_name` for what is about the platform."""

    id: UUID
    at: datetime
    email: str | None
    name: str | None
    account_id: UUID | None
    account_name: str | None
    impersonated: bool
    action: str
    subject: str
    details: Mapping[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class Only:
    """Which entries; None is all. `about` is what stands before the dot of an action."""

    about: str | None = None
    person_id: UUID | None = None


ALL = Only()


async def record(
    session: AsyncSession,
    clock: Clock,
    by: Actor,
    account_id: UUID | None,
    action: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write it down; it stays if the caller's transaction does.

    `action` is a name with a dot, as `key.revoked`; `subject` what it was done to, an id or an
    address; `details` plain JSON without secrets. `account_id` None: it is about the platform.
    """
    session.add(
        AuditEntry(
            id=ids.new_id(),
            at=clock.now(),
            person_id=by.person_id,
            account_id=account_id,
            impersonated=by.impersonated,
            action=action,
            subject=_kept(subject),
            details=_kept(dict(details or {})),
            address=_kept(by.address),
        )
    )
    await session.flush()


async def entries_of(
    session: AsyncSession,
    account_id: UUID,
    before: UUID | None = None,
    limit: int = 50,
    only: Only = ALL,
) -> list[Entry]:
    """An account's, the newest first; `before` is the id of the last entry of the page before."""
    which = [col(AuditEntry.account_id) == account_id]
    if only.about is not None:
        which.append(col(AuditEntry.action).startswith(f"{only.about}.", autoescape=True))
    if only.person_id is not None:
        which.append(col(AuditEntry.person_id) == only.person_id)
    return await _page(session, and_(*which), before, limit)


async def people_in(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    """Who did anything that is written down of an account, those who left too, by name."""
    query = (
        select(Person.id, Person.name)
        .join(AuditEntry, col(AuditEntry.person_id) == col(Person.id))
        .where(col(AuditEntry.account_id) == account_id)
        .distinct()
        .order_by(col(Person.name), col(Person.id))
    )
    return {person_id: name for person_id, name in (await session.execute(query)).all()}


async def all_entries(
    session: AsyncSession, before: UUID | None = None, limit: int = 50
) -> list[Entry]:
    """Those of the platform and of all accounts. For operators."""
    return await _page(session, None, before, limit)


async def _page(
    session: AsyncSession, which: ColumnElement[bool] | None, before: UUID | None, limit: int
) -> list[Entry]:
    query = (
        select(AuditEntry, Person.email, Person.name, Account.name)
        .join(Person, col(Person.id) == col(AuditEntry.person_id), isouter=True)
        .join(Account, col(Account.id) == col(AuditEntry.account_id), isouter=True)
        .order_by(col(AuditEntry.id).desc())
        .limit(max(1, min(limit, _MOST_ENTRIES)))
    )
    if which is not None:
        query = query.where(which)
    if before is not None:
        query = query.where(col(AuditEntry.id) < before)
    return [_shown(*row) for row in (await session.execute(query)).all()]


def _shown(row: AuditEntry, email: str | None, name: str | None, account: str | None) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        email=email,
        name=name,
        account_id=row.account_id,
        account_name=account,
        impersonated=row.impersonated,
        action=row.action,
        subject=row.subject,
        details=row.details,
        address=row.address,
    )


def _kept(value: Any) -> Any:
    """Texts cut, and without the NUL and halves of pairs that PostgreSQL takes nowhere."""
    if isinstance(value, str):
        return value[:_LONGEST].replace("\x00", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_kept(str(name)): _kept(one) for name, one in list(value.items())[:50]}
    if isinstance(value, list | tuple):
        return [_kept(one) for one in value[:50]]
    return value
