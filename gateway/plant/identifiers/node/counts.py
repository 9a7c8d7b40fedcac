"""Counts of resolutions by outcome: for Prometheus, and per day in PostgreSQL. No usage rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import NodeDailyCount
from infra.clock import Clock
from infra.database.database import Database


class ResolutionCounts:
    """Counts outcomes in memory; `write` adds them to the day's rows."""

    def __init__(self, role: str, clock: Clock) -> None:
        self._role = role
        self._clock = clock
        self._pending: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self._cache_hits = 0

    def count(self, outcome: str) -> None:
        """Count one resolution."""
        self._pending[outcome] += 1

    def count_cached(self, outcome: str) -> None:
        """Count one resolution that was answered from the cache of responses."""
        self._pending[outcome] += 1
        self._cache_hits += 1

    def summary(self) -> Mapping[str, Any]:
        """Return the number of resolutions since the start, and how many were cached."""
        total = (self._total + self._pending).total()
        rate = round(self._cache_hits / total, 4) if total else None
        return {"resolutions": total, "cache_hits": self._cache_hits, "cache_hit_rate": rate}

    async def write(self, database: Database) -> None:
        """Add the pending counts to the rows of today; after an error they stay pending."""
        pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            async with database.transaction() as session:
                await _add(session, self._clock.now().date(), self._role, pending)
        except BaseException:
            self._pending += pending
            raise
        self._total += pending

    def exposition(self) -> bytes:
        """Return the counts since the start in Prometheus' text format."""
        lines = ["# TYPE maas_node_resolutions_total counter"]
        for outcome, count in sorted((self._total + self._pending).items()):
            labels = f'role="{self._role}",outcome="{outcome}"'
            lines.append(f"maas_node_resolutions_total{{{labels}}} {count}")
        lines.append("# TYPE maas_node_cache_hits_total counter")
        lines.append(f'maas_node_cache_hits_total{{role="{self._role}"}} {self._cache_hits}')
        return ("\n".join(lines) + "\n").encode()


async def daily_counts(session: AsyncSession, since: date) -> Sequence[NodeDailyCount]:
    """Return the counts of all roles since a day, newest first."""
    query = select(NodeDailyCount).where(col(NodeDailyCount.day) >= since)
    order = col(NodeDailyCount.day).desc(), col(NodeDailyCount.role), col(NodeDailyCount.outcome)
    return (await session.scalars(query.order_by(*order))).all()


async def _add(session: AsyncSession, day: date, role: str, counts: Mapping[str, int]) -> None:
    """Add counts to the rows of a day."""
    rows = [
        {"day": day, "role": role, "outcome": outcome, "count": count}
        for outcome, count in sorted(counts.items())
    ]
    statement = insert(NodeDailyCount).values(rows)
    added = col(NodeDailyCount.count) + statement.excluded.count
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["day", "role", "outcome"], set_={"count": added}
        )
    )
