"""Signed limits of an account: added, found for a point, listed and revoked.

The gateway checks them so that people learn early what is wrong. What counts is the check of the
connector, which trusts the owner's keys only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.errors import CommandLimitsNotFound
from gateway.agents.public_ids import LIMITS
from gateway.agents.store.agents import AgentChange
from gateway.identity.audit_log import record_audit_event
from gateway.plant.commands.documents import MAX_BYTES, digest, verify_limits
from gateway.plant.commands.errors import CommandLimitsUntrusted
from gateway.plant.commands.values import CommandLimits
from gateway.plant.identifiers.keys import Key
from gateway.tables.agents_commands import AgentCommandLimits, AgentConnector
from infra import ids
from infra.database.paging import page_of


async def add_limits(change: AgentChange, token: str, key: Key) -> AgentCommandLimits:
    """Add a signed document; a repeated one is returned as it is.

    Raises CommandLimitsUntrusted, also for another account's document, CommandLimitsInvalid.
    """
    token = token.strip()
    if len(token) > MAX_BYTES:
        raise CommandLimitsUntrusted(f"A signed document has at most {MAX_BYTES:,} bytes.")
    limits = verify_limits(token, [key])
    if limits.account != ids.format_id("acct", change.account_id):
        raise CommandLimitsUntrusted("The limits are of another account.", param="limits")
    query = select(AgentCommandLimits).where(
        col(AgentCommandLimits.account_id) == change.account_id,
        col(AgentCommandLimits.digest) == digest(token),
    )
    known = (await change.session.scalars(query)).one_or_none()
    if known is not None:
        return known
    row = _row(change, limits, token, key)
    change.session.add(row)
    await change.session.flush()
    details = {"connector": row.connector, "key": row.kid, "points": len(limits.points)}
    await _record(change, "agent.limits_added", row, details)
    return row


async def revoke_limits(change: AgentChange, limits: str) -> AgentCommandLimits:
    """Revoke limits: no command is sent under them. Raises CommandLimitsNotFound."""
    row = await find_limits(change.session, change.account_id, limits)
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = change.clock.now(), change.actor.public_id
        await change.session.flush()
        await _record(change, "agent.limits_revoked", row, {"connector": row.connector})
    return row


async def find_limits(session: AsyncSession, account_id: UUID, limits: str) -> AgentCommandLimits:
    """Return limits of the account. Raises CommandLimitsNotFound."""
    query = select(AgentCommandLimits).where(
        col(AgentCommandLimits.account_id) == account_id,
        col(AgentCommandLimits.id) == ids.parse_id(LIMITS, limits),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise CommandLimitsNotFound(f"The limits {limits[:60]!r} do not exist.", param="limits")
    return row


async def list_limits(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[AgentCommandLimits]:
    """Return a page of limits, the newest first."""
    query = select(AgentCommandLimits).where(col(AgentCommandLimits.account_id) == account_id)
    return (await session.scalars(page_of(query, col(AgentCommandLimits.id), limit, after))).all()


async def list_connectors(session: AsyncSession, account_id: UUID) -> Sequence[AgentConnector]:
    """Return the connectors that asked for commands, by name."""
    query = select(AgentConnector).where(col(AgentConnector.account_id) == account_id)
    return (await session.scalars(query.order_by(col(AgentConnector.name)))).all()


async def limits_in_force(
    session: AsyncSession, account_id: UUID, now: datetime
) -> Mapping[str, AgentCommandLimits]:
    """Return the limits in force by connector: of each the last issued that is not revoked.

    Limits of a key that a connector does not trust are left out once the connector is known.
    """
    query = (
        select(AgentCommandLimits)
        .where(
            col(AgentCommandLimits.account_id) == account_id,
            col(AgentCommandLimits.revoked_at).is_(None),
        )
        .order_by(col(AgentCommandLimits.issued_at), col(AgentCommandLimits.id))
    )
    rows = (await session.scalars(query)).all()
    known = {one.name: one.keys for one in await list_connectors(session, account_id)}
    newest = {row.connector: row for row in rows if row.kid in known.get(row.connector, [row.kid])}
    # An expired document is no reason to go back to the one that it replaced.
    return {name: row for name, row in newest.items() if row.expires_at > now}


def read_document(row: AgentCommandLimits) -> CommandLimits:
    """Return the limits of a row."""
    return msgspec.convert(row.document, CommandLimits)


def _row(change: AgentChange, limits: CommandLimits, token: str, key: Key) -> AgentCommandLimits:
    """Return the row of a verified document."""
    document: dict[str, Any] = msgspec.to_builtins(limits)
    return AgentCommandLimits(
        id=ids.new_id(),
        account_id=change.account_id,
        connector=limits.connector,
        kid=key.kid,
        digest=digest(token),
        token=token,
        document=document,
        issued_at=limits.issued_at,
        expires_at=limits.expires_at,
        created_at=change.clock.now(),
        created_by=change.actor.public_id,
    )


async def _record(
    change: AgentChange, action: str, row: AgentCommandLimits, details: dict[str, Any]
) -> None:
    """Record a change of limits in the audit log."""
    subject = ids.format_id(LIMITS, row.id)
    await record_audit_event(
        change.session, change.clock, change.actor, change.account_id, action, subject, details
    )
