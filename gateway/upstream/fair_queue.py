"""Turns: whose waiting call of a class is next, and whose gives way where there is no more room.

 The account that has the fewest calls running is
next, among equals the one that had its turn longest ago: whoever sends a thousand calls delays the
others by one of them and not by a thousand. Where no more may wait, the newest call of the account
with the longest line gives way to an account that has fewer waiting.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

Waiting = asyncio.Future[None]
Account = UUID | None  # None: nobody in particular


class Turns:
    """The waiting calls of one class. Belongs to one event loop."""

    def __init__(self) -> None:
        self._lines: dict[Account, OrderedDict[Waiting, int]] = {}
        # When accounts that still wait had a turn; whoever comes anew had none.
        self._served: dict[Account, int] = {}
        self._count = 0
        self._number = 0

    def __len__(self) -> int:
        return self._count

    def add(self, account: Account) -> Waiting:
        """One more call at the end of its account's line."""
        waiting = asyncio.get_running_loop().create_future()
        self._number += 1
        self._lines.setdefault(account, OrderedDict())[waiting] = self._number
        self._count += 1
        return waiting

    def remove(self, account: Account, waiting: Waiting) -> None:
        """It waits no more; does nothing where that is so already."""
        line = self._lines.get(account)
        if line is None or line.pop(waiting, None) is None:
            return
        self._count -= 1
        if not line:
            del self._lines[account]
            self._served.pop(account, None)

    def waits(self) -> bool:
        """Whether anybody does. A cancelled caller takes itself out, but only when its task runs
        next."""
        for account in list(self._lines):
            if self._head(account) is not None:
                return True
        return False

    def take(self, running: Mapping[Account, int]) -> tuple[Account, Waiting]:
        """The next one, out of its line. Somebody must wait."""
        heads = {account: self._head(account) for account in list(self._lines)}
        waiting = {account: head for account, head in heads.items() if head is not None}
        account = min(waiting, key=lambda one: (running.get(one, 0), *self._turn(one)))
        self._number += 1
        self._served[account] = self._number
        self.remove(account, waiting[account])
        return account, waiting[account]

    def give_way(self, account: Account) -> Waiting | None:
        """The call that gives way to one more of the account, out of its line; None where that
        account has as many waiting as any other."""
        longest = max(self._lines, key=lambda one: len(self._lines[one]), default=account)
        own = len(self._lines.get(account, ()))
        if longest == account or len(self._lines[longest]) <= own + 1:
            return None
        newest = next(reversed(self._lines[longest]))
        self.remove(longest, newest)
        return newest

    def _turn(self, account: Account) -> tuple[int, int]:
        """When it had its last turn, and since when its first call waits."""
        return self._served.get(account, 0), next(iter(self._lines[account].values()))

    def _head(self, account: Account) -> Waiting | None:
        """The first in the account's line that still waits."""
        while (line := self._lines.get(account)) is not None:
            head = next(iter(line))
            if not head.done():
                return head
            self.remove(account, head)
        return None
