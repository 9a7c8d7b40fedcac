"""The connections to PostgreSQL that a gateway process has, each for its own purpose.

Owns how many there are, how long each waits, and that why one failed is counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from infra.database.database import Absence, Database
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics

# Whoever calls is told sooner than its own patience ends that the database does not answer.
_PATIENCE_S = 5.0
_CALLS, _HANDLERS, _QUOTAS = "calls", "handlers", "quotas"


@dataclass(frozen=True, slots=True)
class Connections:
    """calls: what is on a call's way, such as looking up a key; of its own, so that pages, exports
    and storms of webhooks keep no call waiting. handlers: all else that is asked. quotas: borrowing
    and giving back, so that a burst of look-ups does not hold up what settles calls. reading: what
    each call or a tick reads. records: where usage rows are written."""

    calls: Database
    handlers: Database
    quotas: Database
    reading: DirectConnection
    records: DirectConnection

    @property
    def pools(self) -> Mapping[str, Database]:
        """Those that have several, by the names that metrics know."""
        return {_CALLS: self.calls, _HANDLERS: self.handlers, _QUOTAS: self.quotas}

    @property
    def all(self) -> tuple[Database | DirectConnection, ...]:
        """Each to be closed by itself: one that fails to must not keep the others open."""
        return self.calls, self.handlers, self.quotas, self.records, self.reading


# Of a database's URL, how long a settlement waits, and where absences are counted.
Connect = Callable[[str, float, Metrics], Connections]


class Counting(Protocol):
    """Where absences of the database are counted, by pool."""

    def absence(self, pool: str) -> Callable[[Absence], None]: ...


def connect_all(url: str, settle_timeout_s: float, metrics: Counting) -> Connections:
    """None is opened before it is needed."""
    heard = metrics.absence
    return Connections(
        calls=Database(url, pool_size=2, timeout_s=_PATIENCE_S, on_absence=heard(_CALLS)),
        handlers=Database(url, pool_size=4, timeout_s=_PATIENCE_S, on_absence=heard(_HANDLERS)),
        quotas=Database(url, pool_size=1, timeout_s=_PATIENCE_S, on_absence=heard(_QUOTAS)),
        reading=DirectConnection(url, _PATIENCE_S, heard("reading")),
        records=DirectConnection(url, settle_timeout_s, heard("records")),
    )
