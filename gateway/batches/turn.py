"""One turn of a batch: some of its lines, several at a time, fewer while others call.

    send -> store (with the results that end at the same time) -> next line

A line is done when its result is stored, and only then the next one is taken: a cancelled batch
sends nothing after its current lines. What ends a turn is a value: the runner decides what becomes
of the batch.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.batches.line_calls import Pause, Retry, SentLine, Stop
from gateway.batches.lines import LineResult, PendingLine
from gateway.batches.throughput import CONCURRENCY

# Lines that are sent at a time while other calls run in this process.
BUSY_CONCURRENCY = 2
_YIELD_S = 0.02

TurnEnd = Stop | Pause


class LineSender(Protocol):
    """Sends the lines of a batch."""

    async def send(self, line: PendingLine) -> SentLine:
        """Send one line; return its result, or what its response means for the batch."""
        ...


class LineStore(Protocol):
    """Stores what became of the lines."""

    async def store(self, result: LineResult) -> bool:
        """Store a result. Returns whether more lines may be sent."""
        ...

    async def count_attempt(self, line: PendingLine) -> None:
        """Count a failed attempt of a line."""
        ...


class Turn:
    """One turn of a batch. `take` sends lines until the turn ends.

    `running_calls` returns the calls that run in this process, those of the turn included.
    """

    def __init__(
        self,
        sender: LineSender,
        store: LineStore,
        pending: Sequence[PendingLine],
        is_over: Callable[[], bool],
        running_calls: Callable[[], int],
    ) -> None:
        self._sender = sender
        self._store = store
        self._pending = deque(pending)
        self._is_over = is_over
        self._running_calls = running_calls
        self._running = 0
        self._is_closed = False
        self.end: TurnEnd | None = None
        self.stored = 0

    async def take(self) -> None:
        """Send lines until none is left, the time is up, or something ends the turn."""
        async with asyncio.TaskGroup() as group:
            for worker in range(min(CONCURRENCY, len(self._pending))):
                group.create_task(self._send_lines(worker))

    async def _send_lines(self, worker: int) -> None:
        """Send one line after another; most workers stand back while others call."""
        while self._may_go_on():
            if worker >= BUSY_CONCURRENCY and self._running_calls() > self._running:
                await asyncio.sleep(_YIELD_S)
                continue
            line = self._pending.popleft()
            self._running += 1
            try:
                sent = await self._sender.send(line)
            finally:
                self._running -= 1
            await self._record(line, sent)

    def _may_go_on(self) -> bool:
        """Return whether another line may be sent."""
        is_ended = self.end is not None or self._is_closed
        return bool(self._pending) and not is_ended and not self._is_over()

    async def _record(self, line: PendingLine, sent: SentLine) -> None:
        """Store a result, or note what ends the turn."""
        if isinstance(sent, LineResult):
            is_open = await self._store.store(sent)
            self.stored += 1
            self._is_closed = self._is_closed or not is_open
        elif isinstance(sent, Retry):
            await self._store.count_attempt(line)
        else:
            self.end = self.end or sent
