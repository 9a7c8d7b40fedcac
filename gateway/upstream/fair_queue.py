"""A queue of waiting calls that is fair between accounts.

The next call is one of the account with the fewest running calls; ties go to the account that was
served longest ago. So an account that sends a thousand calls delays the others by one call and not
by a thousand. When the queue is full, the newest call of the account with the most waiting calls is
evicted for an account that has fewer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping

from gateway.upstream.fair_share import Account

Waiter = asyncio.Future[None]
MayStart = Callable[[Account], bool]


class FairQueue:
    """The waiting calls of one service tier, fair between accounts. Bound to one event loop."""

    def __init__(self) -> None:
        # Sequence number and prompt tokens of each waiting call.
        self._queues: dict[Account, OrderedDict[Waiter, tuple[int, int]]] = {}
        # Sequence numbers at which waiting accounts were last served; new accounts have none.
        self._last_served: dict[Account, int] = {}
        self._count = 0
        self._sequence = 0

    def __len__(self) -> int:
        return self._count

    def add(self, account: Account, prompt_tokens: int = 0) -> Waiter:
        """Append a call to its account's queue. Returns the future to wait for."""
        waiting = asyncio.get_running_loop().create_future()
        self._sequence += 1
        self._queues.setdefault(account, OrderedDict())[waiting] = (self._sequence, prompt_tokens)
        self._count += 1
        return waiting

    def remove(self, account: Account, waiting: Waiter) -> None:
        """Remove a waiting call; does nothing if it was removed already."""
        queue = self._queues.get(account)
        if queue is None or queue.pop(waiting, None) is None:
            return
        self._count -= 1
        if not queue:
            del self._queues[account]
            self._last_served.pop(account, None)

    def has_waiting(self, may_start: MayStart) -> bool:
        """Whether a call is waiting whose account may start one; cancelled calls do not count."""
        return any(
            self._head(account) is not None and may_start(account) for account in list(self._queues)
        )

    def pop(
        self, running: Mapping[Account, int], may_start: MayStart
    ) -> tuple[Account, int, Waiter]:
        """Remove and return the next call, of the account with the fewest running calls.

        `running` is the number of running calls of each account. At least one account with a
        waiting call must be one that `may_start`. Returns account, prompt tokens and future.
        """
        heads = {account: self._head(account) for account in list(self._queues)}
        waiting = {
            account: head
            for account, head in heads.items()
            if head is not None and may_start(account)
        }
        account = min(
            waiting, key=lambda account: (running.get(account, 0), *self._sort_key(account))
        )
        _, prompt_tokens = self._queues[account][waiting[account]]
        self._sequence += 1
        self._last_served[account] = self._sequence
        self.remove(account, waiting[account])
        return account, prompt_tokens, waiting[account]

    def evict(self, account: Account) -> Waiter | None:
        """Remove and return the call to evict for another call of the account.

        Returns None if the account has as many waiting calls as any other.
        """
        longest = max(self._queues, key=lambda account: len(self._queues[account]), default=account)
        own = len(self._queues.get(account, ()))
        if longest == account or len(self._queues[longest]) <= own + 1:
            return None
        newest = next(reversed(self._queues[longest]))
        self.remove(longest, newest)
        return newest

    def _sort_key(self, account: Account) -> tuple[int, int]:
        """Return when the account was last served and when its first waiting call arrived."""
        return self._last_served.get(account, 0), next(iter(self._queues[account].values()))[0]

    def _head(self, account: Account) -> Waiter | None:
        """Return the account's first call that still waits, dropping cancelled ones before it."""
        while (queue := self._queues.get(account)) is not None:
            head = next(iter(queue))
            if not head.done():
                return head
            self.remove(account, head)
        return None
