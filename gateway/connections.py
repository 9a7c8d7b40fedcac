"""The connections to PostgreSQL that a gateway process has, each for its own purpose.

Owns how many there are, how long each waits, and that why one failed is counted. Does not own
opening and judging them (infra/db.py, infra/direct.py).
"""

from dataclasses import dataclass

from infra.db import Database
from infra.direct import DirectConnection
from infra.metrics import Metrics

# Whoever calls is told sooner than its own patience ends that the database does not answer.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Connections:
    """calls: what handlers and look-ups of keys ask. quotas: borrowing and giving back, of its own,
    so that a burst of look-ups does not hold up what settles calls. reading: what each call or a
    tick reads. records: where usage rows are written."""

    calls: Database
    quotas: Database
    reading: DirectConnection
    records: DirectConnection

    async def close(self) -> None:
        for one in (self.calls, self.quotas, self.reading, self.records):
            await one.close()


def connect_all(url: str, settle_timeout_s: float, metrics: Metrics) -> Connections:
    """None is opened before it is needed."""
    heard = metrics.absence
    return Connections(
        calls=Database(url, pool_size=4, timeout_s=_PATIENCE_S, on_absence=heard("calls")),
        quotas=Database(url, pool_size=1, timeout_s=_PATIENCE_S, on_absence=heard("quotas")),
        reading=DirectConnection(url, _PATIENCE_S, heard("reading")),
        records=DirectConnection(url, settle_timeout_s, heard("records")),
    )
