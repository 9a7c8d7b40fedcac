"""Bounds the streams that a gateway process has open."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from gateway.call.errors import RateLimited

MAX_STREAMS_OF_ACCOUNT, MAX_STREAMS = 16, 256


@dataclass(frozen=True, slots=True)
class StreamSlots:
    """Counts open streams by account."""

    _open: Counter[UUID] = field(default_factory=Counter)

    def require_free(self, account_id: UUID) -> None:
        """Raise RateLimited if too many streams are open."""
        of_account, of_all = self.count(account_id), self._open.total()
        if of_account >= MAX_STREAMS_OF_ACCOUNT or of_all >= MAX_STREAMS:
            raise RateLimited("Too many streams are open.", headers={"retry-after": "5"})

    def count(self, account_id: UUID) -> int:
        """Return how many streams of an account are open."""
        return self._open.get(account_id, 0)

    async def counted(self, account_id: UUID, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield events, counting the stream until it ends or its client is gone."""
        self._open[account_id] += 1
        try:
            async for event in events:
                yield event
        finally:
            self._open[account_id] -= 1
            if not self._open[account_id]:
                del self._open[account_id]  # or the counter would grow with every account
