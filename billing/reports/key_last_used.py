"""Last use: in which hour each of an account's keys was last called with.

Reads only the totals, so ten million calls cost no more than their hours.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import UsageTotal

SPAN = timedelta(days=30)


async def last_hours(
    session: AsyncSession, account_id: UUID, now: datetime
) -> dict[UUID, datetime]:
    """The beginning of that hour for each key that was called with in the last 30 days; calls that
    were refused count too."""
    query = (
        select(UsageTotal.key_id, func.max(UsageTotal.hour))
        .where(col(UsageTotal.account_id) == account_id, col(UsageTotal.hour) > now - SPAN)
        .group_by(col(UsageTotal.key_id))
    )
    return {key_id: hour for key_id, hour in (await session.execute(query)).all()}
