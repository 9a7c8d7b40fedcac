"""Turns at the engine: several tests at once or one exclusively, in all processes of a run."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Turns:
    """Turns by a file lock, which ends with its process."""

    path: Path

    @asynccontextmanager
    async def take(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for tests that use the engine exclusively; if `alone`, for all other tests."""
        with self.path.open("a") as file:
            kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            await asyncio.to_thread(fcntl.flock, file, kind)
            yield
