"""A bounded cache: least recently used entries go first, and each entry has its own expiry."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ExpiringCache(Generic[Key, Value]):
    """At most `max_entries` values; `now` is a monotonic clock in seconds."""

    def __init__(self, max_entries: int, now: Callable[[], float]) -> None:
        self._max_entries = max_entries
        self._now = now
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None if there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._now():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: Key, value: Value, ttl_s: float) -> None:
        """Store a value for `ttl_s` seconds; nothing is stored for 0."""
        if ttl_s <= 0:
            self._entries.pop(key, None)
            return
        self._entries[key] = (self._now() + ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def remove_if(self, matches: Callable[[Key, Value], bool]) -> int:
        """Remove all entries that match. Returns how many."""
        removed = [key for key, (_, value) in self._entries.items() if matches(key, value)]
        for key in removed:
            del self._entries[key]
        return len(removed)

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
