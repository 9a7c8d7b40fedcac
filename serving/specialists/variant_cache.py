"""In-memory LRU cache of customers' fine-tuned models (variants), with byte limit and TTL."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TLRUCache

from serving.specialists.specialist import Specialist

# With two thousand variants of 220 kB a replica takes 1.3 GB in total, because memory that the
# allocator cannot return comes on top (load/RESULTS.md).
MAX_BYTES = 600 << 20
# A variant that a customer deleted stays in memory until its TTL ends.
TTL_S = 86_400.0
# Memory of a loaded variant besides its artefact: session, signature, tag index.
_OVERHEAD_BYTES = 300 << 10
# Memory of a loaded graph as a multiple of its file size (measured: 2.5 MB for trees of 441 kB).
_MEMORY_FACTOR = 5


@dataclass(frozen=True, slots=True)
class LoadedVariant:
    """A loaded variant, the name of its base model and its artefact's size in bytes."""

    specialist: Specialist
    base: str
    size: int


class VariantCache:
    """An LRU cache of loaded variants by id; not thread-safe, for one event loop."""

    def __init__(
        self, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loaded: TLRUCache[str, LoadedVariant] = TLRUCache(
            max_bytes, _expires_at, clock, _memory_bytes
        )

    def get(self, variant_id: str) -> LoadedVariant | None:
        """Return a cached variant and mark it as used; None if it is not cached."""
        return self._loaded.get(variant_id)

    def put(self, variant_id: str, variant: LoadedVariant) -> None:
        """Cache a variant, evicting the least recently used above the byte limit."""
        self._loaded[variant_id] = variant

    def remove(self, variant_id: str) -> None:
        """Remove a variant if it is cached."""
        self._loaded.pop(variant_id, None)

    def __len__(self) -> int:
        return len(self._loaded)


def _expires_at(variant_id: str, variant: LoadedVariant, now: float) -> float:
    """Return the expiry time of a variant cached at `now`."""
    return now + TTL_S


def _memory_bytes(variant: LoadedVariant) -> int:
    """Estimate the memory of a loaded variant in bytes."""
    return variant.size * _MEMORY_FACTOR + _OVERHEAD_BYTES
