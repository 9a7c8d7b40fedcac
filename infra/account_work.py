"""Do due work of several accounts at the same time, so that slow work of one delays no other.

For work that mostly waits, such as posts to customers' receivers.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_CONCURRENCY, _PER_ACCOUNT = 16, 4
# While work takes its time, other new work is looked for so often.
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class AccountWork:
    """A claimed piece of work of an account. `do` is called once and handles its own errors."""

    account_id: UUID
    do: Callable[[], Coroutine[Any, Any, None]]


# Claims the next due piece, of an account that is not among the busy ones; None if there is none.
Claim = Callable[[Collection[UUID]], Awaitable[AccountWork | None]]


def _always() -> bool:
    """Allow a claim."""
    return True


async def do_due_work(claim: Claim, may_claim: Callable[[], bool] = _always) -> int:
    """Claim and do work until none is due or `may_claim` forbids more; return how many pieces.

    Work holds one of 16 places, and that of an account 4 of them. If `claim` raises, running work
    is finished first; if the caller is cancelled, it is cancelled.
    """
    running: dict[asyncio.Task[None], UUID] = {}
    started = 0
    try:
        while True:
            if may_claim():
                started += await _start(claim, running)
            if not running:
                return started
            finished, _ = await asyncio.wait(
                running, timeout=_LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED
            )
            for task in finished:
                del running[task]
    except Exception:
        await asyncio.gather(*running, return_exceptions=True)
        raise
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _start(claim: Claim, running: dict[asyncio.Task[None], UUID]) -> int:
    """Start due work while there is room; return how many pieces."""
    started = 0
    while len(running) < _CONCURRENCY:
        in_flight = Counter(running.values())
        work = await claim([one for one, count in in_flight.items() if count >= _PER_ACCOUNT])
        if work is None:
            break
        running[asyncio.create_task(work.do())] = work.account_id
        started += 1
    return started
