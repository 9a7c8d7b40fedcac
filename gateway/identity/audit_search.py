"""Search the audit log of an account or of all, as the APIs for administrators do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.audit_log import AuditLogEntry, to_entry
from gateway.tables import AuditEntry, Person


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which entries to list, newest first; empty filters match all.

    `account_id` None means the platform and all accounts. `after` is the last entry of the previous
    page; with `before` instead, the page ends just before that entry. `since` is inclusive,
    `until` exclusive.
    """

    account_id: UUID | None
    limit: int
    actions: Sequence[str] = ()
    person_ids: Sequence[UUID] = ()
    key_ids: Sequence[str] = ()
    emails: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    before: UUID | None = None


async def search_audit_log(session: AsyncSession, search: AuditSearch) -> list[AuditLogEntry]:
    """Return a page of entries, newest first, and one more if there are more."""
    query = (
        select(AuditEntry, Person.email, Person.name, Account.name)
        .join(Person, col(Person.id) == col(AuditEntry.person_id), isouter=True)
        .join(Account, col(Account.id) == col(AuditEntry.account_id), isouter=True)
        .where(*_conditions(search))
        .limit(search.limit + 1)
    )
    is_backwards = search.before is not None
    identity = col(AuditEntry.id)
    ordered = query.order_by(identity if is_backwards else identity.desc())
    entries = [to_entry(*row) for row in (await session.execute(ordered)).all()]
    return entries[::-1] if is_backwards else entries


def _conditions(search: AuditSearch) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of a search."""
    found: list[ColumnElement[bool]] = []
    if search.account_id is not None:
        found.append(col(AuditEntry.account_id) == search.account_id)
    if search.actions:
        found.append(col(AuditEntry.action).in_(search.actions))
    if search.person_ids or search.key_ids:
        by_key = col(AuditEntry.details)["key"].astext.in_(search.key_ids)
        found.append(or_(col(AuditEntry.person_id).in_(search.person_ids), by_key))
    if search.emails:
        found.append(col(Person.email).in_(search.emails))
    if search.since is not None:
        found.append(col(AuditEntry.at) >= search.since)
    if search.until is not None:
        found.append(col(AuditEntry.at) < search.until)
    if search.after is not None:
        found.append(col(AuditEntry.id) < search.after)
    if search.before is not None:
        found.append(col(AuditEntry.id) > search.before)
    return found
