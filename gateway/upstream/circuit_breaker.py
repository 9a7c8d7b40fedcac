"""Circuit breaker of one server and model, and the calls in flight that report to it."""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import TracebackType

from gateway.call.errors import (
    UpstreamCredentialsRejected,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.upstream.credentials import ResolvedUpstream
from infra.clock import Clock
from infra.timing import Timing
from models.catalog.upstreams import OWN_SERVERS_PRIORITY

_MAX_FAILURES = 5
_MAX_CONNECT_FAILURES = 2
_FORBIDDEN = 403


class CircuitState(StrEnum):
    """State of a circuit breaker. OPEN admits no calls, HALF_OPEN admits one trial call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class _Outcome(Enum):
    """What the end of a call says about the server's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    CONNECT_FAILURE = "connect_failure"
    UNKNOWN = "unknown"


class InFlightCall:
    """A context manager around one call to a server: counts the call as outstanding and reports
    its outcome to the circuit breaker.

    UpstreamUnreachable, UpstreamFailed and UpstreamTimeout count as failures; other exceptions do
    not count. A normal end is a success unless `mark_failed` or `mark_inconclusive` was called.
    Entering raises UpstreamUnreachable if the circuit has opened, or another call has taken the
    trial, since `route`.
    """

    __slots__ = ("_circuit", "_clock", "_generation", "_outcome_override", "_server")

    def __init__(self, server: "Server", circuit: "Circuit", clock: Clock) -> None:
        self._server = server
        self._circuit = circuit
        self._clock = clock
        self._outcome_override: _Outcome | None = None

    def __enter__(self) -> "InFlightCall":
        now = self._clock.monotonic()
        if not self._circuit.allows_call(now):
            raise unreachable()
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
        if isinstance(error, UpstreamCredentialsRejected) and error.upstream_status == _FORBIDDEN:
            # Some providers refuse what a customer wrote with this status: it must not take the
            # upstream from the others.
            return _Outcome.UNKNOWN
        if isinstance(error, UpstreamUnreachable):
            return _Outcome.CONNECT_FAILURE
        if isinstance(error, UpstreamFailed | UpstreamTimeout):
            return _Outcome.FAILURE
        return self._outcome_override or (_Outcome.SUCCESS if error is None else _Outcome.UNKNOWN)


@dataclass(slots=True)
class Server:
    """One server: its outstanding calls, and a circuit for each model.

    One address may stand for several engines, of which one can be down while the others are not.
    `upstream` is the catalog's upstream with its secrets; None for servers of MAAS_SERVING_URL.
    """

    url: str
    timing: Timing
    upstream: ResolvedUpstream | None = None
    outstanding: int = 0
    last_routed: int = 0
    circuits: "defaultdict[str, Circuit]" = field(init=False)

    @property
    def id(self) -> str:
        """Return the upstream's name, or the URL of an own server."""
        return self.url if self.upstream is None else self.upstream.name

    @property
    def priority(self) -> int:
        """Return the priority: servers of a higher number are used when others cannot be."""
        return OWN_SERVERS_PRIORITY if self.upstream is None else self.upstream.priority

    @property
    def is_full(self) -> bool:
        """Return whether as many calls run as the catalog allows for the upstream."""
        limit = None if self.upstream is None else self.upstream.upstream.concurrency
        return limit is not None and self.outstanding >= limit

    def __post_init__(self) -> None:
        self.circuits = defaultdict(lambda: Circuit(self.timing))


@dataclass(slots=True)
class Circuit:
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


def unreachable(advice: str = "") -> UpstreamUnreachable:
    """Return the error for a call that no server can take, with advice on when to retry."""
    message = "The model cannot be reached at the moment. The call is not billed."
    return UpstreamUnreachable(f"{message} {advice}".rstrip())
