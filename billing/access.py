"""The access epoch: how gateways learn that what they remember of keys and limits has changed.

Owns counting it up and reading it. Whoever changes a key or a limit counts it up in the same
transaction; see AccessEpoch for why that is enough.
"""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import AccessEpoch


async def read_epoch(session: AsyncSession) -> int:
    """The count of changes so far."""
    return (await session.execute(select(AccessEpoch.count))).scalar_one()


async def advance_epoch(session: AsyncSession) -> None:
    """Say that something changed; transactions that do so commit one after another."""
    await session.execute(update(AccessEpoch).values(count=col(AccessEpoch.count) + 1))
