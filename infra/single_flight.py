"""One task for all who want the same thing at the same time.

Owns sharing it, and that whoever leaves does not take it from the others. Remembers nothing of what
has ended. Belongs to one event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Value]] = {}

    async def do(self, key: Key, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What `work` gives, which is begun where nobody works for `key` already. Raises as it."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._ended, key))
        # Not with the first caller: that one may leave, and the others still want it.
        return await asyncio.shield(task)

    def _ended(self, key: Key, task: "asyncio.Task[Value]") -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # of which nobody may have waited to hear
