"""Bounds the streams of a gateway process that ask the database several times a second."""

from collections import Counter
from contextlib import ExitStack
from uuid import UUID

from gateway.call.errors import TooManyStreams

MAX_STREAMS_OF_ACCOUNT, MAX_STREAMS = 16, 256


class StreamSlots:
    """Counts open streams by account."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()

    def take(self, account_id: UUID) -> ExitStack:
        """Take a slot, which `close` of the returned context frees once.

        Raises TooManyStreams if too many streams are open.
        """
        if self.count(account_id) >= MAX_STREAMS_OF_ACCOUNT or self._open.total() >= MAX_STREAMS:
            raise TooManyStreams("Too many streams are open.", headers={"retry-after": "5"})
        self._open[account_id] += 1
        slot = ExitStack()
        slot.callback(self._free, account_id)
        return slot

    def count(self, account_id: UUID) -> int:
        """Return how many streams of an account are open."""
        return self._open.get(account_id, 0)

    def _free(self, account_id: UUID) -> None:
        """Free a slot of an account."""
        self._open[account_id] -= 1
        if not self._open[account_id]:
            del self._open[account_id]  # or the counter would grow with every account
