"""Work that waits in rows: done one at a time beside a process's calls, by whoever takes it first.

Owns the loop: step after step while there is work, then a pause that new work ends. A database that
is away ends no loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from infra.database.database import DatabaseUnavailable, ValueUnstorable
from infra.timing import USUAL, Timing


class Poller:
    """Of one gateway process. `start` it in the event loop, `stop` it at the end.

    step: does one piece of work and tells whether there was any. It may be cancelled at any moment.
    """

    def __init__(
        self, name: str, step: Callable[[], Awaitable[bool]], timing: Timing = USUAL
    ) -> None:
        self._name = name
        self._timing = timing
        self._step = step
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """A step that is under way is cancelled, and lets go what it has taken."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """There is new work."""
        self._wake.set()

    async def _run(self) -> None:
        await self._pause(self._timing.first_look_s)
        while True:
            try:
                busy = await self._step()
            except (DatabaseUnavailable, ValueUnstorable, SQLAlchemyError) as error:
                self._log.error("waiting work cannot be read", work=self._name, reason=repr(error))
                busy = False
            if not busy:
                await self._pause(self._timing.work_poll_s)

    async def _pause(self, seconds: float) -> None:
        """Until there is new work, but no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()
