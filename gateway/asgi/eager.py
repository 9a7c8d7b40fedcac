"""Run an awaitable eagerly up to its first suspension, outside of `await`.

Most sends to a client and most receives of a body never suspend. Run eagerly, they need neither a
task wake-up nor a timeout.
"""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class EagerAwaitable(Generic[Value]):
    """An awaitable that runs eagerly up to its first suspension.

    `is_done` is true if it finished without suspending; `value` then holds its result. Otherwise
    await the instance to finish it. The constructor raises what the awaitable raises.
    """

    __slots__ = ("_pending", "_steps", "is_done", "value")

    def __init__(self, awaitable: Awaitable[Value]) -> None:
        self.is_done = False
        self._steps = awaitable.__await__()
        try:
            self._pending = next(self._steps)
        except StopIteration as end:
            self.is_done = True
            self.value: Value = end.value

    def __await__(self) -> Generator[Any, Any, Value]:
        if self.is_done:
            return self.value
        pending = self._pending
        while True:
            try:
                try:
                    sent = yield pending
                except BaseException as error:
                    pending = self._steps.throw(error)
                else:
                    pending = self._steps.send(sent)
            except StopIteration as end:
                self.is_done, self.value = True, end.value
                return self.value
