"""What operators see of the catalog's upstreams: missing secrets, rejected credentials, failures.

Each upstream is asked for its models every `upstream_check_s` seconds, which tests the credentials
before a customer's call does. The keys appear nowhere but in the requests.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog

from gateway.call.values import UpstreamTarget
from gateway.upstream.client import UpstreamClient
from gateway.upstream.credentials import ResolvedUpstream
from gateway.upstream.external_requests import external_headers
from infra.clock import Clock
from infra.errors import AppError
from infra.telemetry.metrics import Metrics
from infra.timing import DEFAULT_TIMING, Timing

_TIMEOUT_S = 10.0
_UNAUTHORIZED = 401
_CALL = "a call"


class UpstreamState(StrEnum):
    """State of an upstream of the catalog."""

    UNKNOWN = "unknown"  # not checked yet
    WORKING = "working"
    SECRET_MISSING = "secret_missing"  # noqa: S105
    CREDENTIALS_REJECTED = "credentials_rejected"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """The state of an upstream, since when, and what caused it, such as `status 401`."""

    upstream: ResolvedUpstream
    state: UpstreamState
    since: datetime
    detail: str = ""


class UpstreamMonitor:
    """Checks the upstreams of one process; `start` begins the checks, `stop` ends them.

    `metrics` is None outside of gateways.
    """

    def __init__(
        self,
        client: UpstreamClient,
        clock: Clock,
        metrics: Metrics | None = None,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._timing = timing
        self._statuses: dict[str, UpstreamStatus] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    @property
    def statuses(self) -> tuple[UpstreamStatus, ...]:
        """Return the states of all upstreams."""
        return tuple(self._statuses.values())

    def set_upstreams(self, upstreams: Iterable[ResolvedUpstream]) -> None:
        """Replace the upstreams; changed ones are checked at once."""
        statuses: dict[str, UpstreamStatus] = {}
        for upstream in upstreams:
            old = self._statuses.get(upstream.name)
            if old is not None and old.upstream == upstream:
                statuses[upstream.name] = old
            else:
                statuses[upstream.name] = self._initial_status(upstream)
        self._statuses = statuses
        self._changed.set()

    def report_rejection(self, name: str, upstream_status: int) -> None:
        """Record that an upstream refused the credentials of a call."""
        self._reject(name, f"status {upstream_status} to {_CALL}")

    def report_success(self, name: str) -> None:
        """Record that an upstream answered a call."""
        self._set_state(name, UpstreamState.WORKING)

    async def start(self) -> None:
        """Start the periodic checks."""
        self._task = asyncio.create_task(self._run(), name="upstream-monitor")

    async def stop(self) -> None:
        """End the periodic checks."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def check_all(self) -> None:
        """Ask every upstream for its models."""
        upstreams = [status.upstream for status in self._statuses.values()]
        await asyncio.gather(*(self._check(upstream) for upstream in upstreams))

    async def _check(self, upstream: ResolvedUpstream) -> None:
        """Ask one upstream for its models and record the result; other statuses say nothing."""
        if upstream.missing_secrets:
            return
        headers = external_headers(
            UpstreamTarget(upstream.name, secret_headers=upstream.secret_headers)
        )
        try:
            status, _ = await self._client.get(
                upstream.upstream.url, "/models", _TIMEOUT_S, headers
            )
        except AppError as error:
            self._set_state(upstream.name, UpstreamState.UNREACHABLE, error.code or "")
            return
        old = self._statuses.get(upstream.name)
        if status == _UNAUTHORIZED:
            self._reject(upstream.name, f"status {status} to a check")
        elif old is not None and not old.detail.endswith(_CALL):
            # A key that may list models need not be allowed, or have the balance, to call one.
            self._set_state(upstream.name, UpstreamState.WORKING)

    def _reject(self, name: str, detail: str) -> None:
        """Count a refusal of credentials and store it as the state."""
        if self._metrics is not None:
            self._metrics.upstream_rejections.labels(name).inc()
        self._set_state(name, UpstreamState.CREDENTIALS_REJECTED, detail)

    async def _run(self) -> None:
        """Check all upstreams periodically and after changes, until cancelled."""
        while True:
            self._changed.clear()
            await self.check_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.upstream_check_s):
                    await self._changed.wait()

    def _initial_status(self, upstream: ResolvedUpstream) -> UpstreamStatus:
        """Return the state of a new upstream, and log its missing secrets."""
        if self._metrics is not None:
            # From 0 on: an alert on the first refusal needs a value before it.
            self._metrics.upstream_rejections.labels(upstream.name)
        missing = ", ".join(upstream.missing_secrets)
        if missing:
            self._log.error("upstream_secret_missing", upstream=upstream.name, secrets=missing)
            state = UpstreamState.SECRET_MISSING
        else:
            state = UpstreamState.UNKNOWN
        return UpstreamStatus(upstream, state, self._clock.now(), missing)

    def _set_state(self, name: str, state: UpstreamState, detail: str = "") -> None:
        """Store and log a changed state of an upstream that still exists."""
        old = self._statuses.get(name)
        if old is None or (old.state, old.detail) == (state, detail):
            return
        self._statuses[name] = UpstreamStatus(old.upstream, state, self._clock.now(), detail)
        if state is UpstreamState.WORKING:
            self._log.info("upstream_working", upstream=name)
        elif state is UpstreamState.CREDENTIALS_REJECTED:
            self._log.error("upstream_credentials_rejected", upstream=name, reason=detail)
        else:
            self._log.warning("upstream_unreachable", upstream=name, reason=detail)
