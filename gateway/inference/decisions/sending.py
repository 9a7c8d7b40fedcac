"""Run the upstream requests of a decision, some at a time.

One deadline around all of them ends them together when the client leaves or when nothing is
answered for too long (stage.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

# Requests of one decision that are sent at once. An engine's own batch is twice this on a CPU, so
# that calls of others are answered meanwhile.
MAX_AT_ONCE = 8


async def run_all(works: Iterator[Callable[[], Awaitable[None]]]) -> None:
    """Run all works, the first one alone, then a few at a time.

    The first one lets an engine compute the shared start of the prompts once. The first error ends
    the others.
    """
    for first in works:
        await first()
        break

    async def run_next() -> None:
        """Run one work after another until none is left."""
        for work in works:
            await work()

    tasks = [asyncio.create_task(run_next()) for _ in range(MAX_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
