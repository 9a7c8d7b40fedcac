"""Scheduling: how many calls of a model run at once, and who is next when it is full.

Owns the priority classes and the bounds of what runs and waits, for one process.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType, TracebackType

from gateway.call.errors import UpstreamBusy
from gateway.call.values import Tier
from gateway.upstream.fair_queue import Account, Turns, Waiting
from infra.settings import Settings
from models.catalog import Catalog, Model, Task

# `Tier` is in order: the best class first.
_LOWER: Mapping[Tier, tuple[Tier, ...]] = MappingProxyType(
    {tier: tuple(Tier)[rank + 1 :] for rank, tier in enumerate(Tier)}
)
# While a class waits, it gets at least one slot of so many that are given out.
_ONE_OF: Mapping[Tier, int] = MappingProxyType({Tier.DEFAULT: 4, Tier.FLEX: 16})
_RESERVED_ONE_IN = 8


class Scheduler:
    """The slots of one model in one process. Belongs to one event loop.

    Free slots go to the best class that waits, and within it to the account that has the fewest;
    each account's calls are served as they came. A lower class that was passed over often enough
    takes the next slot that is freed. Flex leaves a reserve: it takes a free slot only if the
    reserve stays free, and when its turn comes in a full house, in which nothing is ever free, only
    if the others keep as many slots.

    Hence between calls: while a slot is free, no priority or default call waits, and while more
    than the reserve is free, no call waits.
    """

    def __init__(self, slots: int | None, waiting_limit: int) -> None:
        # Unlimited is more than there can be.
        self._slots = slots or sys.maxsize
        self._reserve = max(self._slots // _RESERVED_ONE_IN, 1) if self._slots > 1 else 0
        self._limits = dict.fromkeys(Tier, waiting_limit) | {Tier.FLEX: waiting_limit // 2}
        self._running = dict.fromkeys(Tier, 0)
        self._passed_over = dict.fromkeys(Tier, 0)
        self._of_accounts: Counter[Account] = Counter()
        self._queues: dict[Tier, Turns] = {tier: Turns() for tier in Tier}

    def slot(self, tier: Tier, account: Account = None) -> "Slot":
        """A block that runs in a slot. Entering waits for one.

        Raises UpstreamBusy at once if too many wait already, of which no account has more than this
        one; and later where the call gives way to an account that has fewer.
        """
        return Slot(self, tier, account)

    async def enter(self, tier: Tier, account: Account = None) -> "Slot":
        """The same, entered; whoever has it calls `leave` once."""
        slot = Slot(self, tier, account)
        await slot.__aenter__()
        return slot

    def full(self, tier: Tier) -> bool:
        """Whether a call of this class would have to wait now."""
        return self._free() <= (self._reserve if tier is Tier.FLEX else 0)

    @property
    def running(self) -> Mapping[Tier, int]:
        """How many calls hold a slot, by class."""
        return dict(self._running)

    @property
    def waiting(self) -> Mapping[Tier, int]:
        """How many calls wait, by class."""
        return {tier: len(queue) for tier, queue in self._queues.items()}

    def _take(self, tier: Tier, account: Account) -> bool:
        """Take a free slot, if there is one for this class."""
        if self.full(tier):
            return False
        self._count(tier, account)
        return True

    async def _wait(self, tier: Tier, account: Account) -> None:
        """Wait for a slot and take it. Raises UpstreamBusy."""
        queue = self._queues[tier]
        if sum(map(len, self._queues.values())) >= self._limits[tier]:
            gives_way = queue.give_way(account)
            if gives_way is None:
                raise _no_room()
            if not gives_way.done():
                gives_way.set_exception(_no_room())
        if not queue:
            # Only what happens while somebody waits counts.
            self._passed_over[tier] = 0
        granted = queue.add(account)
        try:
            await granted
        except BaseException:
            if _was_given(granted):
                # The slot was given in the same turn of the loop as the call was cancelled.
                self._release(tier, account)
            queue.remove(account, granted)
            raise

    def _release(self, tier: Tier, account: Account) -> None:
        """Give a slot back; whoever is next has it at once, so that nobody can slip in."""
        self._running[tier] -= 1
        self._of_accounts[account] -= 1
        if not self._of_accounts[account]:
            del self._of_accounts[account]
        while self._free() > 0 and (tier_next := self._next()) is not None:
            account_next, granted = self._queues[tier_next].take(self._of_accounts)
            self._count(tier_next, account_next)
            granted.set_result(None)

    def _free(self) -> int:
        return self._slots - sum(self._running.values())

    def _count(self, tier: Tier, account: Account) -> None:
        self._running[tier] += 1
        self._of_accounts[account] += 1
        self._passed_over[tier] = 0
        for lower in _LOWER[tier]:
            self._passed_over[lower] += 1

    def _next(self) -> Tier | None:
        """The class that the next slot goes to. The lowest first: its turn comes most seldom."""
        waiting = [tier for tier in Tier if self._queues[tier].waits()]
        for tier in reversed(waiting):
            if self._due(tier):
                return tier
        for tier in waiting:
            if tier is not Tier.FLEX or self._free() > self._reserve:
                return tier
        return None

    def _due(self, tier: Tier) -> bool:
        if tier is Tier.FLEX and self._running[tier] >= self._slots - self._reserve:
            return False
        return tier in _ONE_OF and self._passed_over[tier] >= _ONE_OF[tier] - 1


class Slot:
    """One call's place: `async with` it, once."""

    __slots__ = ("_account", "_scheduler", "_tier")

    def __init__(self, scheduler: Scheduler, tier: Tier, account: Account) -> None:
        self._scheduler = scheduler
        self._tier = tier
        self._account = account

    async def __aenter__(self) -> None:
        if not self._scheduler._take(self._tier, self._account):
            await self._scheduler._wait(self._tier, self._account)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scheduler._release(self._tier, self._account)

    def leave(self) -> None:
        """Give the slot to whoever is next."""
        self._scheduler._release(self._tier, self._account)


def _was_given(granted: Waiting) -> bool:
    """Whether a slot came, rather than that the call gave way or was cancelled."""
    return granted.done() and not granted.cancelled() and granted.exception() is None


def _no_room() -> UpstreamBusy:
    return UpstreamBusy("The model has no room for more calls just now. Try again shortly.")


class Schedulers:
    """One scheduler for each model with an engine of its own, which adapters on it share. A model
    without a number of slots has no limit."""

    def __init__(self, slots: Mapping[str, int | None], waiting_limit: int) -> None:
        self._by_model = {
            model_id: Scheduler(count, waiting_limit) for model_id, count in slots.items()
        }
        self._unlimited = Scheduler(None, waiting_limit)

    def of(self, model_id: str) -> Scheduler:
        return self._by_model.get(model_id, self._unlimited)

    def all(self) -> Mapping[str, Scheduler]:
        """Those with an entry of their own, for metrics."""
        return MappingProxyType(self._by_model)


def slots_of(catalog: Catalog, settings: Settings) -> dict[str, int | None]:
    """This process's part of what the engines of each model can do at once: as many as there may
    be, since those that are not there yet are started by what waits in the others."""
    slots: dict[str, int | None] = {}
    for model in catalog.models.values():
        if model.base is not None:
            continue
        concurrency = settings.model_concurrency or _concurrency(model, settings)
        slots[model.id] = None if concurrency is None else -(-concurrency // settings.workers)
    return slots


def _concurrency(model: Model, settings: Settings) -> int | None:
    if model.concurrency is None or model.task is not Task.TEXT_GENERATION:
        return model.concurrency
    return model.concurrency * settings.most_engines
