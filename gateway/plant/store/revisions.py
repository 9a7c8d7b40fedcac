"""The revision of an account's plant model: locked by every change, and increased by it."""

from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.plant import PlantRevision


async def read_revision(session: AsyncSession, account_id: UUID) -> int:
    """Return the revision of an account's plant model, 0 before its first change."""
    query = select(PlantRevision.revision).where(col(PlantRevision.account_id) == account_id)
    return (await session.scalars(query)).one_or_none() or 0


async def advance_revision(session: AsyncSession, account_id: UUID) -> int:
    """Increase the revision and return it. Other changes of the account wait until the end of the
    transaction."""
    statement = (
        insert(PlantRevision)
        .values(account_id=account_id, revision=1)
        .on_conflict_do_update(
            index_elements=["account_id"],
            set_={"revision": col(PlantRevision.revision) + 1},
        )
        .returning(col(PlantRevision.revision))
    )
    return (await session.execute(statement)).scalar_one()


async def count_active(session: AsyncSession, account_id: UUID, table: Any) -> int:
    """Return how many active rows an account has in a table of the plant model."""
    query = (
        select(func.count())
        .select_from(table)
        .where(
            col(table.account_id) == account_id,
            col(table.retired_at).is_(None),
        )
    )
    return (await session.scalars(query)).one()
