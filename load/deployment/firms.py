"""The firms under load as values, and their way into a file and out of it.

Owns the shape that a site is described by, for clients in other processes.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Everybody's, in a data directory that is thrown away.
PASSWORD = "a spindle under load turns warm"


@dataclass(frozen=True, slots=True)
class Firm:
    """An account, one key of it, and the addresses of its people."""

    name: str
    account: str
    key_id: str
    key: str
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A service: its gateways' addresses, firms, and what its webhooks are signed with."""

    urls: tuple[str, ...]
    firms: tuple[Firm, ...]
    webhook_secret: str = ""
    constant: bool = False
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.urls[0]

    def write(self, file: Path) -> None:
        """As JSON, for other processes."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_site(file: Path) -> Site:
    """What `write` wrote."""
    return site_from(json.loads(file.read_text(encoding="utf-8")))


def site_from(said: dict[str, Any]) -> Site:
    """A site from what JSON says of it."""
    firms = tuple(Firm(**{**one, "people": tuple(one["people"])}) for one in said["firms"])
    return Site(**{**said, "urls": tuple(said["urls"]), "firms": firms})
