"""Kinds of pages: addresses that differ only in an id, day or number are of one kind.

Pages are found by following links.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

HOME = "/dashboard"
_IDENTIFIER = re.compile(r"^([a-z]+_[0-9a-z]{16,}|[0-9a-f-]{32,}|\d[\d-]*)$")
# Downloads, and links that sign out or change the language.
_EXCLUDED = re.compile(r"(\.\w+|/csv|/pdf|/export|/file)$|^/dashboard/(sign-out|language)")


def kind(address: str) -> str:
    """Return the kind of an address: its path without ids, and the `by` parameter."""
    parts = urlsplit(address)
    steps = [step for step in parts.path.removeprefix(HOME).split("/") if step]
    by = [value for name, value in parse_qsl(parts.query) if name == "by"]
    named = ["one" if _IDENTIFIER.match(step) else step for step in steps]
    return "-".join([*(named or ["home"]), *by])


class PageQueue:
    """Addresses to open, one of each kind."""

    def __init__(self) -> None:
        self._waiting, self._known = deque([HOME]), {kind(HOME)}

    def __iter__(self) -> Iterator[str]:
        """Yield each address; more may be added meanwhile."""
        while self._waiting:
            yield self._waiting.popleft()

    def add(self, links: Iterable[str]) -> None:
        """Add links to dashboard pages of new kinds."""
        for address in links:
            if not address.startswith(HOME) or _EXCLUDED.search(urlsplit(address).path):
                continue
            name = kind(address)
            if name not in self._known:
                self._known.add(name)
                self._waiting.append(address)
