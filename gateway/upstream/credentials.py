"""Look up the secrets of the catalog's upstreams."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import SecretStr

from gateway.call.values import UpstreamTarget
from infra.secrets.named_secrets import NamedSecrets
from models.catalog import Upstream

_NO_COST: Mapping[str, Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ResolvedUpstream:
    """An upstream with the values of its secrets; `missing_secrets` are names without a value."""

    upstream: Upstream
    secret_headers: Mapping[str, SecretStr]
    missing_secrets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the upstream."""
        return self.upstream.name

    @property
    def priority(self) -> int:
        """Return the priority of the upstream."""
        return self.upstream.priority

    def target(self, model_id: str) -> UpstreamTarget:
        """Return how a model is called on the upstream. Raises KeyError for other models."""
        return UpstreamTarget(
            self.upstream.name,
            self.upstream.costs.get(model_id, _NO_COST),
            self.upstream.models[model_id],
            self.secret_headers,
        )


def resolve_secrets(
    upstreams: Iterable[Upstream], secrets: NamedSecrets
) -> tuple[ResolvedUpstream, ...]:
    """Return the upstreams with their secrets as request headers."""
    return tuple(_resolve(upstream, secrets) for upstream in upstreams)


def _resolve(upstream: Upstream, secrets: NamedSecrets) -> ResolvedUpstream:
    """Return an upstream with the headers for its API key and its other secrets."""
    values = {name: secrets.read(name) for name in upstream.secret_names}
    missing = tuple(sorted(name for name, value in values.items() if value is None))
    headers: dict[str, SecretStr] = {}
    key = values.get(upstream.api_key_secret or "")
    if key is not None:
        headers["authorization"] = SecretStr(f"Bearer {key.get_secret_value()}")
    for header, name in upstream.header_secrets.items():
        value = values[name]
        if value is not None:
            headers[header] = value
    return ResolvedUpstream(upstream, MappingProxyType(headers), missing)
