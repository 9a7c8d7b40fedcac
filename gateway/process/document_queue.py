"""Fair queue for rendering expensive documents, such as invoice PDFs.

Each document occupies a database connection and a CPU core for a while. Therefore concurrency per
process is limited, accounts take turns, and each account may have only a few documents waiting:
further ones are rejected with 429, so they do not delay other accounts.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from gateway.call.errors import RateLimited, UpstreamBusy
from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler, Slot

# Fewer than the connections of the `handlers` pool, so that pages can be served meanwhile.
CONCURRENCY = 2
MAX_PER_ACCOUNT = 8
_MAX_WAITING = 500
_RETRY_AFTER_HEADERS = {"retry-after": "2"}


class DocumentQueue:
    """A fair queue of document renderings in one gateway process. Bound to one event loop."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(CONCURRENCY, _MAX_WAITING)
        self._count_by_account: Counter[UUID] = Counter()

    @asynccontextmanager
    async def slot(self, account_id: UUID) -> AsyncIterator[None]:
        """Wait for a slot and hold it while one document is rendered.

        Raises RateLimited if too many documents of the account, or of all accounts, are waiting.
        """
        if self._count_by_account[account_id] >= MAX_PER_ACCOUNT:
            raise RateLimited(
                f"{MAX_PER_ACCOUNT} documents of this account are already being prepared. Try "
                "again when one of them is ready.",
                headers=_RETRY_AFTER_HEADERS,
            )
        self._count_by_account[account_id] += 1
        try:
            slot = await self._acquire_slot(account_id)
            try:
                yield
            finally:
                slot.release()
        finally:
            self._decrement_count(account_id)

    async def _acquire_slot(self, account_id: UUID) -> Slot:
        """Wait for a slot. Raises RateLimited if the queue is full."""
        try:
            return await self._scheduler.acquire(ServiceTier.DEFAULT, account_id)
        except UpstreamBusy:
            raise RateLimited(
                "Too many documents are being prepared at the moment. Try again shortly.",
                headers=_RETRY_AFTER_HEADERS,
            ) from None

    def _decrement_count(self, account_id: UUID) -> None:
        """Subtract one from the account's waiting and running documents."""
        self._count_by_account[account_id] -= 1
        if not self._count_by_account[account_id]:
            del self._count_by_account[account_id]
