"""An upstream of a catalog file: an OpenAI-compatible server with credentials and cost prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from models.catalog.entries import Prices

# Upstreams of a higher number are used when those of a lower one are full or unreachable. Servers
# of MAAS_SERVING_URL have the first.
OWN_SERVERS_PRIORITY = 0
DEFAULT_PRIORITY = 1
# The name, on usage rows, of the servers in MAAS_SERVING_URL.
OWN_SERVERS = "own"
# The name of what answers a question by a passage of the handbook, without a server.
HANDBOOK = "handbook"
# The name of what answers a question by a line of the account's documents, without a server.
DOCUMENTS = "documents"
MAX_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Upstream:
    """An OpenAI-compatible server that serves models of the catalog for the gateway.

    `url` is the base URL as OpenAI's clients take it: the path `/chat/completions` follows it.
    `api_key_secret` names the secret sent as bearer token, None if the server needs none;
    `header_secrets` are names of secrets by header. `models` are the server's model names by our
    id. `costs` are what the operator pays, by our id, in nano-units by currency and meter.
    `concurrency` is how many calls a gateway process sends at once; None is no limit.
    """

    name: str
    url: str
    models: Mapping[str, str]
    api_key_secret: str | None = None
    header_secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    costs: Mapping[str, Prices] = field(default_factory=lambda: MappingProxyType({}))
    priority: int = DEFAULT_PRIORITY
    concurrency: int | None = None

    @property
    def secret_names(self) -> frozenset[str]:
        """Return the names of all secrets that the upstream needs."""
        names = {*self.header_secrets.values(), self.api_key_secret}
        return frozenset(name for name in names if name is not None)
