"""Scheduling of calls on a model's slots: no more calls than slots, no lost slot, no starvation."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.errors import UpstreamBusy
from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler, Schedulers, slots_per_model
from infra.settings import Settings
from tests.support.builders import CATALOG, CHAT, EMBEDDING

P, D, F = ServiceTier.PRIORITY, ServiceTier.DEFAULT, ServiceTier.FLEX
B = ServiceTier.BATCH


class Crowd:
    """Calls on a scheduler that run until `end`. Keeps counts independent of the scheduler's."""

    def __init__(self, slots: int | None, waiting_limit: int = 1000) -> None:
        self.scheduler = Scheduler(slots, waiting_limit)
        self.running: list[int] = []
        self.served: list[int] = []
        self.refused: list[int] = []
        self.tiers: list[ServiceTier] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.peak: Counter[ServiceTier | None] = Counter()
        self._ends: list[asyncio.Event] = []

    def start(self, *tiers: ServiceTier) -> None:
        for tier in tiers:
            self.tiers.append(tier)
            self._ends.append(asyncio.Event())
            self.tasks.append(asyncio.create_task(self._call(len(self.tasks), tier)))

    async def _call(self, number: int, tier: ServiceTier) -> None:
        try:
            async with self.scheduler.slot(tier):
                self.served.append(number)
                self.running.append(number)
                self._measure()
                try:
                    await self._ends[number].wait()
                finally:
                    self.running.remove(number)
        except UpstreamBusy:
            self.refused.append(number)

    def _measure(self) -> None:
        counts = Counter(self.tiers[number] for number in self.running)
        for tier, count in [*counts.items(), (None, len(self.running))]:
            self.peak[tier] = max(self.peak[tier], count)

    def end(self, number: int) -> None:
        self._ends[number].set()

    async def settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """End running calls until none remains; a lost slot shows as a task that never ends."""
        for _ in range(len(self.tasks) + 1):
            for number in list(self.running):
                self.end(number)
            await self.settle()
        left = [number for number, task in enumerate(self.tasks) if not task.done()]
        for number in left:
            self.tasks[number].cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert not left, "some were never served"
        assert set(self.scheduler.running.values()) == {0}
        assert set(self.scheduler.waiting.values()) == {0}

    async def order(self, count: int, refill: Iterable[ServiceTier] = ()) -> list[ServiceTier]:
        """End calls one at a time; returns the tiers of the next `count` calls that got a slot."""
        seen = len(self.served)
        while len(self.served) < seen + count:
            self.start(*refill)
            self.end(self.running[0])
            await self.settle()
        return [self.tiers[number] for number in self.served[seen : seen + count]]


def step(coroutine: Coroutine[Any, Any, None]) -> bool:
    """Run until the first wait; returns whether it finished without waiting."""
    try:
        coroutine.send(None)
    except StopIteration:
        return True
    coroutine.close()
    return False


class TestSlots:
    def test_free_slot_is_acquired_without_waiting_or_event_loop(self) -> None:
        slot = Scheduler(1, 0).slot(D)
        assert step(slot.__aenter__())
        assert step(slot.__aexit__(None, None, None))

    async def test_running_calls_never_exceed_slots(self) -> None:
        crowd = Crowd(3)
        crowd.start(*[D] * 7)
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        assert crowd.scheduler.running == {P: 0, D: 3, F: 0, B: 0}
        assert crowd.scheduler.waiting == {P: 0, D: 4, F: 0, B: 0}
        await crowd.finish()
        assert crowd.peak[None] == 3

    async def test_calls_of_one_tier_are_served_in_order_of_arrival(self) -> None:
        crowd = Crowd(1)
        crowd.start(*[D] * 6)
        await crowd.finish()
        assert crowd.served == [0, 1, 2, 3, 4, 5]

    async def test_new_call_does_not_overtake_waiting_call(self) -> None:
        scheduler = Scheduler(1, 10)
        first = scheduler.slot(D)
        await first.__aenter__()
        waiting = asyncio.create_task(scheduler.slot(D).__aenter__())
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)
        assert not step(scheduler.slot(P).__aenter__())
        assert scheduler.waiting[P] == 0  # the discarded attempt is not counted
        await waiting

    async def test_failed_call_releases_its_slot(self) -> None:
        scheduler = Scheduler(1, 0)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                async with scheduler.slot(D):
                    raise RuntimeError

    @pytest.mark.parametrize("slots", [None, 0])
    async def test_scheduler_without_slot_limit_runs_all_calls(self, slots: int | None) -> None:
        crowd = Crowd(slots, waiting_limit=0)
        crowd.start(*[D, F] * 500)
        await crowd.settle()
        assert len(crowd.running) == 1000
        await crowd.finish()


