"""PostgreSQL connection pools of a gateway process, separated by purpose.

Sets pool sizes and timeouts, and counts why connections fail.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from infra.database.database import Database, UnavailableReason
from infra.database.direct import DirectConnection
from infra.telemetry.metrics import Metrics

# Shorter than clients' timeouts, so that they get an error when the database does not answer.
_TIMEOUT_S = 5.0
# An import of 100,000 points is one transaction.
_IMPORT_TIMEOUT_S = 180.0
# Attempts to commit usage rows within the settle timeout.
_COMMIT_ATTEMPTS, _MIN_COMMIT_TIMEOUT_S = 3, 1.0
_CALLS, _HANDLERS, _QUOTAS, _IMPORTS = "calls", "handlers", "quotas", "imports"


@dataclass(frozen=True, slots=True)
class DatabaseConnections:
    """The database connections of one gateway process.

    calls: look-ups on the path of inference calls, separate so that pages, exports and webhook
    bursts do not delay calls. handlers: all other requests. quotas: borrowing and returning quota
    leases, separate so that bursts of look-ups do not delay settlement. imports: plant
    models, whose imports and exports take longer. reading: reads of each call or tick. records:
    writing usage rows.
    """

    calls: Database
    handlers: Database
    quotas: Database
    imports: Database
    reading: DirectConnection
    records: DirectConnection

    @property
    def pools(self) -> Mapping[str, Database]:
        """The pools by their metric label."""
        return {
            _CALLS: self.calls,
            _HANDLERS: self.handlers,
            _QUOTAS: self.quotas,
            _IMPORTS: self.imports,
        }

    @property
    def all(self) -> tuple[Database | DirectConnection, ...]:
        """All connections. Close each separately, so that one failure does not skip others."""
        pools = (self.calls, self.handlers, self.quotas, self.imports)
        return *pools, self.records, self.reading


# (database URL, settlement timeout in seconds, metrics) -> connections
ConnectionFactory = Callable[[str, float, Metrics], DatabaseConnections]


class UnavailabilityCounter(Protocol):
    """Counts unavailability of the database by pool and reason."""

    def count_unavailability(self, pool: str) -> Callable[[UnavailableReason], None]:
        """Return the callback with which a pool reports each failure, to be counted by reason."""
        ...


def create_connections(
    url: str, settle_timeout_s: float, metrics: UnavailabilityCounter
) -> DatabaseConnections:
    """Create the connection pools and single connections. They connect on first use."""
    counter_of = metrics.count_unavailability
    return DatabaseConnections(
        calls=Database(url, pool_size=2, timeout_s=_TIMEOUT_S, on_unavailable=counter_of(_CALLS)),
        handlers=Database(
            url, pool_size=4, timeout_s=_TIMEOUT_S, on_unavailable=counter_of(_HANDLERS)
        ),
        quotas=Database(url, pool_size=1, timeout_s=_TIMEOUT_S, on_unavailable=counter_of(_QUOTAS)),
        imports=Database(
            url, pool_size=1, timeout_s=_IMPORT_TIMEOUT_S, on_unavailable=counter_of(_IMPORTS)
        ),
        reading=DirectConnection(url, _TIMEOUT_S, counter_of("reading")),
        records=DirectConnection(url, _commit_timeout_s(settle_timeout_s), counter_of("records")),
    )


def _commit_timeout_s(settle_timeout_s: float) -> float:
    """Return how long one attempt to commit usage rows may take, in seconds.

    Several attempts fit into the settle timeout: one that is silent may have been committed, which
    the next attempt finds before the caller is told that its call was not recorded.
    """
    return min(settle_timeout_s, max(_MIN_COMMIT_TIMEOUT_S, settle_timeout_s / _COMMIT_ATTEMPTS))
