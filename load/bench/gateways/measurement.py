"""Measure gateways in rounds: the client's latencies beside the gateway's CPU time.

CPU counters are read while no call is in flight, before the first and after the last.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from load.bench.gateways.commits import CommitDurations
from load.bench.gateways.load_client import LoadOrder, LoadSummary
from load.bench.gateways.payloads import chat_request
from load.bench.gateways.processes import cpu_s, python_module, rss_mib
from load.bench.gateways.servers import Gateway

PLAIN, STREAMED, HALF_RATE = "plain", "streamed", "half rate"
# Gateways work on after the answer: they write logs, meter, and release reservations.
_SETTLE_S = 0.5
_HALF_RATE_CONNECTIONS = 256
_LONG_S = 3600.0


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """Rounds, seconds and connections of the measurements."""

    rounds: int
    seconds: float
    warm_up: float
    connections: Sequence[int]


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What a measurement is of."""

    gateway: str
    mode: str
    connections: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement; CPU times are milliseconds per call.

    `commit_p99_ms` is the 99th percentile of the gateway's commits meanwhile, None without a
    database.
    """

    calls_s: float
    cpu_ms: float
    database_ms: float | None
    client_ms: float
    p50_ms: float
    p99_ms: float
    rss_mib: float
    failures: int
    commit_p99_ms: float | None = None

    @property
    def all_ms(self) -> float:
        """Return the CPU time of a call with that of PostgreSQL."""
        return self.cpu_ms + (self.database_ms or 0.0)


@dataclass(frozen=True, slots=True)
class _Used:
    """What a load used: CPU seconds of a gateway and its database, and the commits' p99."""

    gateway_s: float
    database_s: float
    commit_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """CPU seconds of a gateway and its database, and the durations of its commits, so far."""

    gateway_s: float
    database_s: float
    commits: CommitDurations | None

    def until(self, later: "_Reading") -> _Used:
        """Return what was used between this reading and a later one."""
        commit_p99_ms = None
        if self.commits is not None and later.commits is not None:
            commit_p99_ms = self.commits.quantile_ms(later.commits, 0.99)
        gateway_s, database_s = self.gateway_s, self.database_s
        return _Used(later.gateway_s - gateway_s, later.database_s - database_s, commit_p99_ms)


Results = dict[ResultKey, list[Measurement]]


def run_rounds(
    gateways: Sequence[Gateway], streamed: bool, plan: MeasurementPlan, results: Results
) -> None:
    """Measure all gateways in each round, so that a slower machine affects all of them."""
    for number in range(plan.rounds):
        sys.stderr.write(f"round {number + 1} of {plan.rounds}\n")
        for gateway in gateways:
            for connections in plan.connections:
                key = ResultKey(gateway.name, STREAMED if streamed else PLAIN, connections)
                order = _order(gateway, streamed, connections, plan.seconds, plan.warm_up)
                _record(results, key, _measure(gateway, order))
        if not streamed:
            _half_rate(gateways, plan, results)


def require_complete_answer(gateway: Gateway, streamed: bool) -> None:
    """Send one call. Raises RuntimeError without a complete answer."""
    summary, _ = _run_load(gateway, _order(gateway, streamed, 1, _LONG_S, calls=1))
    if summary.calls != 1:
        raise RuntimeError(f"{gateway.name} does not answer: {summary.first_failure}")


def measure_memory(gateway: Gateway, warm_up: int, calls: int) -> tuple[float, float]:
    """Return the resident memory in MiB after `warm_up` calls, and after `calls` more."""
    _run_load(gateway, _order(gateway, False, 16, _LONG_S, calls=warm_up))
    before = rss_mib(gateway.process)
    _run_load(gateway, _order(gateway, False, 16, _LONG_S, calls=calls))
    return before, rss_mib(gateway.process)


def _half_rate(gateways: Sequence[Gateway], plan: MeasurementPlan, results: Results) -> None:
    """Measure this gateway and the bare relay at half of this gateway's maximum rate."""
    pair = [gateway for gateway in gateways if gateway.name in ("bare", "maas")]
    if len(pair) < 2:
        return
    full = [results[ResultKey("maas", PLAIN, connections)][-1] for connections in plan.connections]
    rate = max(measurement.calls_s for measurement in full) / 2
    if rate == 0:
        return
    for gateway in pair:
        order = _order(gateway, False, _HALF_RATE_CONNECTIONS, plan.seconds, plan.warm_up)
        measurement = _measure(gateway, replace(order, rate=rate))
        _record(results, ResultKey(gateway.name, HALF_RATE, _HALF_RATE_CONNECTIONS), measurement)


def _measure(gateway: Gateway, order: LoadOrder) -> Measurement:
    summary, used = _run_load(gateway, order)
    calls = summary.calls or math.nan
    if summary.failures:
        sys.stderr.write(f"  {gateway.name}, the first that failed: {summary.first_failure}\n")
    return Measurement(
        calls_s=summary.calls / (summary.elapsed_s or math.nan),
        cpu_ms=1000 * used.gateway_s / calls,
        database_ms=None if gateway.database is None else 1000 * used.database_s / calls,
        client_ms=1000 * summary.cpu_s / calls,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        rss_mib=rss_mib(gateway.process),
        failures=summary.failures,
        commit_p99_ms=used.commit_p99_ms,
    )


def _run_load(gateway: Gateway, order: LoadOrder) -> tuple[LoadSummary, _Used]:
    """Run the load generator and return its summary and what the gateway used."""
    command = python_module("load.bench.gateways.load_client")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as client:
        try:
            _exchange_line(client, json.dumps(asdict(order)))
            time.sleep(_SETTLE_S)
            before = _read(gateway)
            summary = LoadSummary(**json.loads(_exchange_line(client, "go")))
            time.sleep(_SETTLE_S)
            after = _read(gateway)
        except BaseException:
            client.kill()
            raise
    return summary, before.until(after)


def _exchange_line(client: subprocess.Popen[str], line: str) -> str:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(line + "\n")
    answer = client.stdout.readline()
    if not answer:
        raise RuntimeError("the client of the load has fallen")
    return answer


def _read(gateway: Gateway) -> _Reading:
    if gateway.database is None:
        return _Reading(cpu_s(gateway.process), 0.0, None)
    commits = CommitDurations.read(gateway.port)
    return _Reading(cpu_s(gateway.process), cpu_s(gateway.database), commits)


def _order(
    gateway: Gateway,
    streamed: bool,
    connections: int,
    seconds: float,
    warm_up: float = 0.0,
    calls: int = sys.maxsize,
) -> LoadOrder:
    body = json.dumps(chat_request(gateway.model, streamed), separators=(",", ":"))
    return LoadOrder(
        gateway.port, gateway.headers, body, streamed, connections, warm_up, seconds, calls
    )


def _record(results: Results, key: ResultKey, measurement: Measurement) -> None:
    results.setdefault(key, []).append(measurement)
    sys.stderr.write(
        f"  {key.gateway}, {key.mode}, {key.connections} connections: {measurement.calls_s:.0f} "
        f"calls/s, {measurement.cpu_ms:.3f} ms CPU (client {measurement.client_ms:.3f}), "
        f"p99 {measurement.p99_ms:.1f} ms, {measurement.failures} failed\n"
    )
