"""Concurrency limits per model, with service tiers and a bounded wait queue, for one process."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType, TracebackType

from gateway.call.errors import UpstreamBusy
from gateway.call.values import ServiceTier
from gateway.upstream.fair_queue import FairQueue, Waiter
from gateway.upstream.fair_share import NO_LIMITS, Account, FairShare, FairShareLimits
from infra.settings import Settings
from models.catalog import Catalog, Model, Task

# ServiceTier lists the highest priority first.
_LOWER_TIERS: Mapping[ServiceTier, tuple[ServiceTier, ...]] = MappingProxyType(
    {tier: tuple(ServiceTier)[rank + 1 :] for rank, tier in enumerate(ServiceTier)}
)
# While calls of a tier wait, the tier gets at least one in so many of the slots that are granted.
_MIN_SHARE_ONE_IN: Mapping[ServiceTier, int] = MappingProxyType(
    {ServiceTier.DEFAULT: 4, ServiceTier.FLEX: 16, ServiceTier.BATCH: 32}
)
# Tiers of calls that nobody waits for: together they keep a reserve of slots free.
BACKGROUND_TIERS = frozenset({ServiceTier.FLEX, ServiceTier.BATCH})
_FLEX_RESERVE_ONE_IN = 8
# How often a free slot is offered again to calls that wait for their account's next prompt.
_PROMPT_CHECK_S = 0.02


class Scheduler:
    """The concurrency slots of one model in one process. Bound to one event loop.

    A free slot goes to the highest waiting tier, and within it to the account with the fewest
    running calls; calls of one account are served in order. A lower tier that was passed over often
    enough gets the next freed slot. Flex and batch keep a reserve: they take a free slot only if
    the reserve stays free, and when their share is due under full load, only if the other tiers
    keep as many slots as the reserve.

    An account above its share of the slots has limits while others are active (fair_share.py); they
    do not apply to the tier priority.

    Invariant: while a slot is free, no priority or default call waits; while more slots than the
    reserve are free, no call waits; calls of accounts above their share excepted.
    """

    def __init__(
        self,
        slots: int | None,
        waiting_limit: int,
        limits: FairShareLimits = NO_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set_slots(slots)
        self._limits = limits
        self._fair_share = FairShare(limits)
        self._monotonic = monotonic
        self._prompt_check: asyncio.TimerHandle | None = None
        self._queue_limits = dict.fromkeys(ServiceTier, waiting_limit) | {
            ServiceTier.FLEX: waiting_limit // 2,
            ServiceTier.BATCH: waiting_limit // 4,
        }
        self._running = dict.fromkeys(ServiceTier, 0)
        self._running_count = 0
        self._passed_over = dict.fromkeys(ServiceTier, 0)
        self._running_by_account: Counter[Account] = Counter()
        self._queues: dict[ServiceTier, FairQueue] = {tier: FairQueue() for tier in ServiceTier}
        # At least the calls in the queues: 0 means that all are empty.
        self._most_waiting = 0

    def slot(self, tier: ServiceTier, account: Account = None, prompt_tokens: int = 0) -> "Slot":
        """Return a context manager that waits for a slot and holds it.

        Raises UpstreamBusy at once if the queue is full and no account has more waiting calls than
        this one, or later if the call is evicted for an account with fewer waiting calls.
        """
        return Slot(self, tier, account, prompt_tokens)

    def try_acquire(
        self, tier: ServiceTier, account: Account, prompt_tokens: int = 0
    ) -> "Slot | None":
        """Take a free slot without waiting, or return None. The caller must call `release` once."""
        if self._try_acquire(tier, account, prompt_tokens):
            return Slot(self, tier, account, prompt_tokens)
        return None

    async def acquire(
        self, tier: ServiceTier, account: Account = None, prompt_tokens: int = 0
    ) -> "Slot":
        """Wait for a slot and take it. The caller must call `release` once. Raises UpstreamBusy."""
        if not self._try_acquire(tier, account, prompt_tokens):
            await self._wait_for_slot(tier, account, prompt_tokens)
        return Slot(self, tier, account, prompt_tokens)

    def resize(self, slots: int | None) -> None:
        """Change the number of slots. Running calls keep theirs; new ones go to waiting calls."""
        self._set_slots(slots)
        self._grant_free_slots()

    def is_full(self, tier: ServiceTier, account: Account = None) -> bool:
        """Whether a call of this tier and account would have to wait now."""
        reserve = self._flex_reserve if tier in BACKGROUND_TIERS else 0
        free = self._slots - self._running_count
        return free <= reserve or not self._may_start(tier, account)

    @property
    def running(self) -> Mapping[ServiceTier, int]:
        """The number of calls that hold a slot, by tier."""
        return dict(self._running)

    @property
    def waiting(self) -> Mapping[ServiceTier, int]:
        """The number of waiting calls, by tier."""
        return {tier: len(queue) for tier, queue in self._queues.items()}

    def _try_acquire(self, tier: ServiceTier, account: Account, prompt_tokens: int = 0) -> bool:
        """Take a free slot if this tier and account may have one. Returns whether it did."""
        self._fair_share.record_arrival(account, self._monotonic())
        if self.is_full(tier, account):
            return False
        self._record_start(tier, account, prompt_tokens)
        return True

    async def _wait_for_slot(self, tier: ServiceTier, account: Account, prompt_tokens: int) -> None:
        """Wait for a slot and take it. Raises UpstreamBusy."""
        queue = self._queues[tier]
        if sum(map(len, self._queues.values())) >= self._queue_limits[tier]:
            evicted = queue.evict(account)
            if evicted is None:
                raise _queue_full()
            if not evicted.done():
                evicted.set_exception(_queue_full())
        if not queue:
            # A tier is passed over only while its calls wait.
            self._passed_over[tier] = 0
        waiter = queue.add(account, prompt_tokens)
        self._most_waiting += 1
        self._check_prompts_later()
        try:
            await waiter
        except BaseException:
            if _was_granted(waiter):
                # The slot was granted in the same event-loop iteration as the cancellation.
                self._release(tier, account)
            queue.remove(account, waiter)
            raise
        finally:
            self._most_waiting -= 1

    def _release(self, tier: ServiceTier, account: Account) -> None:
        """Return a slot and grant it to the next waiting call.

        It is granted at once, so that no new call can take it in between.
        """
        self._running[tier] -= 1
        self._running_count -= 1
        running = self._running_by_account[account] - 1
        if running:
            self._running_by_account[account] = running
        else:
            del self._running_by_account[account]
        self._grant_free_slots()

    def _set_slots(self, slots: int | None) -> None:
        """Set the number of slots, and how many of them the background tiers keep free."""
        # No limit is represented by the largest integer.
        self._slots = slots or sys.maxsize
        self._flex_reserve = max(self._slots // _FLEX_RESERVE_ONE_IN, 1) if self._slots > 1 else 0

    def _grant_free_slots(self) -> None:
        """Grant the free slots to the next waiting calls."""
        if not self._most_waiting:
            return
        while self._free_slots() > 0 and (next_tier := self._next_tier()) is not None:
            may_start = partial(self._may_start, next_tier)
            next_account, prompt_tokens, waiter = self._queues[next_tier].pop(
                self._running_by_account, may_start
            )
            self._record_start(next_tier, next_account, prompt_tokens)
            waiter.set_result(None)

    def _may_start(self, tier: ServiceTier, account: Account) -> bool:
        """Whether the account's share allows it to take a free slot now."""
        if tier is ServiceTier.PRIORITY:
            return True
        running, now = self._running_by_account[account], self._monotonic()
        free = self._slots - self._running_count
        return self._fair_share.may_start(account, running, self._slots, free, now)

    def _check_prompts_later(self) -> None:
        """Start the timer that grants slots to calls whose account may send its next prompt."""
        if self._limits.prompt_tokens_s is not None and self._prompt_check is None:
            loop = asyncio.get_running_loop()
            self._prompt_check = loop.call_later(_PROMPT_CHECK_S, self._check_prompts)

    def _check_prompts(self) -> None:
        """Grant the free slots again, and continue while calls wait."""
        self._prompt_check = None
        self._grant_free_slots()
        if self._most_waiting:
            self._check_prompts_later()

    def _free_slots(self) -> int:
        """Return the number of slots that no call holds."""
        return self._slots - self._running_count

    def _record_start(self, tier: ServiceTier, account: Account, prompt_tokens: int) -> None:
        """Count a call that takes a slot: as running, and as passing over all lower tiers."""
        if prompt_tokens:
            self._fair_share.record_start(account, prompt_tokens, self._monotonic())
        self._running[tier] += 1
        self._running_count += 1
        self._running_by_account[account] += 1
        if not self._most_waiting:
            return
        self._passed_over[tier] = 0
        for lower in _LOWER_TIERS[tier]:
            self._passed_over[lower] += 1

    def _next_tier(self) -> ServiceTier | None:
        """Return the tier that gets the next free slot, or None if no tier may have it.

        An overdue tier comes first, the lowest first because its share is the smallest; then the
        highest tier that waits.
        """
        waiting = [
            tier
            for tier in ServiceTier
            if self._queues[tier].has_waiting(partial(self._may_start, tier))
        ]
        for tier in reversed(waiting):
            if self._is_overdue(tier):
                return tier
        for tier in waiting:
            if tier not in BACKGROUND_TIERS or self._free_slots() > self._flex_reserve:
                return tier
        return None

    def _is_overdue(self, tier: ServiceTier) -> bool:
        """Whether the tier was passed over so often that its share is due."""
        if tier in BACKGROUND_TIERS:
            in_background = sum(self._running[one] for one in BACKGROUND_TIERS)
            if in_background >= self._slots - self._flex_reserve:
                return False
        return tier in _MIN_SHARE_ONE_IN and self._passed_over[tier] >= _MIN_SHARE_ONE_IN[tier] - 1


