"""What everybody may read about the service: its incidents, read at most once in some seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.incidents.store import (
    Updates,
    list_open_incidents,
    list_recent_incidents,
    load_updates,
)
from gateway.tables import Incident
from infra.client_rate_limiter import RateLimiter
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.single_flight import SingleFlight

MAX_AGE_S = 15  # also how long browsers and proxies may keep an answer
_PER_MINUTE = 300


class StatusRateLimited(AppError):
    """A client address reads the public status more often than allowed."""

    status = 429
    type = "rate_limit_error"
    code = "status_rate_limited"


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """Incidents at a time: `current` are open, `recent` were resolved in the last 14 days."""

    current: Sequence[Incident]
    recent: Sequence[Incident]
    updates: Updates


class StatusBoard:
    """The public status of one gateway process.

    Any number of readers cost one database read in MAX_AGE_S, and each client address
    (IPv6: /64 network) reads it 300 times a minute, ten times at once.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._limiter = RateLimiter(_PER_MINUTE, clock.monotonic)
        self._reads: SingleFlight[str, StatusSnapshot] = SingleFlight()
        self._last: tuple[float, StatusSnapshot] | None = None

    def require_within_limit(self, client: str) -> None:
        """Count a request of a client address. Raises StatusRateLimited."""
        if not self._limiter.allow(client):
            raise StatusRateLimited(
                f"The status can be read {_PER_MINUTE} times a minute from one address.",
                headers={"retry-after": str(self._limiter.retry_after_s)},
            )

    async def snapshot(self) -> StatusSnapshot:
        """Return the incidents, at most MAX_AGE_S old."""
        if self._last is not None:
            read_at, snapshot = self._last
            if 0 <= self._clock.monotonic() - read_at < MAX_AGE_S:
                return snapshot
        return await self._reads.run("incidents", self._read)

    async def _read(self) -> StatusSnapshot:
        """Read the incidents and keep them for MAX_AGE_S."""
        async with self._database.transaction() as session:
            current = await list_open_incidents(session)
            recent = await list_recent_incidents(session, self._clock.now())
            updates = await load_updates(session, [*current, *recent])
        snapshot = StatusSnapshot(current, recent, updates)
        self._last = (self._clock.monotonic(), snapshot)
        return snapshot