class TestWaitingLimit:
    async def test_calls_over_waiting_limit_are_rejected_immediately(self) -> None:
        crowd = Crowd(1, waiting_limit=4)
        crowd.start(D, F, P, D, D, P, D, F)
        await crowd.settle()
        assert crowd.refused == [5, 6, 7]
        await crowd.finish()

    async def test_flex_calls_are_rejected_at_half_of_waiting_limit(self) -> None:
        crowd = Crowd(1, waiting_limit=4)
        crowd.start(D, F, D, F, D)
        await crowd.settle()
        assert crowd.refused == [3]
        await crowd.finish()

    async def test_waiting_limit_zero_rejects_calls_without_free_slot(self) -> None:
        crowd = Crowd(1, waiting_limit=0)
        crowd.start(D, P)
        await crowd.settle()
        assert crowd.refused == [1]
        await crowd.finish()

    async def test_cancelled_waiting_call_frees_its_place(self) -> None:
        crowd = Crowd(1, waiting_limit=1)
        crowd.start(D, D)
        await crowd.settle()
        crowd.tasks[1].cancel()
        await crowd.settle()
        crowd.start(D)
        await crowd.settle()
        assert crowd.refused == []
        await crowd.finish()


class TestTierShares:
    async def test_higher_tier_is_served_first(self) -> None:
        crowd = Crowd(1)
        crowd.start(D, F, D, P)
        await crowd.settle()
        assert await crowd.order(3) == [P, D, F]
        await crowd.finish()

    async def test_default_tier_gets_one_of_four_slots_against_priority(self) -> None:
        crowd = Crowd(1)
        crowd.start(P, D, D, D, *[P] * 3)
        await crowd.settle()
        assert await crowd.order(12, refill=[P]) == [P, P, P, D] * 3
        await crowd.finish()

    async def test_flex_tier_gets_one_of_sixteen_slots(self) -> None:
        crowd = Crowd(2)
        crowd.start(D, D, F, F, D)
        await crowd.settle()
        assert await crowd.order(32, refill=[D]) == ([D] * 15 + [F]) * 2
        await crowd.finish()

    async def test_all_three_tiers_get_their_share(self) -> None:
        crowd = Crowd(1)
        crowd.start(P, *[F] * 3, *[D] * 16, *[P] * 3)
        await crowd.settle()
        shares = Counter(await crowd.order(32, refill=[P]))
        assert shares == {P: 23, D: 7, F: 2}
        await crowd.finish()

    async def test_unused_share_of_a_tier_is_not_saved(self) -> None:
        crowd = Crowd(1)
        crowd.start(P, *[P] * 8)
        await crowd.settle()
        await crowd.order(3)
        crowd.start(D)
        await crowd.settle()
        assert await crowd.order(4) == [P, P, P, D]
        await crowd.finish()


class TestFlexReserve:
    @pytest.mark.parametrize(
        ("slots", "flex"), [(1, 1), (2, 1), (7, 6), (8, 7), (16, 14), (40, 35)]
    )
    async def test_flex_leaves_one_eighth_of_slots_free(self, slots: int, flex: int) -> None:
        crowd = Crowd(slots)
        crowd.start(*[F] * slots)
        await crowd.settle()
        assert len(crowd.running) == flex
        crowd.start(*[D] * (slots - flex))
        await crowd.settle()
        assert len(crowd.running) == slots
        await crowd.finish()

    async def test_waiting_flex_starts_if_more_than_reserve_is_free(self) -> None:
        crowd = Crowd(16)
        crowd.start(*[D] * 16, F)
        await crowd.settle()
        for number, running in (0, 15), (1, 14), (2, 14):
            crowd.end(number)
            await crowd.settle()
            assert len(crowd.running) == running
        assert 16 in crowd.running
        await crowd.finish()

    async def test_default_call_uses_reserve_while_flex_waits(self) -> None:
        crowd = Crowd(2)
        crowd.start(D, F, D)
        await crowd.settle()
        assert crowd.running == [0, 2]
        await crowd.finish()

    async def test_flex_is_served_although_default_calls_never_wait(self) -> None:
        crowd = Crowd(2)
        crowd.start(D, F)
        await crowd.settle()
        for _ in range(16):  # at most one slot is free, and default calls never wait
            crowd.start(D)
            await crowd.settle()
            crowd.end(crowd.running[0])
            await crowd.settle()
        assert 1 in crowd.served
        await crowd.finish()

    async def test_long_flex_calls_never_occupy_the_reserve(self) -> None:
        crowd = Crowd(4)
        crowd.start(*[D] * 4, *[F] * 10)
        await crowd.settle()
        for _ in range(200):  # flex calls are long, the others short
            crowd.start(D)
            await crowd.settle()
            crowd.end(next(n for n in crowd.running if crowd.tiers[n] is D))
            await crowd.settle()
        assert crowd.peak[F] == 3
        await crowd.finish()


