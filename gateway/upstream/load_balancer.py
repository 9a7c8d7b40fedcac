"""Routing: which server an admitted call goes to.

Owns the servers of each model, the choice between them by load, what their calls' ends say of their
health, and which failure may be tried elsewhere. What is known of a server is known to this process
alone, and its size is bounded by servers times models of the catalog.
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
    ModelNotServed,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.call.values import Target, Ticket
from infra.clock import Clock
from infra.settings import SettingsInvalid
from infra.timing import USUAL, Timing

_URL = re.compile(r"https?://[^\s?#]+")
_FAILURES = 5
_CONNECT_FAILURES = 2


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One entry of MAAS_SERVING_URL. Without a model it serves every one that no entry names."""

    url: str
    model: str | None = None


class CircuitState(StrEnum):
    """Open: no calls. Half-open: one call, to see whether the server is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of a server. A model that was not called yet is not in `circuits`."""

    url: str
    outstanding: int
    circuits: Mapping[str, CircuitState]


class _Outcome(Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    CONNECT_FAILURE = "connect_failure"
    UNKNOWN = "unknown"


def parse_upstreams(text: str) -> tuple[ServerSpec, ...]:
    """Read `URL` and `model-id=URL`, separated by commas or white space.

    Raises SettingsInvalid with the number of the entry; its text is left out: it may be a secret.
    """
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    if not entries:
        raise SettingsInvalid("MAAS_SERVING_URL holds no URL.")
    specs = [_spec(number, entry) for number, entry in enumerate(entries, start=1)]
    for number, spec in enumerate(specs, start=1):
        if specs.index(spec) < number - 1:
            raise _wrong(number, "is there twice")
    return tuple(specs)


def may_retry(error: BaseException) -> bool:
    """Whether the same call may be sent to another server.

    Only where the first one surely never took it. After a timeout or a break in mid-answer the
    call may have been what brought the engine down: sent again, it would kill the next one too,
    and one customer's call would take every replica of a model away from all.
    """
    return isinstance(error, UpstreamUnreachable | UpstreamBusy)


class Router:
    """Chooses servers for one gateway process, and learns from how the calls to them end."""

    def __init__(
        self, servers: Collection[ServerSpec], clock: Clock, timing: Timing = USUAL
    ) -> None:
        self._clock = clock
        self._servers = {spec.url: _Server(spec.url, timing) for spec in servers}
        self._pools: dict[str | None, tuple[_Server, ...]] = {
            model: tuple(self._servers[spec.url] for spec in servers if spec.model == model)
            for model in {spec.model for spec in servers}
        }
        self._routed = 0

    def servers(self, model_id: str) -> tuple[str, ...]:
        """The base URLs that a model's calls may go to, well or not."""
        return tuple(server.url for server in self._pool(model_id))

    def route(self, ticket: Ticket, request_id: UUID, tried: Collection[str] = ()) -> Target:
        """The least loaded healthy server that is not among `tried` (values of Target.server).

        Raises UpstreamUnreachable at once where there is none, ModelNotServed where no server is
        configured for the model.
        """
        ask = ticket.ask
        pool = self._pool(ask.model.id)
        if not pool:
            raise ModelNotServed(f"The model {ask.model.id!r} is not being served just now.")
        able = self._able(ask.model.id, tried)
        if not able:
            raise self._unreachable(ask.model.id, pool)
        # Among equals the one that was chosen longest ago: fair also while others are left out.
        server = min(able, key=lambda server: (server.outstanding, server.chosen))
        self._routed += 1
        server.chosen = self._routed
        return Target(server.url + ask.path, ask, request_id, server.url, ticket.allowance)

    def can_route(self, ticket: Ticket, tried: Collection[str] = ()) -> bool:
        """Whether `route` would find a server now."""
        return bool(self._able(ticket.ask.model.id, tried))

    def watched(self, target: Target) -> "Watch":
        """A block that holds the call to a target of `route`; see Watch."""
        server = self._servers[target.server]
        return Watch(server, server.circuits[target.ask.model.id], self._clock)

    def state(self) -> tuple[ServerState, ...]:
        """A snapshot, for metrics and readiness."""
        now = self._clock.monotonic()
        return tuple(
            ServerState(
                server.url,
                server.outstanding,
                {model: circuit.state(now) for model, circuit in server.circuits.items()},
            )
            for server in self._servers.values()
        )

    def _pool(self, model_id: str) -> "tuple[_Server, ...]":
        return self._pools.get(model_id) or self._pools.get(None, ())

    def _able(self, model_id: str, tried: Collection[str]) -> "list[_Server]":
        now = self._clock.monotonic()
        return [
            server
            for server in self._pool(model_id)
            if server.url not in tried and server.circuits[model_id].admits(now)
        ]

    def _unreachable(self, model_id: str, pool: "tuple[_Server, ...]") -> UpstreamUnreachable:
        now = self._clock.monotonic()
        wait = min(server.circuits[model_id].opens_for(now) for server in pool)
        return _unreachable(f"Try again in {math.ceil(wait)} s." if wait > 0 else "")


class Watch:
    """The block in which a call runs: the server has it as outstanding, and its end is a fact
    about the server's health.

    UpstreamUnreachable, UpstreamFailed and UpstreamTimeout are failures, other exceptions say
    nothing, a normal end is a success unless the block said otherwise. Entering raises
    UpstreamUnreachable if the server has gone bad, or taken its trial call, since `route`.
    """

    __slots__ = ("_circuit", "_clock", "_era", "_server", "_told")

    def __init__(self, server: "_Server", circuit: "_Circuit", clock: Clock) -> None:
        self._server = server
        self._circuit = circuit
        self._clock = clock
        self._told: _Outcome | None = None

    def __enter__(self) -> "Watch":
        now = self._clock.monotonic()
        if not self._circuit.admits(now):
            raise _unreachable()
        self._era = self._circuit.begin(now)
        self._server.outstanding += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.outstanding -= 1
        self._circuit.end(self._era, self._outcome(error), self._clock.monotonic())

    def failed(self) -> None:
        """The server broke off, and the block ends normally all the same."""
        self._told = _Outcome.FAILURE

    def inconclusive(self) -> None:
        """The block ends normally, but not because the server did well: the client left."""
        self._told = _Outcome.UNKNOWN

    def answered(self) -> None:
        """The server has begun a good answer. If this is the trial, others need not wait for the
        end of a long stream. It is no success yet: a server may break off every answer."""
        self._era = self._circuit.answered(self._era)

    def _outcome(self, error: BaseException | None) -> _Outcome:
        if isinstance(error, UpstreamUnreachable):
            return _Outcome.CONNECT_FAILURE
        if isinstance(error, UpstreamFailed | UpstreamTimeout):
            return _Outcome.FAILURE
        return self._told or (_Outcome.SUCCESS if error is None else _Outcome.UNKNOWN)


@dataclass(slots=True)
class _Server:
    """One server: its load, and a circuit for each model, since one address may stand for
    several engines, of which one can be dead while the others are well."""

    url: str
    timing: Timing
    outstanding: int = 0
    chosen: int = 0
    circuits: "defaultdict[str, _Circuit]" = field(init=False)

    def __post_init__(self) -> None:
        self.circuits = defaultdict(lambda: _Circuit(self.timing))


@dataclass(slots=True)
class _Circuit:
    """A circuit breaker. Each opening and closing begins an era, and the end of a call counts
    only in the era in which it began: the many calls that one crash breaks are one opening, and
    a long answer from before it does not prove that the server is back. While the circuit is not
    closed, the only calls of its era are trials.
    """

    timing: Timing
    era: int = 0
    failures: int = 0
    connect_failures: int = 0
    openings: int = 0
    open_until: float | None = None
    trial_until: float = -math.inf

    def state(self, now: float) -> CircuitState:
        if self.open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.open_until else CircuitState.HALF_OPEN

    def opens_for(self, now: float) -> float:
        return 0.0 if self.open_until is None else self.open_until - now

    def admits(self, now: float) -> bool:
        state = self.state(now)
        return state is CircuitState.CLOSED or (
            state is CircuitState.HALF_OPEN and now >= self.trial_until
        )

    def begin(self, now: float) -> int:
        """A call starts. Gives its era."""
        if self.open_until is not None:
            # For a limited time: a long plain answer tells nothing before its end, and must not
            # shut everybody out of a server that is back.
            self.trial_until = now + self.timing.circuit_trial_s
        return self.era

    def answered(self, era: int) -> int:
        """A call's answer has begun. Gives the era in which its end counts."""
        if era == self.era and self.open_until is not None:
            self._close()
            return self.era
        return era

    def end(self, era: int, outcome: _Outcome, now: float) -> None:
        if era != self.era:
            return
        if outcome is _Outcome.UNKNOWN:
            self.trial_until = -math.inf
        elif outcome is _Outcome.SUCCESS:
            self._succeed()
        else:
            self._fail(outcome, now)

    def _succeed(self) -> None:
        self.failures = self.connect_failures = 0
        if self.open_until is not None:
            self._close()
        self.openings = 0

    def _fail(self, outcome: _Outcome, now: float) -> None:
        connecting = outcome is _Outcome.CONNECT_FAILURE
        self.failures += 1
        self.connect_failures = self.connect_failures + 1 if connecting else 0
        if (
            self.open_until is not None
            or self.failures >= _FAILURES
            or self.connect_failures >= _CONNECT_FAILURES
        ):
            self._open(now)

    def _open(self, now: float) -> None:
        self.era += 1
        # The exponent is bounded, or after a day of failures the power would be no float.
        self.open_until = now + min(
            self.timing.circuit_open_s * 2 ** min(self.openings, 10),
            self.timing.circuit_open_limit_s,
        )
        self.openings += 1
        self.trial_until = -math.inf

    def _close(self) -> None:
        self.era += 1
        self.failures = self.connect_failures = 0
        self.open_until = None


def _spec(number: int, entry: str) -> ServerSpec:
    bare = entry.startswith(("http://", "https://"))
    model, _, url = (None, "", entry) if bare else entry.partition("=")
    if model == "":
        raise _wrong(number, "has `=` without a model before it")
    if not _URL.fullmatch(url):
        raise _wrong(number, "is neither an http(s) URL nor `model-id=URL`")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no port
        usable = False
    if not usable:
        raise _wrong(number, "has no usable host and port")
    if parts.username is not None or parts.password is not None:
        # Base URLs are shown in metrics and logs.
        raise _wrong(number, "holds credentials")
    return ServerSpec(url.rstrip("/"), model)


def _wrong(number: int, fault: str) -> SettingsInvalid:
    return SettingsInvalid(f"MAAS_SERVING_URL: entry {number} {fault}.")


def _unreachable(advice: str = "") -> UpstreamUnreachable:
    message = "The model cannot be reached just now. The call is not billed."
    return UpstreamUnreachable(f"{message} {advice}".rstrip())
