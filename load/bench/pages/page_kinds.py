"""Kinds of pages: addresses that differ only in whose id, day or number they name are one kind.

Owns that, and which links lead to a page of the dashboard: a page that is added is found if a link
leads to it.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

HOME = "/dashboard"
_OF_ONE = re.compile(r"^([a-z]+_[0-9a-z]{16,}|[0-9a-f-]{32,}|\d[\d-]*)$")
# Files, and what would leave or change the page that is walked.
_PASSED_BY = re.compile(r"(\.\w+|/csv|/pdf)$|^/dashboard/(sign-out|language)")


def kind(address: str) -> str:
    """What a page is called: its address without ids, and what usage is told apart by."""
    parts = urlsplit(address)
    steps = [step for step in parts.path.removeprefix(HOME).split("/") if step]
    by = [value for name, value in parse_qsl(parts.query) if name == "by"]
    named = ["one" if _OF_ONE.match(step) else step for step in steps]
    return "-".join([*(named or ["home"]), *by])


class Unseen:
    """Addresses that are still to be opened, one of each kind."""

    def __init__(self) -> None:
        self._waiting, self._known = deque([HOME]), {kind(HOME)}

    def __iter__(self) -> Iterator[str]:
        """Each in turn; what is linked from it may be added meanwhile."""
        while self._waiting:
            yield self._waiting.popleft()

    def add(self, links: Iterable[str]) -> None:
        """Those that are pages of the dashboard, of kinds that are new."""
        for address in links:
            if not address.startswith(HOME) or _PASSED_BY.search(urlsplit(address).path):
                continue
            name = kind(address)
            if name not in self._known:
                self._known.add(name)
                self._waiting.append(address)
