"""The firms and current API keys that the users of one locust process share.

With several locust processes each has its own copy: a rotated key stays valid for an hour.
"""

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from load.deployment.firms import Deployment, Firm, read_deployment

SITE_VARIABLE = "MAAS_LOAD_SITE"
KEY_VARIABLE = "MAAS_API_KEY"


@dataclass
class FirmRotation:
    """The firms of a deployment, assigned to users in turn, and the current API key of each."""

    deployment: Deployment
    keys: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = {firm.name: firm.key for firm in self.deployment.firms}
        self._turn = itertools.cycle(self.deployment.firms)

    def next(self) -> Firm:
        """Return the next firm, so that all firms get the same number of users."""
        return next(self._turn)

    def key_of(self, firm: Firm) -> str:
        """Return the firm's current API key."""
        return self.keys[firm.name]

    def replace_key(self, firm: Firm, secret: str) -> None:
        """Use the new API key for all further calls of the firm."""
        self.keys[firm.name] = secret

    @property
    def has_users(self) -> bool:
        """Return whether any firm has a dashboard user."""
        return any(firm.emails for firm in self.deployment.firms)

    @property
    def upstream(self) -> str:
        """Return the kind of model server, for the report."""
        if not any(self.deployment.urls):
            return "a service that runs"
        return "the constant upstream" if self.deployment.constant else "the real engine"


def firms_from_environment() -> FirmRotation:
    """Return the firms of the deployment file, or one firm with the API key of the environment."""
    file = os.environ.get(SITE_VARIABLE)
    if file:
        return FirmRotation(read_deployment(Path(file)))
    key = os.environ.get(KEY_VARIABLE, "")
    return FirmRotation(Deployment(("",), (Firm("given", "", "", key),)))
