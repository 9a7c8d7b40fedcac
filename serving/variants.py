"""Customers' variants in memory: those used last, up to a limit of bytes.

Owns which are kept. Does not own where they are stored: whoever asks for one that is not here puts
it here first, so a variant that fell out costs one load.
"""

from dataclasses import dataclass

from cachetools import LRUCache

from serving.specialists import Specialist

MOST_BYTES = 800 << 20
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

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._loaded: LRUCache[str, Variant] = LRUCache(most_bytes, _weight)

    def find(self, variant_id: str) -> Variant | None:
        return self._loaded.get(variant_id)

    def put(self, variant_id: str, variant: Variant) -> None:
        self._loaded[variant_id] = variant

    def drop(self, variant_id: str) -> None:
        self._loaded.pop(variant_id, None)

    def __len__(self) -> int:
        return len(self._loaded)


def _weight(variant: Variant) -> int:
    return variant.size * _SPREAD + _BESIDE
