"""The prefixes of a node for operators: own ones and delegations, without keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import NodeAuthority, NodeDelegation


@dataclass(frozen=True, slots=True)
class ListedPrefix:
    """A prefix: this node's own (`parent` empty), or delegated to the node at `node`."""

    prefix: str
    kid: str
    parent: str = ""
    node: str = ""
    account_id: UUID | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


async def list_prefixes(session: AsyncSession) -> Sequence[ListedPrefix]:
    """Return all prefixes, each followed by what it has delegated, revoked ones included."""
    own = await session.scalars(select(NodeAuthority).order_by(col(NodeAuthority.prefix)))
    query = select(NodeDelegation).order_by(
        col(NodeDelegation.prefix), col(NodeDelegation.issued_at)
    )
    delegated = (await session.scalars(query.limit(1_000))).all()
    listed: list[ListedPrefix] = []
    for authority in own:
        listed.append(
            ListedPrefix(authority.prefix, authority.kid, account_id=authority.account_id)
        )
        listed += [
            ListedPrefix(
                row.prefix,
                row.kid,
                row.parent,
                row.node,
                expires_at=row.expires_at,
                revoked_at=row.revoked_at,
            )
            for row in delegated
            if row.parent == authority.prefix
        ]
    return listed
