"""Kinds of pages: addresses that differ only in whose id, day or number they name are one kind.

Owns that, and which links lead to a page of the dashboard: a page that is added is found if a link
leads to it. Pure.
"""

import re
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


def pages(addresses: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those that are pages of the dashboard, each with its kind."""
    for address in addresses:
        if address.startswith(HOME) and not _PASSED_BY.search(urlsplit(address).path):
            yield kind(address), address
