"""Carry a changed catalog to the parts of a gateway process that hold state derived from it.

All other parts read the catalog at each use.
"""

from dataclasses import dataclass

from gateway.access.authenticator import Authenticator
from gateway.inference.model_selection import ModelSelector
from gateway.upstream.availability import parse_model_servers
from gateway.upstream.concurrency import Schedulers, slots_per_model
from gateway.upstream.credentials import resolve_secrets
from gateway.upstream.load_balancer import Router
from gateway.upstream.upstream_monitor import UpstreamMonitor
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import Settings
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class UpstreamUpdates:
    """Gives the catalog's upstreams, with their secrets, to the parts that call them."""

    catalog: Catalog
    secrets: NamedSecrets
    router: Router
    monitor: UpstreamMonitor

    def apply(self) -> None:
        """Look up the secrets and replace the upstreams."""
        upstreams = resolve_secrets(self.catalog.upstreams, self.secrets)
        self.router.set_upstreams(upstreams)
        self.monitor.set_upstreams(upstreams)


@dataclass(frozen=True, slots=True)
class CatalogUpdates:
    """Applies a changed catalog to a gateway process, and says whether one can be applied."""

    catalog: Catalog
    settings: Settings
    upstreams: UpstreamUpdates
    schedulers: Schedulers
    authenticator: Authenticator
    selector: ModelSelector

    def validate(self, catalog: Catalog) -> None:
        """Raise CatalogInvalid or SettingsInvalid if this process cannot use a catalog."""
        self.selector.check(catalog)
        parse_model_servers(self.settings.serving_url or "", catalog)

    def apply(self) -> None:
        """Apply the catalog's upstreams, concurrency and prices."""
        self.upstreams.apply()
        self.schedulers.resize(slots_per_model(self.catalog, self.settings))
        self.authenticator.forget_keys()
