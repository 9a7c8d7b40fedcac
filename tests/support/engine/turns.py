"""Who uses the engine: several tests at once, or one alone, in whichever processes they run."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Turns:
    """By a lock on a file, which ends with its process."""

    path: Path

    @asynccontextmanager
    async def take(self, *, alone: bool) -> AsyncIterator[None]:
        """Waits for tests that use the engine alone, or for all others."""
        with self.path.open("a") as file:
            kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            await asyncio.to_thread(fcntl.flock, file, kind)
            yield
