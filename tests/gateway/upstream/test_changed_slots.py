"""Concurrency slots after a change of the catalog: more, fewer, new and removed models."""

import asyncio

from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler, Schedulers, Slot

D = ServiceTier.DEFAULT


async def test_added_slots_go_to_waiting_calls_and_removed_ones_end_no_call() -> None:
    scheduler = Scheduler(1, waiting_limit=10)
    first = await scheduler.acquire(D)
    waiting = [asyncio.create_task(scheduler.acquire(D)) for _ in range(3)]
    await asyncio.wait(waiting, timeout=0)
    scheduler.resize(2)
    second = await waiting[0]
    assert (scheduler.running[D], scheduler.waiting[D]) == (2, 2)
    scheduler.resize(1)
    first.release()
    assert (scheduler.running[D], scheduler.waiting[D]) == (1, 2)
    second.release()
    slots: list[Slot] = [await waiting[1]]
    scheduler.resize(None)
    slots.append(await waiting[2])
    for slot in slots:
        slot.release()
    assert (scheduler.running[D], scheduler.waiting[D]) == (0, 0)


async def test_removed_model_keeps_its_scheduler_while_calls_run() -> None:
    schedulers = Schedulers({"old": 1, "kept": 1}, waiting_limit=0)
    slot = await schedulers.for_model("old").acquire(D)
    schedulers.resize({"kept": 2, "new": 3})
    assert set(schedulers.by_model()) == {"old", "kept", "new"}
    held = [await schedulers.for_model("kept").acquire(D) for _ in range(2)]
    slot.release()
    schedulers.resize({"kept": 2})
    assert set(schedulers.by_model()) == {"kept"}
    for one in held:
        one.release()
