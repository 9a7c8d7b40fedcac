"""The queue for documents that take time to prepare, such as an invoice as PDF.

Each needs a database connection and a processor core for a while. So only a few are prepared at
once in one process, accounts take turns, and an account may have only a few waiting: further ones
are refused with 429, and nobody else waits longer because of them.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from gateway.call.errors import RateLimited, UpstreamBusy
from gateway.call.values import Tier
from gateway.upstream.concurrency import Scheduler, Slot

# Fewer than the connections that handlers have, so that pages are served meanwhile.
AT_ONCE = 2
MOST_OF_ACCOUNT = 8
_MOST_WAITING = 500
_RETRY = {"retry-after": "2"}


class DocumentQueue:
    """Of one gateway process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(AT_ONCE, _MOST_WAITING)
        self._of_accounts: Counter[UUID] = Counter()

    @asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[None]:
        """A block in which one document is prepared. Entering waits for its turn.

        Raises RateLimited where the account has too many in preparation already.
        """
        if self._of_accounts[account_id] >= MOST_OF_ACCOUNT:
            raise RateLimited(
                f"{MOST_OF_ACCOUNT} documents of this account are being prepared. Try again when "
                "one of them is done.",
                headers=_RETRY,
            )
        self._of_accounts[account_id] += 1
        try:
            slot = await self._slot(account_id)
            try:
                yield
            finally:
                slot.leave()
        finally:
            self._done(account_id)

    async def _slot(self, account_id: UUID) -> Slot:
        try:
            return await self._scheduler.enter(Tier.DEFAULT, account_id)
        except UpstreamBusy:
            raise RateLimited(
                "Too many documents are being prepared just now. Try again shortly.", headers=_RETRY
            ) from None

    def _done(self, account_id: UUID) -> None:
        self._of_accounts[account_id] -= 1
        if not self._of_accounts[account_id]:
            del self._of_accounts[account_id]
