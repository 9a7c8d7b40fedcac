"""Load balancing over the model servers, with a circuit breaker per server and model.

State is per process and is not shared; its size is bounded by servers times catalog models.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import TracebackType
from urllib.parse import urlsplit
from uuid import UUID

from gateway.call.errors import (
    ModelServerNotFound,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.call.values import AdmittedCall, UpstreamRequest
from infra.clock import Clock
from infra.settings import SettingsInvalid
from infra.timing import DEFAULT_TIMING, Timing

_URL = re.compile(r"https?://[^\s?#]+")
_MAX_FAILURES = 5
_MAX_CONNECT_FAILURES = 2


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One entry of MAAS_SERVING_URL. An entry without a model serves all models that no other entry
    names."""

    url: str
    model: str | None = None


class CircuitState(StrEnum):
    """State of a circuit breaker. OPEN admits no calls, HALF_OPEN admits one trial call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class ServerState:
    """Load and circuit states of one server. Models that were not called yet have no circuit."""

    url: str
    outstanding: int
    circuits: Mapping[str, CircuitState]


class _Outcome(Enum):
    """What the end of a call says about the server's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    CONNECT_FAILURE = "connect_failure"
    UNKNOWN = "unknown"


def parse_upstreams(text: str) -> tuple[ServerSpec, ...]:
    """Parse MAAS_SERVING_URL: entries `URL` or `model-id=URL`, separated by commas or white space.

    Raises SettingsInvalid with the number of the invalid entry, without its text, which may hold a
    secret.
    """
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    if not entries:
        raise SettingsInvalid("MAAS_SERVING_URL contains no URL.")
    specs = [_parse_entry(number, entry) for number, entry in enumerate(entries, start=1)]
    for number, spec in enumerate(specs, start=1):
        if specs.index(spec) < number - 1:
            raise _invalid_entry(number, "is there twice")
    return tuple(specs)


def is_retryable(error: BaseException) -> bool:
    """Whether a failed call may be sent to another server: only if no server can have processed it.

    After a timeout or a broken response the call itself may have crashed the engine. Sent again, it
    would crash the next server too, and one customer's call could take down every replica.
    """
    return isinstance(error, UpstreamUnreachable | UpstreamBusy)


class Router:
    """The load balancer of one gateway process: picks a server for each call by load and health."""

    def __init__(
        self, servers: Collection[ServerSpec], clock: Clock, timing: Timing = DEFAULT_TIMING
    ) -> None:
        self._clock = clock
        self._servers = {spec.url: _Server(spec.url, timing) for spec in servers}
        self._servers_by_model: dict[str | None, tuple[_Server, ...]] = {
            model: tuple(self._servers[spec.url] for spec in servers if spec.model == model)
            for model in {spec.model for spec in servers}
        }
        self._route_count = 0

    def server_urls(self, model_id: str) -> tuple[str, ...]:
        """Return the base URLs of a model's servers, healthy or not."""
        return tuple(server.url for server in self._servers_of(model_id))

    def route(
        self, admitted: AdmittedCall, request_id: UUID, tried: Collection[str] = ()
    ) -> UpstreamRequest:
        """Choose the least loaded healthy server for a call, leaving out the `tried` server URLs.

        Raises UpstreamUnreachable at once if no server is available, ModelServerNotFound if no
        server is configured for the model.
        """
        request = admitted.request
        servers = self._servers_of(request.model.id)
        if not servers:
            raise ModelServerNotFound(
                f"The model {request.model.id!r} is not available at the moment."
            )
        available = self._available_servers(request.model.id, tried)
        if not available:
            raise self._unreachable(request.model.id, servers)
        # Ties go to the server that was chosen longest ago, which stays fair when `tried` leaves
        # servers out.
        server = min(available, key=lambda server: (server.outstanding, server.last_routed))
        self._route_count += 1
        server.last_routed = self._route_count
        return UpstreamRequest(
            server.url + request.path,
            request,
            request_id,
            server.url,
            admitted.output_reservation,
        )

    def can_route(self, admitted: AdmittedCall, tried: Collection[str] = ()) -> bool:
        """Whether `route` would find a server now."""
        return bool(self._available_servers(admitted.request.model.id, tried))

    def track(self, upstream_request: UpstreamRequest) -> "InFlightCall":
        """Return a context manager that counts a call as outstanding and reports its outcome."""
        server = self._servers[upstream_request.server]
        circuit = server.circuits[upstream_request.request.model.id]
        return InFlightCall(server, circuit, self._clock)

    def snapshot(self) -> tuple[ServerState, ...]:
        """Return the state of all servers, for metrics and readiness."""
        now = self._clock.monotonic()
        return tuple(
            ServerState(
                server.url,
                server.outstanding,
                {model: circuit.state(now) for model, circuit in server.circuits.items()},
            )
            for server in self._servers.values()
        )

    def _servers_of(self, model_id: str) -> "tuple[_Server, ...]":
        """Return a model's own servers, else the servers for all models."""
        return self._servers_by_model.get(model_id) or self._servers_by_model.get(None, ())

    def _available_servers(self, model_id: str, tried: Collection[str]) -> "list[_Server]":
        """Return a model's servers that may get a call now, without the `tried` URLs."""
        now = self._clock.monotonic()
        return [
            server
            for server in self._servers_of(model_id)
            if server.url not in tried and server.circuits[model_id].allows_call(now)
        ]

    def _unreachable(self, model_id: str, servers: "tuple[_Server, ...]") -> UpstreamUnreachable:
        """Return the error with the seconds until the first circuit admits a trial."""
        now = self._clock.monotonic()
        wait = min(server.circuits[model_id].seconds_until_trial(now) for server in servers)
        return _unreachable(f"Try again in {math.ceil(wait)} s." if wait > 0 else "")


