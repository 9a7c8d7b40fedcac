"""Deadlines: the limits of time of all calls of a process, under one timer.

A timer of the event loop's for each limit costs a tenth of a whole call, and hardly one of them
ever goes off. Here a limit is a place in a set of those that are looked at within the same tick.
"""

import asyncio
from typing import Any, Protocol

_TICK_S = 0.02
# However far off a limit is, it is looked at that often: so there are few sets, and none of them
# is kept for the calls of minutes.
_LOOK_S = 1.0


class Limit(Protocol):
    """Something that is looked at from time to time."""

    def look(self) -> None:
        """It may be time. To be looked at again, it is set again."""
        ...


class Deadlines:
    """The limits of one process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._ticks: dict[int, set[Limit]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def set(self, limit: Limit, now: float, at: float) -> int:
        """Look at it at that time of the loop or up to a tick later, and before that now and then.
        Gives its place."""
        place = int(min(at, now + _LOOK_S) / _TICK_S) + 1
        together = self._ticks.get(place)
        if together is None:
            together = self._ticks[place] = set()
            self._wind()
        together.add(limit)
        return place

    def clear(self, limit: Limit, place: int) -> None:
        """The limit is over."""
        together = self._ticks.get(place)
        if together is not None:
            together.discard(limit)

    def _wind(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for place in [place for place in self._ticks if place * _TICK_S <= now]:
            for limit in self._ticks.pop(place):
                limit.look()
        if self._ticks:
            self._wind()


class Within:
    """A block that ends with TimeoutError when its time is over, as that of asyncio.timeout."""

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._expired = self._left = False
        self._place = 0

    async def __aenter__(self) -> "Within":
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a call is answered within a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._set(self._until)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._left = True
        self._deadlines.clear(self, self._place)
        if not self._expired or self._task.uncancel() > self._cancelling:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise self._late() from None

    def extend(self, seconds: float) -> None:
        """Something moved: wait so long from now on."""
        self._until = self._loop.time() + seconds

    def look(self) -> None:
        if self._left or self._expired:
            return
        if self._loop.time() >= self._until:
            self._expire()
        else:
            self._set(self._until)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def _set(self, at: float) -> None:
        self._place = self._deadlines.set(self, self._loop.time(), at)

    def _late(self) -> Exception:
        """What the block ends with."""
        return TimeoutError()
