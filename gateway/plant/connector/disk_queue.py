"""A bounded queue of batches on disk: each batch is a file, durable once `put` returns.

A batch is written under a temporary name, synchronised and renamed, so a killed process leaves
whole batches only. `remove` deletes a batch after it was delivered. The order is that of writing.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from infra.errors import AppError

_SUFFIX, _TEMPORARY, _REFUSED = ".batch", ".tmp", ".refused"
_DIGITS = 16


class QueueFull(AppError):
    """The queue has reached its size; the batch was not stored."""

    code = "connector_queue_full"


class DiskQueue:
    """Batches in a directory, at most `max_bytes` of them. One process uses a directory."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for unfinished in directory.glob(f"*{_TEMPORARY}"):
            unfinished.unlink()
        numbers = (int(one.stem) for one in directory.iterdir() if one.stem.isdecimal())
        self._next = 1 + max(numbers, default=0)
        self._bytes = sum(one.stat().st_size for one in self.waiting())

    @property
    def size(self) -> int:
        """The size of the batches that wait."""
        return self._bytes

    def put(self, batch: bytes) -> None:
        """Store a batch durably. Raises QueueFull, OSError."""
        if self._bytes + len(batch) > self._max_bytes:
            raise QueueFull(f"The queue has more than {self._max_bytes:,} bytes.")
        path = self._directory / f"{self._next:0{_DIGITS}}{_SUFFIX}"
        temporary = path.with_suffix(_TEMPORARY)
        with temporary.open("wb") as file:
            file.write(batch)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        self._sync_directory()
        self._next += 1
        self._bytes += len(batch)

    def waiting(self) -> Iterator[Path]:
        """Yield the batches that wait, oldest first."""
        yield from sorted(self._directory.glob(f"*{_SUFFIX}"))

    def remove(self, path: Path) -> None:
        """Delete a delivered batch."""
        self._bytes -= path.stat().st_size
        path.unlink()

    def set_aside(self, path: Path) -> None:
        """Keep a batch that the gateway refuses for good under another name, for people."""
        self._bytes -= path.stat().st_size
        path.rename(path.with_suffix(_REFUSED))

    def _sync_directory(self) -> None:
        """Make the new name durable."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
