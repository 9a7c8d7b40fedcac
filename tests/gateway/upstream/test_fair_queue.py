"""Fair queueing: an account delays another account by one call, not by all of its calls, and no
call is lost."""

import asyncio
from collections import Counter
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call.errors import UpstreamBusy
from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler, Slot
from gateway.upstream.fair_queue import FairQueue
from gateway.upstream.fair_share import Account

D = ServiceTier.DEFAULT
NOISY, QUIET, OTHER = uuid4(), uuid4(), uuid4()


def anyone(_account: Account) -> bool:
    """No account is above its share."""
    return True


async def entered(scheduler: Scheduler, *accounts: UUID) -> list[asyncio.Task[Slot]]:
    """Calls that queue up in this order."""
    tasks = []
    for account in accounts:
        tasks.append(asyncio.create_task(scheduler.acquire(D, account)))
        await asyncio.sleep(0)
    return tasks


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def cancelled(tasks: list[asyncio.Task[Slot]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class TestFairQueue:
    async def test_account_with_fewest_running_calls_is_next(self) -> None:
        turns = FairQueue()
        first = [turns.add(NOISY), turns.add(NOISY), turns.add(QUIET)]
        assert turns.pop({NOISY: 2, QUIET: 1}, anyone) == (QUIET, 0, first[2])
        assert turns.pop({NOISY: 2}, anyone) == (NOISY, 0, first[0])
        assert len(turns) == 1

    async def test_longest_waiting_account_is_next_at_equal_load(self) -> None:
        turns = FairQueue()
        first = [turns.add(account) for account in (OTHER, NOISY, QUIET)]
        assert [turns.pop({}, anyone)[2] for _ in first] == first

    async def test_accounts_alternate_if_none_has_running_calls(self) -> None:
        """With one slot, the account that just left it has no running call either."""
        turns = FairQueue()
        for account in (NOISY, NOISY, NOISY, QUIET, QUIET):
            turns.add(account)
        order = [turns.pop({}, anyone)[0] for _ in range(5)]
        assert order == [NOISY, QUIET, NOISY, QUIET, NOISY]

    async def test_cancelled_call_is_skipped(self) -> None:
        turns = FairQueue()
        gone, stays = turns.add(QUIET), turns.add(NOISY)
        gone.cancel()
        assert turns.has_waiting(anyone)
        assert turns.pop({NOISY: 5}, anyone)[2] is stays
        assert not turns.has_waiting(anyone)
        turns.remove(QUIET, gone)  # as the cancelled task does when it runs
        assert len(turns) == 0

    async def test_newest_call_of_longest_queue_is_evicted(self) -> None:
        turns = FairQueue()
        line = [turns.add(NOISY) for _ in range(3)]
        turns.add(QUIET)
        assert turns.evict(QUIET) is line[-1]
        assert turns.evict(QUIET) is None  # queues of two and one: eviction would not help
        assert turns.evict(NOISY) is None
        assert turns.evict(OTHER) is line[1]
        assert len(turns) == 2

    async def test_empty_queue_evicts_no_call(self) -> None:
        assert FairQueue().evict(NOISY) is None


class TestSchedulerFairness:
    async def test_1000_waiting_calls_delay_another_account_by_one_call(self) -> None:
        scheduler = Scheduler(2, 2000)
        running = [await scheduler.acquire(D, NOISY) for _ in range(2)]
        noisy = await entered(scheduler, *[NOISY] * 1000)
        (quiet,) = await entered(scheduler, QUIET)
        running[0].release()
        await settle()
        assert quiet.done()
        await cancelled(noisy)

    async def test_full_queue_evicts_call_of_busiest_account(self) -> None:
        scheduler = Scheduler(1, 4)
        running = await scheduler.acquire(D, NOISY)
        noisy = await entered(scheduler, *[NOISY] * 4)
        (quiet,) = await entered(scheduler, QUIET)
        await settle()
        assert [task.done() for task in noisy] == [False, False, False, True]
        assert isinstance(noisy[-1].exception(), UpstreamBusy)
        with pytest.raises(UpstreamBusy):
            await scheduler.acquire(D, NOISY)
        running.release()
        await settle()
        noisy[0].result().release()
        await settle()
        assert quiet.done()
        assert scheduler.running[D] == 1  # the evicted call had no slot and releases none
        await cancelled(noisy)

    @given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("cel")), max_size=60))
    def test_no_slot_is_lost_in_any_sequence_of_calls(self, steps: list[tuple[int, str]]) -> None:
        asyncio.run(self._walk(steps))

    async def _walk(self, steps: list[tuple[int, str]]) -> None:
        accounts = [UUID(int=number + 1) for number in range(4)]
        scheduler = Scheduler(3, 6)
        tasks: list[asyncio.Task[Slot]] = []
        held: list[Slot] = []
        for number, what in steps:
            if what == "c":
                tasks += await entered(scheduler, accounts[number])
            elif what == "l" and tasks:
                tasks[number % len(tasks)].cancel()
            elif held:
                held.pop(number % len(held)).release()
            await settle()
            held += [task.result() for task in tasks if _came(task)]
            tasks = [task for task in tasks if not task.done()]
            assert scheduler.running[D] == len(held) <= 3
            assert scheduler.waiting[D] == len(tasks) <= 6
            assert not tasks or len(held) == 3
        for _ in range(len(steps)):
            for slot in held:
                slot.release()
            await settle()
            held = [task.result() for task in tasks if _came(task)]
            tasks = [task for task in tasks if not task.done()]
        assert not tasks
        assert scheduler.running[D] == len(held)

    @given(st.lists(st.integers(0, 3), min_size=12, max_size=40))
    def test_slots_are_shared_evenly_among_waiting_accounts(self, asked: list[int]) -> None:
        asyncio.run(self._share(asked))

    async def _share(self, asked: list[int]) -> None:
        accounts = [UUID(int=number + 1) for number in range(4)]
        scheduler = Scheduler(4, 1000)
        blocking = [await scheduler.acquire(D, OTHER) for _ in range(4)]
        tasks = await entered(scheduler, *(accounts[number] for number in asked))
        for slot in blocking:
            slot.release()
        await settle()
        shares = Counter(n for n, task in zip(asked, tasks, strict=True) if task.done())
        wanted = Counter(asked)
        most = max(shares.values())
        assert all(shares[n] >= min(wanted[n], most - 1) for n in wanted)
        await cancelled(tasks)


def _came(task: asyncio.Task[Slot]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
