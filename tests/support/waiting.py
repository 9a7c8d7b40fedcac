"""Wait for a condition that can only be polled."""

import asyncio
from collections.abc import Awaitable, Callable

# Nothing is measured by it: as long as a busy machine may need.
PATIENCE_S = 20.0
_EVERY_S = 0.05


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition is true. Raises TimeoutError after PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110  # what is asked sends no event
            await asyncio.sleep(_EVERY_S)
