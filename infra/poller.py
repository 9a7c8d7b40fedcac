"""Polling loop for work queued in database rows, run in the background of a gateway process.

Handles one piece after another while there is work, then sleeps until the next poll or `wake`. A
loop with `due_rows` is woken by the process's one look at all queues (infra/work_watch.py), so its
own interval can be long.
No error ends the loop: those of the database are logged and polled again at the usual interval,
all others are logged with their traceback, counted, and polled again with exponential back-off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from infra.database.database import DatabaseUnavailable, ValueUnstorable
from infra.database.due_work import DueRows, Moment
from infra.timing import DEFAULT_TIMING, Timing

# The longest wait after unexpected errors, in seconds; shorter only than a longer interval.
_MAX_BACK_OFF_S = 60.0
CountFailure = Callable[[str], None]
"""Counts an unexpected error of a loop by the loop's name."""


def _not_counted(_name: str) -> None:
    """Count nothing: the loop runs outside of a gateway process."""


class Poller:
    """A background polling loop. `start` it in the event loop, `stop` it at the end.

    `handle_one` does one piece of work and returns whether there was any. It may be cancelled at
    any moment.
    """

    def __init__(
        self, name: str, handle_one: Callable[[], Awaitable[bool]], timing: Timing = DEFAULT_TIMING
    ) -> None:
        self._name = name
        self._timing = timing
        self._handle_one = handle_one
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._count_failure: CountFailure = _not_counted
        self._log = structlog.get_logger()

    def count_failures(self, count: CountFailure) -> None:
        """Count unexpected errors of this loop with `count`."""
        self._count_failure = count

    async def start(self) -> None:
        """Start the loop as a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop the loop; a running `handle_one` is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return queries of due work; too much costs a look in vain, too little a late start."""
        return ()

    def wake(self) -> None:
        """Poll now, because there is new work."""
        self._wake.set()

    async def _run(self) -> None:
        """Call `handle_one` in an endless loop; sleep when there is no work or after an error."""
        interval_s = self._timing.poll_s(self._name)
        await self._sleep(min(self._timing.first_look_s, interval_s))
        failures = 0
        while True:
            try:
                busy, failures = await self._handle_one(), 0
            except (DatabaseUnavailable, ValueUnstorable, SQLAlchemyError) as error:
                self._log.error("waiting work cannot be read", work=self._name, reason=repr(error))
                busy = False
            except Exception as error:
                self._log.error("a background loop failed", work=self._name, exc_info=error)
                self._count_failure(self._name)
                failures += 1
                # Waking would repeat the error at once.
                await asyncio.sleep(_back_off_s(interval_s, failures))
                continue
            if not busy:
                await self._sleep(interval_s)

    async def _sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until `wake` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()


def _back_off_s(interval_s: float, failures: int) -> float:
    """Return the wait after a number of errors in a row: the interval, doubled up to the limit."""
    doubled = interval_s * 2.0 ** min(failures - 1, 30)
    return max(interval_s, min(doubled, _MAX_BACK_OFF_S))
