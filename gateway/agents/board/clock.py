"""The time of the task board: that of the database, one for all processes.

A process whose clock jumps neither takes over the leases of others nor keeps its own.
"""

from datetime import datetime

from sqlalchemy import DateTime, func, select
from sqlalchemy.ext.asyncio import AsyncSession

CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))
"""The time of the database in a query."""
_NOW = select(CLOCK)


async def database_now(session: AsyncSession) -> datetime:
    """Return the time of the database, in UTC."""
    now: datetime = (await session.execute(_NOW)).scalar_one()
    return now