class TestCancellation:
    async def test_cancelled_waiting_call_is_removed_from_queue(self) -> None:
        crowd = Crowd(1)
        crowd.start(D, P, D)
        await crowd.settle()
        crowd.tasks[1].cancel()
        await crowd.settle()
        assert crowd.scheduler.waiting == {P: 0, D: 1, F: 0, B: 0}
        assert await crowd.order(1) == [D]
        await crowd.finish()

    async def test_cancellation_after_slot_assignment_passes_slot_on(self) -> None:
        crowd = Crowd(1)
        holder = crowd.scheduler.slot(D)
        await holder.__aenter__()
        crowd.start(D, D)
        await crowd.settle()
        await holder.__aexit__(None, None, None)  # assigns the slot to call 0,
        crowd.tasks[0].cancel()  # which is cancelled before it runs
        await crowd.settle()
        assert crowd.served == [1]
        await crowd.finish()

    async def test_cancellation_before_slot_assignment_passes_slot_on(self) -> None:
        crowd = Crowd(1)
        holder = crowd.scheduler.slot(D)
        await holder.__aenter__()
        crowd.start(P, D)
        await crowd.settle()
        crowd.tasks[0].cancel()
        await holder.__aexit__(None, None, None)
        await crowd.settle()
        assert crowd.served == [1]
        await crowd.finish()

    async def test_cancelled_running_call_releases_its_slot(self) -> None:
        crowd = Crowd(1)
        crowd.start(D, D)
        await crowd.settle()
        crowd.tasks[0].cancel()
        await crowd.settle()
        assert crowd.running == [1]
        await crowd.finish()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from(ServiceTier)),
        st.tuples(st.sampled_from(["end", "cancel"]), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=80,
)


class TestGeneratedSequence:
    @given(slots=st.sampled_from([1, 2, 3, 8, 17]), limit=st.integers(0, 12), steps=STEPS)
    async def test_slots_limits_and_order_hold(
        self, slots: int, limit: int, steps: list[tuple[str, Any]]
    ) -> None:
        crowd = Crowd(slots, limit)
        cancelled: set[int] = set()
        for verb, value in steps:
            if verb == "start":
                crowd.start(value)
            elif verb == "turn":
                await asyncio.sleep(0)
            elif value < len(crowd.tasks):
                if verb == "end":
                    crowd.end(value)
                elif crowd.tasks[value].cancel():
                    cancelled.add(value)
            assert sum(crowd.scheduler.waiting.values()) <= limit
            assert sum(crowd.scheduler.running.values()) <= slots
        await crowd.finish()
        everyone = set(range(len(crowd.tasks)))
        assert everyone - cancelled <= set(crowd.served) | set(crowd.refused)
        assert crowd.peak[None] <= slots
        assert crowd.peak[F] <= max(slots - max(slots // 8, 1), 1)
        for tier in ServiceTier:
            served = [number for number in crowd.served if crowd.tiers[number] is tier]
            assert served == sorted(served)
        crowd.start(*[P] * slots)  # no slot was lost
        await crowd.settle()
        assert len(crowd.running) == slots
        await crowd.finish()


class TestSlotsPerModel:
    async def test_each_model_has_its_own_slots(self) -> None:
        schedulers = Schedulers({"small": 1, "large": 2, "free": None}, waiting_limit=0)
        assert set(schedulers.by_model()) == {"small", "large", "free"}
        async with schedulers.for_model("small").slot(D):
            assert not schedulers.for_model("small")._try_acquire(D, None)
            assert schedulers.for_model("large")._try_acquire(D, None)
            assert schedulers.for_model("free")._try_acquire(D, None)

    async def test_model_without_slot_count_is_unlimited(self) -> None:
        schedulers = Schedulers({"small": 1}, waiting_limit=0)
        assert all(schedulers.for_model("other")._try_acquire(F, None) for _ in range(100))
        assert schedulers.for_model("other") is schedulers.for_model("another")


class TestProcessShare:
    """Share of one gateway process in the concurrency of a model's engines."""

    def test_share_scales_with_maximum_engine_replicas(self) -> None:
        each = CATALOG.models[CHAT].concurrency
        assert each is not None
        one, three = Settings(), Settings(engine_min_replicas=2, engine_max_replicas=3)
        assert slots_per_model(CATALOG, one)[CHAT] == each
        assert slots_per_model(CATALOG, three)[CHAT] == 3 * each
        # Other models have no engines.
        slots = [slots_per_model(CATALOG, replicas)[EMBEDDING] for replicas in (one, three)]
        assert slots[0] == slots[1]

    def test_configured_concurrency_is_divided_among_workers(self) -> None:
        said = Settings(model_concurrency=10, engine_max_replicas=3, workers=4)
        assert slots_per_model(CATALOG, said)[CHAT] == 3  # ten divided among four processes
