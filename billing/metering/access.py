"""The access epoch: how gateways learn that what they remember of keys and limits has changed.

Owns counting it up and reading it. Whoever changes a key or a limit counts it up in the same
transaction; see AccessEpoch for why that is enough.
"""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.tables import AccessEpoch
from infra.direct import DirectConnection


async def read_epoch(connection: DirectConnection) -> int:
    """The count of changes so far. Often asked, so in one cheap statement."""
    rows = await connection.statement("select count from access_epoch", {})
    return int(rows[0][0])


async def advance_epoch(session: AsyncSession) -> None:
    """Say that something changed; transactions that do so commit one after another."""
    await session.execute(update(AccessEpoch).values(count=col(AccessEpoch.count) + 1))
