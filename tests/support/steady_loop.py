"""An event loop whose clock does not count pauses of the machine or of the loop itself.

A virtual machine may stop for seconds, and three workers share two processors. On the machine's
clock a timeout ends then though its answer had no time to arrive: the loop counts its timers before
it reads what arrived meanwhile.
"""

import asyncio
import selectors
import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any

# Of one wait and of the steps between two waits. Longer than either takes on a busy machine, and
# short beside the timeouts of tests.
AT_MOST_S = 0.05


class _SteadySelector(selectors.DefaultSelector):
    """A selector that waits for short times only, and tells before and after each."""

    def __init__(self, count: Callable[[], None]) -> None:
        super().__init__()
        self._count = count

    def select(self, timeout: float | None = None) -> list[Any]:
        self._count()
        ready = super().select(AT_MOST_S if timeout is None else min(timeout, AT_MOST_S))
        self._count()
        return ready


class SteadyLoop(asyncio.SelectorEventLoop):
    """The standard event loop, on a clock that counts at most AT_MOST_S at once."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._counted, self._since = 0.0, clock()
        super().__init__(_SteadySelector(self._count))

    def time(self) -> float:
        """Return the seconds in which the loop ran or waited."""
        return self._counted + min(self._clock() - self._since, AT_MOST_S)

    def _count(self) -> None:
        self._counted, self._since = self.time(), self._clock()


class _Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = SteadyLoop


def use_steady_loops() -> None:
    """Make every event loop of this process a SteadyLoop that is not asked to be another."""
    with warnings.catch_warnings():
        # Policies go with Python 3.16; pytest-asyncio's own hook would rename every test.
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(_Policy())
