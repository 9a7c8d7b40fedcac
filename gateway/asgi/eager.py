"""Stepping: the part of an awaitable that needs no waiting, done at once.

Most sends to a client and most receives of a body have nothing to wait for. Done at once they need
no task to be woken, nor a limit of time.

Owns beginning an awaitable outside of `await` and going on with it inside.
"""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Begun(Generic[Value]):
    """An awaitable, run up to where it has to wait. `done` where it did not: then with its
    `value`, else to be awaited. Raises what it raises."""

    __slots__ = ("_steps", "_waits_for", "done", "value")

    def __init__(self, awaitable: Awaitable[Value]) -> None:
        self.done = False
        self._steps = awaitable.__await__()
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.done = True
            self.value: Value = end.value

    def __await__(self) -> Generator[Any, Any, Value]:
        if self.done:
            return self.value
        waits_for = self._waits_for
        while True:
            try:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(sent)
            except StopIteration as end:
                self.done, self.value = True, end.value
                return self.value
