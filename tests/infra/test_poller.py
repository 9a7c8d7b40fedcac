"""The poller: works off waiting work, wakes for new work, and survives a database outage."""

import asyncio

from structlog.testing import capture_logs

from infra.database.database import DatabaseUnavailable
from infra.poller import Poller
from infra.timing import Timing
from tests.support.gateway.asking import until


class Work:
    """A number of pieces of work; `taken` counts the steps."""

    def __init__(self, pieces: int, fault: Exception | None = None) -> None:
        self.pieces = pieces
        self.fault = fault
        self.taken = 0

    async def step(self) -> bool:
        self.taken += 1
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        if self.pieces == 0:
            return False
        self.pieces -= 1
        return True


async def test_poller_processes_all_waiting_work_without_a_pause() -> None:
    work = Work(5)
    poller = Poller("work", work.step)
    await poller.start()
    await until(lambda: work.taken == 6)
    await poller.stop()
    assert work.pieces == 0


async def test_wake_ends_the_pause_of_the_poller() -> None:
    work = Work(0)
    poller = Poller("work", work.step, Timing(work_poll_s=3600))
    await poller.start()
    await until(lambda: work.taken == 1)
    work.pieces = 1
    poller.wake()
    await until(lambda: work.pieces == 0)
    await poller.stop()


async def test_queue_with_its_own_interval_is_polled_at_it_from_the_beginning() -> None:
    work = Work(0)
    timing = Timing(first_look_s=3600, work_poll_s=3600, queue_poll_s={"work": 0.001})
    poller = Poller("work", work.step, timing)
    await poller.start()
    await until(lambda: work.taken >= 2)
    await poller.stop()


async def test_poller_logs_an_unavailable_database_and_continues() -> None:
    work = Work(1, DatabaseUnavailable())
    poller = Poller("adaptations", work.step, Timing(work_poll_s=0.01))
    with capture_logs() as logs:
        await poller.start()
        await until(lambda: work.pieces == 0)
        await poller.stop()
    assert [(one["event"], one["work"]) for one in logs] == [
        ("waiting work cannot be read", "adaptations")
    ]


async def test_stopping_the_poller_cancels_the_running_step() -> None:
    let_go = asyncio.Event()
    begun = asyncio.Event()

    async def step() -> bool:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            let_go.set()
        return True

    poller = Poller("work", step)
    await poller.start()
    await begun.wait()
    await poller.stop()
    assert let_go.is_set()


async def test_poller_that_was_never_started_can_be_stopped() -> None:
    await Poller("work", Work(0).step).stop()


async def test_unexpected_error_is_logged_and_counted_and_the_loop_goes_on() -> None:
    work = Work(2, ZeroDivisionError("unforeseen"))
    poller, failed = Poller("agents", work.step, Timing().divided(1_000)), list[str]()
    poller.count_failures(failed.append)
    with capture_logs() as logs:
        await poller.start()
        await until(lambda: work.pieces == 0)
        await poller.stop()
    assert failed == ["agents"]
    (log,) = logs
    assert (log["event"], log["work"], type(log["exc_info"])) == (
        "a background loop failed",
        "agents",
        ZeroDivisionError,
    )


async def test_loop_that_fails_waits_longer_each_time_also_if_it_is_woken() -> None:
    work = Work(0)

    async def step() -> bool:
        work.fault = RuntimeError("again")
        return await work.step()

    poller = Poller("work", step, Timing(work_poll_s=3_600))
    with capture_logs():
        await poller.start()
        await until(lambda: work.taken == 1)
        for _ in range(5):
            poller.wake()
            await asyncio.sleep(0)
        await poller.stop()
    assert work.taken == 1
