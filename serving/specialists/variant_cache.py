"""Customers' variants in memory: least recently used, up to a limit of bytes and for a day."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TLRUCache

from serving.specialists.specialist import Specialist

# With two thousand variants of 220 kB a replica then takes 1.3 GB in all: what the allocator cannot
# give back comes on top (load/RESULTS.md).
MOST_BYTES = 600 << 20
# What a customer deletes is not asked for again, but stays where it is until then.
KEPT_S = 86_400.0
# What a loaded variant takes beside its artefact: a session, its signature, a tag's index.
_BESIDE = 300 << 10
# A graph takes so many times its size in the file (measured: 2.5 MB for trees of 441 kB).
_SPREAD = 5


@dataclass(frozen=True, slots=True)
class Variant:
    """A loaded variant: its base's name, and how many bytes it was loaded from."""

    specialist: Specialist
    base: str
    size: int


class Variants:
    """Used in one event loop only."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loaded: TLRUCache[str, Variant] = TLRUCache(most_bytes, _until, clock, _weight)

    def find(self, variant_id: str) -> Variant | None:
        return self._loaded.get(variant_id)

    def put(self, variant_id: str, variant: Variant) -> None:
        self._loaded[variant_id] = variant

    def drop(self, variant_id: str) -> None:
        self._loaded.pop(variant_id, None)

    def __len__(self) -> int:
        return len(self._loaded)


def _until(variant_id: str, variant: Variant, now: float) -> float:
    return now + KEPT_S


def _weight(variant: Variant) -> int:
    return variant.size * _SPREAD + _BESIDE