class InFlightCall:
    """A context manager around one call to a server: counts the call as outstanding and reports
    its outcome to the circuit breaker.

    UpstreamUnreachable, UpstreamFailed and UpstreamTimeout count as failures; other exceptions do
    not count. A normal end is a success unless `mark_failed` or `mark_inconclusive` was called.
    Entering raises UpstreamUnreachable if the circuit has opened, or another call has taken the
    trial, since `route`.
    """

    __slots__ = ("_circuit", "_clock", "_generation", "_outcome_override", "_server")

    def __init__(self, server: "_Server", circuit: "_Circuit", clock: Clock) -> None:
        self._server = server
        self._circuit = circuit
        self._clock = clock
        self._outcome_override: _Outcome | None = None

    def __enter__(self) -> "InFlightCall":
        now = self._clock.monotonic()
        if not self._circuit.allows_call(now):
            raise _unreachable()
        self._generation = self._circuit.call_started(now)
        self._server.outstanding += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.outstanding -= 1
        self._circuit.call_ended(self._generation, self._outcome(error), self._clock.monotonic())

    def mark_failed(self) -> None:
        """Count the call as a failure although the block ends normally: the server broke off."""
        self._outcome_override = _Outcome.FAILURE

    def mark_inconclusive(self) -> None:
        """Do not count the call although the block ends normally: the client disconnected."""
        self._outcome_override = _Outcome.UNKNOWN

    def mark_responding(self) -> None:
        """Report that the server has started a good response.

        If this call is the trial of a half-open circuit, the circuit closes now rather than at the
        end of a long stream. It is no success yet: a server may break off every response.
        """
        self._generation = self._circuit.response_started(self._generation)

    def _outcome(self, error: BaseException | None) -> _Outcome:
        """Return the call's outcome for the circuit, from its exception (None at a normal end)."""
        if isinstance(error, UpstreamUnreachable):
            return _Outcome.CONNECT_FAILURE
        if isinstance(error, UpstreamFailed | UpstreamTimeout):
            return _Outcome.FAILURE
        return self._outcome_override or (_Outcome.SUCCESS if error is None else _Outcome.UNKNOWN)


@dataclass(slots=True)
class _Server:
    """One server: its outstanding calls, and a circuit for each model.

    One address may stand for several engines, of which one can be down while the others are not.
    """

    url: str
    timing: Timing
    outstanding: int = 0
    last_routed: int = 0
    circuits: "defaultdict[str, _Circuit]" = field(init=False)

    def __post_init__(self) -> None:
        self.circuits = defaultdict(lambda: _Circuit(self.timing))


