"""Record the events of a background response while it is generated.

    events of the call -> number and identify them -> flush some at a time

They are flushed at most every 100 ms, so that a fast model costs the database no more than a slow
one, and never keep the model waiting. The last event is not recorded: it is the stored response.
A row whose commit failed, or whose result was lost, is written again as it was.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.responses.attempts import FIRST_NUMBER, AttemptSpan
from gateway.wire.responses.output import ResponseStatus
from gateway.wire.responses.stream import render_event
from infra.database.database import DatabaseUnavailable

FLUSH_S = 0.1
# Of the events in one row.
_MAX_ROW_BYTES = 64 << 10
_CREATED, _ERROR = "response.created", "error"
_FINAL = frozenset(f"response.{status}" for status in ResponseStatus if status.is_final)
_DATA = b"\ndata: "
_EVENT = msgspec.json.Decoder(dict[str, Any])

WriteEvents = Callable[[AttemptSpan, bytes], Awaitable[bool]]
"""Writes consecutive events, once; returns False if the response needs no more of them."""


class EventRecorder:
    """Records the events of one attempt to answer a response.

    `kept` are the fields of the response that its call does not know. `before` is the newest
    attempt that has events, None without one; if the call is a replay of that attempt's answer, the
    events go on where it stopped.
    """

    def __init__(
        self,
        write: WriteEvents,
        attempt: int,
        before: AttemptSpan | None,
        kept: Mapping[str, Any],
        flush_s: float = FLUSH_S,
    ) -> None:
        self._write = write
        self._before = before
        self._kept = kept
        self._flush_s = flush_s
        self._attempt = attempt
        self._next = FIRST_NUMBER if before is None else before.last + 1
        self._recorded = self._next - 1
        self._partial = b""
        self._pending: deque[tuple[int, bytes]] = deque()
        self._chosen_count = 0
        self._is_stopped = False
        self._ending = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None
        self.final: Mapping[str, Any] | None = None

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers of the call's response, which tell whether it is a replay."""
        if "idempotent-replayed" in headers and self._before is not None:
            self._attempt, self._next = self._before.attempt, self._before.first

    def add(self, data: bytes) -> None:
        """Take bytes of the call's stream, split anywhere. Raises msgspec.DecodeError."""
        *events, self._partial = (self._partial + data).split(b"\n\n")
        for event in events:
            _, found, text = event.partition(_DATA)
            if found:
                self._take(_EVENT.decode(text))
        if self._pending and self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_until_idle(), name="response-events")

    async def finish(self) -> None:
        """Flush what is left. Raises DatabaseUnavailable, SQLAlchemyError."""
        self._ending.set()
        if self._flushing is not None:
            await self._flushing
        while self._pending:
            try:
                await self._flush()
            except (DatabaseUnavailable, SQLAlchemyError):
                # A lost connection is replaced. Without the events, the call would be repeated.
                await self._flush()

    async def abandon(self) -> None:
        """Stop flushing; what was not flushed is lost."""
        if self._flushing is not None:
            self._flushing.cancel()
            with suppress(asyncio.CancelledError):
                await self._flushing

    def _take(self, event: dict[str, Any]) -> None:
        """Number an event and keep it for the next flush."""
        kind = event["type"]
        if kind in _FINAL:
            self.final = event
        if kind in (_CREATED, _ERROR) or kind in _FINAL:
            return
        number, self._next = self._next, self._next + 1
        if number <= self._recorded or self._is_stopped:
            return
        if "response" in event:
            event["response"] = {**event["response"], **self._kept}
        self._pending.append((number, render_event(event, number)))

    async def _flush_until_idle(self) -> None:
        """Flush once per period while there are events; errors of the database are retried."""
        try:
            while self._pending and not self._ending.is_set():
                try:
                    await self._flush()
                except (DatabaseUnavailable, SQLAlchemyError) as error:
                    structlog.get_logger().warning("events were not recorded", reason=repr(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._flush_s):
                        await self._ending.wait()
        finally:
            self._flushing = None

    async def _flush(self) -> None:
        """Write the next events as one row. Raises DatabaseUnavailable, SQLAlchemyError."""
        # After an error the row may be there already: only the same numbers may be written again.
        self._chosen_count = self._chosen_count or self._choose_count()
        chosen = [self._pending[index] for index in range(self._chosen_count)]
        span = AttemptSpan(self._attempt, chosen[0][0], chosen[-1][0])
        is_wanted = await self._write(span, b"".join(event for _, event in chosen))
        self._chosen_count = 0
        for _ in chosen:
            self._pending.popleft()
        if not is_wanted:
            self._is_stopped = True
            self._pending.clear()

    def _choose_count(self) -> int:
        """Return how many of the next events fit into one row; at least one."""
        count = size = 0
        for _, event in self._pending:
            size += len(event)
            if count and size > _MAX_ROW_BYTES:
                break
            count += 1
        return count
