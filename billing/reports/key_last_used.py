"""The hour in which each API key was last used, from the hourly usage totals."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import UsageTotal

LOOKBACK = timedelta(days=30)


async def last_used_hours(
    session: AsyncSession, account_id: UUID, now: datetime
) -> dict[UUID, datetime]:
    """Return the start of the last hour with calls of each key used in the last 30 days.

    Refused calls count too.
    """
    query = (
        select(UsageTotal.key_id, func.max(UsageTotal.hour))
        .where(col(UsageTotal.account_id) == account_id, col(UsageTotal.hour) > now - LOOKBACK)
        .group_by(col(UsageTotal.key_id))
    )
    return {key_id: hour for key_id, hour in (await session.execute(query)).all()}