@dataclass(slots=True)
class _Circuit:
    """The circuit breaker of one server and model.

    Each opening and closing starts a new generation, and a call's end counts only in the generation
    in which the call started. So the many calls that one crash breaks open the circuit once, and a
    long response from before the crash does not close it. While the circuit is not closed, the only
    calls of its generation are trials. Times are monotonic seconds.
    """

    timing: Timing
    generation: int = 0
    failures: int = 0
    connect_failures: int = 0
    consecutive_openings: int = 0
    open_until: float | None = None
    trial_until: float = -math.inf

    def state(self, now: float) -> CircuitState:
        """Return whether the circuit is closed, open or half-open at a monotonic time."""
        if self.open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.open_until else CircuitState.HALF_OPEN

    def seconds_until_trial(self, now: float) -> float:
        """Return the seconds until an open circuit admits a trial call, 0 if it is closed."""
        return 0.0 if self.open_until is None else self.open_until - now

    def allows_call(self, now: float) -> bool:
        """Whether a call may start now: the circuit is closed, or half-open without a trial."""
        state = self.state(now)
        return state is CircuitState.CLOSED or (
            state is CircuitState.HALF_OPEN and now >= self.trial_until
        )

    def call_started(self, now: float) -> int:
        """Record a call's start; in a half-open circuit it is the trial. Returns the generation."""
        if self.open_until is not None:
            # The trial blocks other calls for a limited time only: a long non-streamed response
            # proves nothing before its end, and must not keep calls from a server that is back.
            self.trial_until = now + self.timing.circuit_trial_s
        return self.generation

    def response_started(self, generation: int) -> int:
        """Close the circuit if the call is a trial.

        Returns the generation in which the end of the call counts.
        """
        if generation == self.generation and self.open_until is not None:
            self._close()
            return self.generation
        return generation

    def call_ended(self, generation: int, outcome: _Outcome, now: float) -> None:
        """Record the outcome of a call, unless the circuit has opened or closed since its start."""
        if generation != self.generation:
            return
        if outcome is _Outcome.UNKNOWN:
            self.trial_until = -math.inf
        elif outcome is _Outcome.SUCCESS:
            self._succeed()
        else:
            self._fail(outcome, now)

    def _succeed(self) -> None:
        """Reset the failure counts and close the circuit."""
        self.failures = self.connect_failures = 0
        if self.open_until is not None:
            self._close()
        self.consecutive_openings = 0

    def _fail(self, outcome: _Outcome, now: float) -> None:
        """Count a failure; open the circuit at the maximum, or if a trial failed."""
        is_connect_failure = outcome is _Outcome.CONNECT_FAILURE
        self.failures += 1
        self.connect_failures = self.connect_failures + 1 if is_connect_failure else 0
        if (
            self.open_until is not None
            or self.failures >= _MAX_FAILURES
            or self.connect_failures >= _MAX_CONNECT_FAILURES
        ):
            self._open(now)

    def _open(self, now: float) -> None:
        """Open the circuit, for a time that doubles with each consecutive opening."""
        self.generation += 1
        # The exponent is bounded: after a day of failures the power would overflow a float.
        self.open_until = now + min(
            self.timing.circuit_open_s * 2 ** min(self.consecutive_openings, 10),
            self.timing.circuit_open_limit_s,
        )
        self.consecutive_openings += 1
        self.trial_until = -math.inf

    def _close(self) -> None:
        """Close the circuit and begin a new generation."""
        self.generation += 1
        self.failures = self.connect_failures = 0
        self.open_until = None


def _parse_entry(number: int, entry: str) -> ServerSpec:
    """Parse one `URL` or `model-id=URL`; `number` is its position. Raises SettingsInvalid."""
    bare = entry.startswith(("http://", "https://"))
    model, _, url = (None, "", entry) if bare else entry.partition("=")
    if model == "":
        raise _invalid_entry(number, "has `=` without a model before it")
    if not _URL.fullmatch(url):
        raise _invalid_entry(number, "is neither an http(s) URL nor `model-id=URL`")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no port
        usable = False
    if not usable:
        raise _invalid_entry(number, "has no usable host and port")
    if parts.username is not None or parts.password is not None:
        # Base URLs are shown in metrics and logs.
        raise _invalid_entry(number, "holds credentials")
    return ServerSpec(url.rstrip("/"), model)


def _invalid_entry(number: int, reason: str) -> SettingsInvalid:
    """Return the error for an entry of MAAS_SERVING_URL; `number` is its position from 1."""
    return SettingsInvalid(f"MAAS_SERVING_URL: entry {number} {reason}.")


def _unreachable(advice: str = "") -> UpstreamUnreachable:
    """Return the error for a call that no server can take, with advice on when to retry."""
    message = "The model cannot be reached at the moment. The call is not billed."
    return UpstreamUnreachable(f"{message} {advice}".rstrip())
