"""Accepted vulnerabilities with reason, start and expiry."""

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta

_LONGEST = timedelta(days=184)


@dataclass(frozen=True)
class Accepted:
    """An accepted vulnerability; every acceptance expires."""

    id: str
    package: str
    reason: str
    since: date
    until: date


def read_accepted(text: str) -> tuple[Accepted, ...]:
    """Raises ValueError or TypeError if an entry misses a field or is longer than half a
    year."""
    entries = tuple(Accepted(**entry) for entry in tomllib.loads(text).get("accepted", []))
    for one in entries:
        if not one.reason.strip() or not one.since <= one.until <= one.since + _LONGEST:
            raise ValueError(f"{one.id}: a reason, and half a year at most")
    return entries
