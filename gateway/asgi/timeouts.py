"""Timeouts of all calls of one process, under one event-loop timer (a hashed timing wheel).

One event-loop timer per timeout would cost a tenth of a whole call, and hardly any timeout ever
fires. Here a timeout is an entry in a set of entries that are checked in the same tick.
"""

import asyncio
from typing import Any, Protocol

_TICK_S = 0.02
# However far away its deadline is, an entry is checked this often. So there are few slots, and no
# slot keeps calls that take minutes.
_MAX_CHECK_INTERVAL_S = 1.0


class WheelEntry(Protocol):
    """An entry of the timeout wheel, checked when its slot is due."""

    def on_check(self) -> None:
        """Check whether the deadline has passed; schedule the entry again if it has not."""
        ...


class TimeoutWheel:
    """The scheduled timeout checks of one process. Bound to one event loop."""

    def __init__(self) -> None:
        self._slots: dict[int, set[WheelEntry]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def schedule(self, entry: WheelEntry, now: float, deadline: float) -> int:
        """Schedule the next check of an entry. Returns the slot, for `cancel`.

        The check comes at the deadline or up to one tick later, or after the maximum check interval
        if that is earlier. `now` and `deadline` are seconds of the event loop's clock.
        """
        slot = int(min(deadline, now + _MAX_CHECK_INTERVAL_S) / _TICK_S) + 1
        entries = self._slots.get(slot)
        if entries is None:
            entries = self._slots[slot] = set()
            self._start_timer()
        entries.add(entry)
        return slot

    def cancel(self, entry: WheelEntry, slot: int) -> None:
        """Remove an entry from its slot. Does nothing if the slot has been checked already."""
        entries = self._slots.get(slot)
        if entries is not None:
            entries.discard(entry)

    def _start_timer(self) -> None:
        """Start the event-loop timer for the next tick, unless it is running."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        """Check the entries of all due slots; keep the timer running while slots remain."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for slot in [slot for slot in self._slots if slot * _TICK_S <= now]:
            for entry in self._slots.pop(slot):
                entry.on_check()
        if self._slots:
            self._start_timer()


class Timeout:
    """An async context manager that raises TimeoutError after some seconds, like asyncio.timeout.

    Cheaper than asyncio.timeout: all timeouts of a process share one timer.
    """

    def __init__(self, wheel: TimeoutWheel, seconds: float) -> None:
        self._wheel = wheel
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._expired = self._exited = False
        self._slot = 0

    async def __aenter__(self) -> "Timeout":
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a timeout can only be used in an asyncio task")
        self._task = task
        self._cancelling = task.cancelling()
        self._schedule(self._deadline)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._exited = True
        self._wheel.cancel(self, self._slot)
        if not self._expired or self._task.uncancel() > self._cancelling:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise self._timeout_error() from None

    def extend(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now."""
        self._deadline = self._loop.time() + seconds

    def on_check(self) -> None:
        """Cancel the task if the deadline has passed, otherwise schedule the next check."""
        if self._exited or self._expired:
            return
        if self._loop.time() >= self._deadline:
            self._expire()
        else:
            self._schedule(self._deadline)

    def _expire(self) -> None:
        """Mark the timeout as expired and cancel the task."""
        self._expired = True
        self._task.cancel()

    def _schedule(self, deadline: float) -> None:
        """Schedule the next check for the deadline, in event-loop seconds."""
        self._slot = self._wheel.schedule(self, self._loop.time(), deadline)

    def _timeout_error(self) -> Exception:
        """Return the exception that the block raises on expiry."""
        return TimeoutError()
