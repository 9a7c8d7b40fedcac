"""What the users of one locust process know together: the firms, and the keys that are in force.

Owns handing keys out, and taking a rotated one in the place of another. Where the load runs on
several machines each has its own: a key works on for an hour after its rotation.
"""

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path

from load.deployment.firms import Firm, Site, read_site

SITE_VARIABLE = "MAAS_LOAD_SITE"
KEY_VARIABLE = "MAAS_API_KEY"


@dataclass
class Firms:
    """The firms of a site, and each one's key of the moment."""

    site: Site
    keys: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = {firm.name: firm.key for firm in self.site.firms}
        self._turn = itertools.cycle(self.site.firms)

    def next(self) -> Firm:
        """Each in turn, so that every one has as many users."""
        return next(self._turn)

    def key_of(self, firm: Firm) -> str:
        return self.keys[firm.name]

    def rotated(self, firm: Firm, secret: str) -> None:
        """From now on its programs call with this key."""
        self.keys[firm.name] = secret

    @property
    def dashboards(self) -> bool:
        """Whether somebody has a password here."""
        return any(firm.people for firm in self.site.firms)

    @property
    def upstream(self) -> str:
        """What answers, for the report: of a service that runs already nothing is known."""
        if not any(self.site.urls):
            return "a service that runs"
        return "the constant upstream" if self.site.constant else "the real engine"


def given() -> Firms:
    """The site that the environment names, or the one firm whose key it holds."""
    file = os.environ.get(SITE_VARIABLE)
    if file:
        return Firms(read_site(Path(file)))
    key = os.environ.get(KEY_VARIABLE, "")
    return Firms(Site(("",), (Firm("given", "", "", key),)))
