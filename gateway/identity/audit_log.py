"""Audit log: record and list who changed what, when and from which address.

Events are written in the transaction of the change. Entries are immutable: the database rejects
updates and deletes.
"""

from collections.abc import Mapping, Sequence
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

PERSON_ID_PREFIX = "person"
_MAX_TEXT_LENGTH = 300
_MAX_PAGE_SIZE = 500
_KEY_DETAIL, _REQUEST_DETAIL = "key", "request"


@dataclass(frozen=True, slots=True)
class Actor:
    """The originator of a change: a person or a program with an API key, and the network address.

    `key` is the public id of the API key, `request` that of a request with an admin key. The CLI
    has neither person nor key nor address.
    """

    person_id: UUID | None
    address: str
    impersonated: bool = False
    key: str | None = None
    request: str | None = None

    @property
    def public_id(self) -> str | None:
        """The public id of the person or API key; None for the CLI."""
        if self.person_id is not None:
            return ids.format_id(PERSON_ID_PREFIX, self.person_id)
        return self.key

    @classmethod
    def from_viewer(cls, viewer: Viewer, address: str) -> "Actor":
        """Build the actor of a change by a signed-in person from a network address."""
        return cls(viewer.person_id, address[:64], viewer.impersonated)

    @classmethod
    def from_api_key(cls, key: str, address: str, request: str | None = None) -> "Actor":
        """Build the actor of a change through the API, by the public id of the API key."""
        return cls(None, address[:64], key=key, request=request)


CLI_ACTOR = Actor(None, "")


@dataclass(frozen=True, slots=True)
class AuditLogEntry:
    """An audit log entry for display.

    `email` and `name` are None for changes made with the CLI or an API key. `account_id` and
    `account_name` are None for changes that concern the platform.
    """

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
    person_id: UUID | None = None

    @property
    def is_by_key(self) -> bool:
        """Whether a program made the change with an API key, which the details name."""
        return self.email is None and _KEY_DETAIL in self.details


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of audit log entries; None matches all.

    `area` is the part of an action before the dot, such as `key`.
    """

    area: str | None = None
    person_id: UUID | None = None


NO_FILTER = AuditFilter()


async def record_audit_event(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID | None,
    action: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an audit log entry in the caller's transaction.

    `action` is a dotted name such as `key.revoked`; `subject` is the id or address of the changed
    object; `details` is plain JSON without secrets, to which the actor's key and request are added.
    `account_id` is None for platform changes.
    """
    origin = {_KEY_DETAIL: actor.key, _REQUEST_DETAIL: actor.request}
    by_key = {name: value for name, value in origin.items() if value is not None}
    session.add(
        AuditEntry(
            id=ids.new_id(),
            at=clock.now(),
            person_id=actor.person_id,
            account_id=account_id,
            impersonated=actor.impersonated,
            action=action,
            subject=_sanitize(subject),
            details=_sanitize({**(details or {}), **by_key}),
            address=_sanitize(actor.address),
        )
    )
    await session.flush()


async def list_account_entries(
    session: AsyncSession,
    account_id: UUID,
    before: UUID | None = None,
    limit: int = 50,
    filters: AuditFilter = NO_FILTER,
) -> list[AuditLogEntry]:
    """Return a page of an account's entries, newest first.

    `before` is the id of the last entry of the previous page.
    """
    conditions = [col(AuditEntry.account_id) == account_id]
    if filters.area is not None:
        conditions.append(col(AuditEntry.action).startswith(f"{filters.area}.", autoescape=True))
    if filters.person_id is not None:
        conditions.append(col(AuditEntry.person_id) == filters.person_id)
    return await _list_page(session, and_(*conditions), before, limit)


async def list_subject_entries(
    session: AsyncSession,
    account_id: UUID,
    subjects: Sequence[str],
    before: UUID | None = None,
    limit: int = 50,
) -> list[AuditLogEntry]:
    """Return a page of an account's entries about these subjects, newest first."""
    condition = and_(
        col(AuditEntry.account_id) == account_id, col(AuditEntry.subject).in_(subjects)
    )
    return await _list_page(session, condition, before, limit)


async def list_actor_names(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    """Return id and name of everybody with an entry in an account's log, former members too.

    Ordered by name.
    """
    query = (
        select(Person.id, Person.name)
        .join(AuditEntry, col(AuditEntry.person_id) == col(Person.id))
        .where(col(AuditEntry.account_id) == account_id)
        .distinct()
        .order_by(col(Person.name), col(Person.id))
    )
    return {person_id: name for person_id, name in (await session.execute(query)).all()}


async def list_all_entries(
    session: AsyncSession, before: UUID | None = None, limit: int = 50
) -> list[AuditLogEntry]:
    """Return a page of the entries of the platform and all accounts, for operators."""
    return await _list_page(session, None, before, limit)


async def _list_page(
    session: AsyncSession, condition: ColumnElement[bool] | None, before: UUID | None, limit: int
) -> list[AuditLogEntry]:
    """Return the newest entries that meet the SQL condition, older than the entry `before`."""
    query = (
        select(AuditEntry, Person.email, Person.name, Account.name)
        .join(Person, col(Person.id) == col(AuditEntry.person_id), isouter=True)
        .join(Account, col(Account.id) == col(AuditEntry.account_id), isouter=True)
        .order_by(col(AuditEntry.id).desc())
        .limit(max(1, min(limit, _MAX_PAGE_SIZE)))
    )
    if condition is not None:
        query = query.where(condition)
    if before is not None:
        query = query.where(col(AuditEntry.id) < before)
    return [to_entry(*row) for row in (await session.execute(query)).all()]


def to_entry(
    row: AuditEntry, email: str | None, name: str | None, account: str | None
) -> AuditLogEntry:
    """Build the entry from its row, the actor's e-mail and name, and the account's name."""
    return AuditLogEntry(
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
        person_id=row.person_id,
    )


def _sanitize(value: Any) -> Any:
    """Truncate texts and drop NUL and lone surrogates, which PostgreSQL rejects."""
    if isinstance(value, str):
        return value[:_MAX_TEXT_LENGTH].replace("\x00", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_sanitize(str(name)): _sanitize(item) for name, item in list(value.items())[:50]}
    if isinstance(value, list | tuple):
        return [_sanitize(item) for item in value[:50]]
    return value
