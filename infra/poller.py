"""Polling loop for work queued in database rows, run in the background of a gateway process.

Handles one piece after another while there is work, then sleeps until the next poll or `wake`.
Database errors are logged and do not end the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from infra.database.database import DatabaseUnavailable, ValueUnstorable
from infra.timing import DEFAULT_TIMING, Timing


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
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Start the loop as a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop the loop; a running `handle_one` is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Poll now, because there is new work."""
        self._wake.set()

    async def _run(self) -> None:
        """Call `handle_one` in an endless loop; sleep when there is no work or after an error."""
        interval_s = self._timing.poll_s(self._name)
        await self._sleep(min(self._timing.first_look_s, interval_s))
        while True:
            try:
                busy = await self._handle_one()
            except (DatabaseUnavailable, ValueUnstorable, SQLAlchemyError) as error:
                self._log.error("waiting work cannot be read", work=self._name, reason=repr(error))
                busy = False
            if not busy:
                await self._sleep(interval_s)

    async def _sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until `wake` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()
