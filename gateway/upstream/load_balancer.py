"""Load balancing over the model servers, with a circuit breaker per server and model.

State is per process and is not shared; its size is bounded by servers times catalog models. The
servers of MAAS_SERVING_URL come first; upstreams of the catalog follow by priority, and take over
while those before them are unreachable or busy.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from gateway.call.errors import (
    ModelServerNotFound,
    UpstreamBusy,
    UpstreamUnreachable,
)
from gateway.call.values import AdmittedCall, ParsedRequest, UpstreamRequest, UpstreamTarget
from gateway.upstream.circuit_breaker import CircuitState, InFlightCall, Server, unreachable
from gateway.upstream.credentials import ResolvedUpstream
from gateway.upstream.server_specs import ServerSpec
from infra.clock import Clock
from infra.timing import DEFAULT_TIMING, Timing


@dataclass(frozen=True, slots=True)
class ServerState:
    """Load and circuit states of one server. Models that were not called yet have no circuit.

    `id` is the name of an upstream, or the URL of an own server.
    """

    id: str
    url: str
    outstanding: int
    circuits: Mapping[str, CircuitState]


def is_retryable(error: BaseException) -> bool:
    """Whether a failed call may be sent to another server: only if no server can have processed it.

    After a timeout or a broken response the call itself may have crashed the engine. Sent again, it
    would crash the next server too, and one customer's call could take down every replica. A server
    may also lack the model: own ones that only upstreams serve, upstreams one that was renamed.
    """
    return isinstance(error, UpstreamUnreachable | UpstreamBusy | ModelServerNotFound)


class Router:
    """The load balancer of one gateway process: picks a server for each call by load and health."""

    def __init__(
        self, servers: Collection[ServerSpec], clock: Clock, timing: Timing = DEFAULT_TIMING
    ) -> None:
        self._clock = clock
        self._timing = timing
        self._own_servers = {spec.url: Server(spec.url, timing) for spec in servers}
        self._servers_by_model: dict[str | None, tuple[Server, ...]] = {
            model: tuple(self._own_servers[spec.url] for spec in servers if spec.model == model)
            for model in {spec.model for spec in servers}
        }
        self._upstream_servers: dict[str, Server] = {}
        self._upstreams_by_model: dict[str, tuple[Server, ...]] = {}
        self._listed_models: dict[str, frozenset[str] | None] = {}
        self._route_count = 0

    def set_upstreams(self, upstreams: Iterable[ResolvedUpstream]) -> None:
        """Replace the upstreams of the catalog; those without a secret are left out.

        An upstream of the same name and URL keeps its load and circuits.
        """
        servers: dict[str, Server] = {}
        for upstream in upstreams:
            if upstream.missing_secrets:
                continue
            url = upstream.upstream.url
            server = self._upstream_servers.get(upstream.name)
            if server is None or server.url != url or server.upstream != upstream:
                server = Server(url, self._timing, upstream)
            servers[upstream.name] = server
        self._upstream_servers, self._upstreams_by_model = servers, {}
        for server in servers.values():
            for model_id in () if server.upstream is None else server.upstream.upstream.models:
                others = self._upstreams_by_model.get(model_id, ())
                self._upstreams_by_model[model_id] = (*others, server)

    def set_listed_models(self, url: str, model_ids: frozenset[str] | None) -> None:
        """Store which models an own server lists, None if it lists none.

        Without this, a model that only upstreams serve would be asked of own servers first.
        """
        self._listed_models[url] = model_ids

    def server_urls(self, model_id: str) -> tuple[str, ...]:
        """Return the base URLs of a model's own servers, healthy or not."""
        return tuple(server.url for server in self._own_servers_of(model_id))

    def upstream_names(self, model_id: str) -> tuple[str, ...]:
        """Return the names of the catalog's upstreams that serve a model, healthy or not."""
        return tuple(server.id for server in self._upstreams_of(model_id))

    def server_ids(self, model_id: str) -> tuple[str, ...]:
        """Return the ids of all servers of a model: URLs of own servers, names of upstreams."""
        return tuple(server.id for server in self._all_servers_of(model_id))

    def route(
        self,
        admitted: AdmittedCall,
        request_id: UUID,
        tried: Collection[str] = (),
        only_upstreams: bool = False,
    ) -> UpstreamRequest:
        """Choose the least loaded healthy server for a call, leaving out the `tried` server ids.

        With `only_upstreams`, own servers are left out. Raises UpstreamUnreachable at once if no
        server is available, UpstreamBusy if one is full, ModelServerNotFound if no server is
        configured for the model.
        """
        request = admitted.request
        servers = self._candidates(request, only_upstreams)
        if not servers:
            raise ModelServerNotFound(
                f"The model {request.model.id!r} is not available at the moment."
            )
        available = self._available(servers, request.model.id, tried)
        if not available:
            if any(server.is_full and server.id not in tried for server in servers):
                raise UpstreamBusy("The model is at full capacity. Try again shortly.")
            raise self._unreachable(request.model.id, servers)
        # Ties go to the server that was chosen longest ago, which stays fair when `tried` leaves
        # servers out.
        server = min(available, key=lambda one: (one.priority, one.outstanding, one.last_routed))
        self._route_count += 1
        server.last_routed = self._route_count
        return UpstreamRequest(
            server.url + request.path,
            request,
            request_id,
            server.url,
            admitted.output_reservation,
            upstream=_target(server, request),
        )

    def can_route(
        self, admitted: AdmittedCall, tried: Collection[str] = (), only_upstreams: bool = False
    ) -> bool:
        """Whether `route` would find a server now."""
        request = admitted.request
        candidates = self._candidates(request, only_upstreams)
        return bool(self._available(candidates, request.model.id, tried))

    def track(self, upstream_request: UpstreamRequest) -> InFlightCall:
        """Return a context manager that counts a call as outstanding and reports its outcome."""
        server_id = upstream_request.server_id
        server = self._own_servers.get(server_id) or self._upstream_servers.get(server_id)
        if server is None:  # the upstream was removed a moment ago
            raise unreachable()
        circuit = server.circuits[upstream_request.request.model.id]
        return InFlightCall(server, circuit, self._clock)

    def snapshot(self) -> tuple[ServerState, ...]:
        """Return the state of all servers, for metrics and readiness."""
        now = self._clock.monotonic()
        return tuple(
            ServerState(
                server.id,
                server.url,
                server.outstanding,
                {model: circuit.state(now) for model, circuit in server.circuits.items()},
            )
            for server in (*self._own_servers.values(), *self._upstream_servers.values())
        )

    def _own_servers_of(self, model_id: str) -> tuple[Server, ...]:
        """Return a model's own servers, else the servers for all models."""
        return self._servers_by_model.get(model_id) or self._servers_by_model.get(None, ())

    def _upstreams_of(self, model_id: str) -> tuple[Server, ...]:
        """Return the servers of the catalog's upstreams that serve a model."""
        return self._upstreams_by_model.get(model_id, ())

    def _all_servers_of(self, model_id: str) -> tuple[Server, ...]:
        """Return own servers and upstreams; own ones that do not list the model are left out.

        Without upstreams, they are called all the same: a list may be out of date.
        """
        own, upstreams = self._own_servers_of(model_id), self._upstreams_of(model_id)
        if not upstreams:
            return own
        return (*(server for server in own if self._lists(server, model_id)), *upstreams)

    def _lists(self, server: Server, model_id: str) -> bool:
        """Return whether an own server lists a model, or has not listed any."""
        listed = self._listed_models.get(server.url)
        return listed is None or model_id in listed

    def _candidates(self, request: ParsedRequest, only_upstreams: bool) -> tuple[Server, ...]:
        """Return the servers that may get a call. Only own servers can load variants."""
        if only_upstreams:
            return () if request.variant_id is not None else self._upstreams_of(request.model.id)
        if request.variant_id is not None:
            return self._own_servers_of(request.model.id)
        return self._all_servers_of(request.model.id)

    def _available(
        self, servers: Iterable[Server], model_id: str, tried: Collection[str]
    ) -> list[Server]:
        """Return the servers that may get a call now, without the `tried` ones."""
        now = self._clock.monotonic()
        return [
            server
            for server in servers
            if server.id not in tried
            and not server.is_full
            and server.circuits[model_id].allows_call(now)
        ]

    def _unreachable(self, model_id: str, servers: tuple[Server, ...]) -> UpstreamUnreachable:
        """Return the error with the seconds until the first circuit admits a trial."""
        now = self._clock.monotonic()
        wait = min(server.circuits[model_id].seconds_until_trial(now) for server in servers)
        return unreachable(f"Try again in {math.ceil(wait)} s." if wait > 0 else "")


def _target(server: Server, request: ParsedRequest) -> UpstreamTarget:
    """Return how a server is addressed and what the model costs there."""
    if server.upstream is None:
        return UpstreamTarget(cost=request.model.cost)
    return server.upstream.target(request.model.id)
