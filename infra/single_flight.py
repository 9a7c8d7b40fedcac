"""Single flight: concurrent callers with the same key share one running task.

Results are not cached after the task ends. Use within one event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """Deduplicates concurrent work by key."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Value]] = {}

    async def run(self, key: Key, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return the result of `work`, joining the task that already runs for `key`, if any.

        Raises what `work` raises. A cancelled caller does not cancel the shared task.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._on_task_done, key))
        # Shielded: other callers may still wait for the task when this one is cancelled.
        return await asyncio.shield(task)

    def _on_task_done(self, key: Key, task: "asyncio.Task[Value]") -> None:
        """Forget the ended task of `key` and mark its exception as retrieved."""
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # marks it as retrieved, if no caller is left
