"""Value classes for a deployment and its firms, and their JSON file for other processes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The password of all users, in a temporary data directory.
PASSWORD = "a spindle under load turns warm"


@dataclass(frozen=True, slots=True)
class Firm:
    """An account, one of its API keys, and the e-mail addresses of its dashboard users."""

    name: str
    account: str
    key_id: str
    key: str
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running service: gateway URLs, firms, webhook secret and process ids.

    `constant` is true if the constant upstream serves the models.
    """

    urls: tuple[str, ...]
    firms: tuple[Firm, ...]
    webhook_secret: str = ""
    constant: bool = False
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the URL of the first gateway."""
        return self.urls[0]

    def write(self, file: Path) -> None:
        """Write the deployment to a JSON file."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_deployment(file: Path) -> Deployment:
    """Read the file that `Deployment.write` wrote."""
    return parse_deployment(json.loads(file.read_text(encoding="utf-8")))


def parse_deployment(data: dict[str, Any]) -> Deployment:
    """Parse a deployment from its JSON object."""
    firms = tuple(Firm(**{**one, "emails": tuple(one["emails"])}) for one in data["firms"])
    return Deployment(**{**data, "urls": tuple(data["urls"]), "firms": firms})
