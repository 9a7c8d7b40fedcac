"""The life of one gateway process: what is started in order, and ended in the opposite one.

Owns that order being kept, and memory's settling once all is loaded.
"""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from litestar import Litestar

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Startable(Protocol):
    """A part that works by itself between these two."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def lifespan(
    closing: Sequence[Callable[[], Awaitable[None]]], parts: Sequence[Startable]
) -> Lifespan:
    """What Litestar runs around the application; `closing` is done last, whatever was started."""

    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for close in closing:
                stack.push_async_callback(close)
            for part in parts:
                await part.start()
                stack.push_async_callback(part.stop)
            yield

    return run


def settle_memory() -> None:
    """What is loaded by now stays for good: the collector need not look through it again.

    Its full passes took 40 ms each, in which no call went on. For a process whose only application
    this is: of others nothing would ever be freed.
    """
    gc.collect()
    gc.freeze()
