"""Lifespan of a gateway process: start its parts in order and stop them in reverse order."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from litestar import Litestar

# Objects between two collections of the youngest: most of a call's are freed without one, and each
# collection visits those of the calls that run.
_YOUNG_OBJECTS = 10_000
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Startable(Protocol):
    """A background part of the process with start and stop."""

    async def start(self) -> None:
        """Start the part's background work."""
        ...

    async def stop(self) -> None:
        """Stop the part's background work and wait for its end."""
        ...


def create_lifespan(
    close_callbacks: Sequence[Callable[[], Awaitable[None]]], parts: Sequence[Startable]
) -> Lifespan:
    """Return a Litestar lifespan that starts and stops the parts, then runs `close_callbacks`.

    The callbacks also run if starting a part fails.
    """

    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        """Start the parts; on exit stop them in reverse order, then run the close callbacks."""
        async with AsyncExitStack() as stack:
            for close in close_callbacks:
                stack.push_async_callback(close)
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            yield

    return run


def freeze_loaded_objects() -> None:
    """Exclude all objects loaded so far from garbage collection (`gc.freeze`), and collect rarely.

    Full collections took 40 ms each, blocking all calls. Use only in a process that runs one
    application: objects of others would never be freed.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