class Slot:
    """The slot of one call: an async context manager, used once."""

    __slots__ = ("_account", "_prompt_tokens", "_scheduler", "_tier")

    def __init__(
        self, scheduler: Scheduler, tier: ServiceTier, account: Account, prompt_tokens: int
    ) -> None:
        self._scheduler = scheduler
        self._tier = tier
        self._account = account
        self._prompt_tokens = prompt_tokens

    async def __aenter__(self) -> None:
        call = self._tier, self._account, self._prompt_tokens
        if not self._scheduler._try_acquire(*call):
            await self._scheduler._wait_for_slot(*call)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scheduler._release(self._tier, self._account)

    def release(self) -> None:
        """Return the slot; the next waiting call gets it."""
        self._scheduler._release(self._tier, self._account)


def _was_granted(waiter: Waiter) -> bool:
    """Whether a slot was granted, and the call was neither evicted nor cancelled."""
    return waiter.done() and not waiter.cancelled() and waiter.exception() is None


def _queue_full() -> UpstreamBusy:
    """Return the error for a call that the full wait queue rejects or evicts."""
    return UpstreamBusy("The model is at full capacity. Try again shortly.")


class Schedulers:
    """The schedulers of all models with an engine of their own; adapters share their base model's.

    A model without a number of slots has no limit.
    """

    def __init__(
        self,
        slots: Mapping[str, int | None],
        waiting_limit: int,
        limits: FairShareLimits = NO_LIMITS,
    ) -> None:
        self._limits = limits
        self._by_model = {
            model_id: Scheduler(count, waiting_limit, limits) for model_id, count in slots.items()
        }
        self._waiting_limit = waiting_limit
        self._unlimited = Scheduler(None, waiting_limit)

    def resize(self, slots: Mapping[str, int | None]) -> None:
        """Change the slots of models, and add new models.

        Removed models keep their scheduler while calls of them run.
        """
        for model_id, count in slots.items():
            scheduler = self._by_model.get(model_id)
            if scheduler is None:
                self._by_model[model_id] = Scheduler(count, self._waiting_limit, self._limits)
            else:
                scheduler.resize(count)
        for model_id in self._by_model.keys() - slots.keys():
            if not any(self._by_model[model_id].running.values()):
                del self._by_model[model_id]

    def for_model(self, model_id: str) -> Scheduler:
        """Return the scheduler of a model's engine."""
        return self._by_model.get(model_id, self._unlimited)

    def by_model(self) -> Mapping[str, Scheduler]:
        """Return the schedulers of models with a limit entry, for metrics."""
        return MappingProxyType(self._by_model)


def fair_share_limits(settings: Settings) -> FairShareLimits:
    """Return this process's limits of an account above its share of a model."""
    rate = settings.fair_prompt_tokens_s
    return FairShareLimits(
        settings.fair_free_share, None if rate is None else rate / settings.workers
    )


def slots_per_model(catalog: Catalog, settings: Settings) -> dict[str, int | None]:
    """Return this process's share of the concurrency of each model's engines; None is no limit.

    Counts the maximum number of replicas, because waiting calls in the running ones are what starts
    the next.
    """
    slots: dict[str, int | None] = {}
    for model in catalog.models.values():
        if model.base is not None:
            continue
        concurrency = settings.model_concurrency or _concurrency(model, settings)
        slots[model.id] = None if concurrency is None else -(-concurrency // settings.workers)
    return slots


def _concurrency(model: Model, settings: Settings) -> int | None:
    """Return how many calls all engines of a model can run at once; None is no limit."""
    if model.concurrency is None or model.task is not Task.TEXT_GENERATION:
        return model.concurrency
    return model.concurrency * settings.max_engines
