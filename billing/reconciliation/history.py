"""Runs of the checks: when records were compared last, and what did not agree then.

For operators.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import CheckRun
from infra import ids
from infra.clock import Clock

# What is wrong is wrong in many places at once: more of it tells no more.
MOST_DIFFERENCES = 200
_KEPT = timedelta(days=400)
RATED_UNTIL = "rows_rated_until"


async def keep_run(
    session: AsyncSession,
    clock: Clock,
    began_at: datetime,
    source: str,
    figures: Mapping[str, Any],
    differences: Sequence[Mapping[str, Any]],
) -> None:
    """Keep what was found; `source` is who asked, `job` or `command`. Old runs are erased."""
    now = clock.now()
    await session.execute(delete(CheckRun).where(col(CheckRun.at) < now - _KEPT))
    session.add(
        CheckRun(
            id=ids.new_id(),
            at=now,
            took_ms=int((now - began_at) / timedelta(milliseconds=1)),
            source=source,
            figures=dict(figures),
            count=len(differences),
            differences=[dict(one) for one in differences[:MOST_DIFFERENCES]],
        )
    )
    await session.flush()


async def last_runs(session: AsyncSession, limit: int) -> list[CheckRun]:
    """The newest first."""
    query = select(CheckRun).order_by(col(CheckRun.at).desc(), col(CheckRun.id).desc())
    return list((await session.scalars(query.limit(limit))).all())


async def rated_until(session: AsyncSession) -> int:
    """Where the next check of usage rows begins: the rows of all transactions before it were found
    to agree with their quantities. 0 where that was never checked."""
    query = select(CheckRun.figures).where(col(CheckRun.figures).op("?")(RATED_UNTIL))
    newest = query.order_by(col(CheckRun.at).desc(), col(CheckRun.id).desc()).limit(1)
    figures = (await session.scalars(newest)).one_or_none()
    return 0 if figures is None else int(figures[RATED_UNTIL])
