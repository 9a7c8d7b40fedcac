"""History of reconciliation runs: store and list them, and find where the next one begins."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import CheckRun
from infra import ids
from infra.clock import Clock

# One error usually causes many differences, so more of them add no information.
MAX_DIFFERENCES = 200
_RETENTION = timedelta(days=400)
RATED_UNTIL = "rows_rated_until"


async def store_check_run(
    session: AsyncSession,
    clock: Clock,
    began_at: datetime,
    source: str,
    figures: Mapping[str, Any],
    differences: Sequence[Mapping[str, Any]],
) -> None:
    """Store a check run by `source` (`job` or `command`); delete runs older than 400 days."""
    now = clock.now()
    await session.execute(delete(CheckRun).where(col(CheckRun.at) < now - _RETENTION))
    session.add(
        CheckRun(
            id=ids.new_id(),
            at=now,
            took_ms=int((now - began_at) / timedelta(milliseconds=1)),
            source=source,
            figures=dict(figures),
            count=len(differences),
            differences=[dict(difference) for difference in differences[:MAX_DIFFERENCES]],
        )
    )
    await session.flush()


async def list_check_runs(session: AsyncSession, limit: int) -> list[CheckRun]:
    """List the check runs, newest first."""
    query = select(CheckRun).order_by(col(CheckRun.at).desc(), col(CheckRun.id).desc())
    return list((await session.scalars(query.limit(limit))).all())


async def get_rated_until(session: AsyncSession) -> int:
    """Return the transaction id from which the next check of usage rows begins.

    The rows of all earlier transactions were checked without differences. 0 before any check.
    """
    query = select(CheckRun.figures).where(col(CheckRun.figures).op("?")(RATED_UNTIL))
    newest = query.order_by(col(CheckRun.at).desc(), col(CheckRun.id).desc()).limit(1)
    figures = (await session.scalars(newest)).one_or_none()
    return 0 if figures is None else int(figures[RATED_UNTIL])
