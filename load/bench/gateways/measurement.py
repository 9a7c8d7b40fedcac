"""Measuring: what the load saw, beside what the kernel counted for the gateway meanwhile.

Owns the turns that the gateways take, and that a figure is of whole calls only: the counters are
read while nothing is under way, before the first call and after the last.
"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from load.bench.gateways.load_client import Order, Summary
from load.bench.gateways.payloads import question
from load.bench.gateways.processes import cpu_s, python_module, rss_mib
from load.bench.gateways.servers import Gateway

PLAIN, STREAMED, HALF_RATE = "plain", "streamed", "half rate"
# Gateways go on working after the answer: they write logs, count, and free what they held.
_SETTLE_S = 0.5
_HALF_RATE_CONNECTIONS = 256
_LONG_S = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and for how long."""

    rounds: int
    seconds: float
    warm_up: float
    connections: Sequence[int]


@dataclass(frozen=True, slots=True)
class Key:
    """What a figure is of."""

    gateway: str
    mode: str
    connections: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement; processor time is for one call."""

    calls_s: float
    cpu_ms: float
    database_ms: float | None
    client_ms: float
    p50_ms: float
    p99_ms: float
    rss_mib: float
    failures: int


@dataclass(frozen=True, slots=True)
class _Spent:
    """Processor seconds."""

    gateway_s: float
    database_s: float


Results = dict[Key, list[Figures]]


def take_turns(gateways: Sequence[Gateway], streamed: bool, plan: Plan, results: Results) -> None:
    """Measure them in rounds, so that a machine that grows slower does so for all of them."""
    for number in range(plan.rounds):
        sys.stderr.write(f"round {number + 1} of {plan.rounds}\n")
        for gateway in gateways:
            for connections in plan.connections:
                key = Key(gateway.name, STREAMED if streamed else PLAIN, connections)
                order = _order(gateway, streamed, connections, plan.seconds, plan.warm_up)
                _note(results, key, _figures(gateway, order))
        if not streamed:
            _half_rate(gateways, plan, results)


def require_whole(gateway: Gateway, streamed: bool) -> None:
    """Raises RuntimeError where a first call has no whole answer."""
    summary, _ = _carry_out(gateway, _order(gateway, streamed, 1, _LONG_S, calls=1))
    if summary.calls != 1:
        raise RuntimeError(f"{gateway.name} does not answer: {summary.first_failure}")


def memory(gateway: Gateway, warm_up: int, calls: int) -> tuple[float, float]:
    """MiB after some calls, and after many more."""
    _carry_out(gateway, _order(gateway, False, 16, _LONG_S, calls=warm_up))
    before = rss_mib(gateway.process)
    _carry_out(gateway, _order(gateway, False, 16, _LONG_S, calls=calls))
    return before, rss_mib(gateway.process)


def _half_rate(gateways: Sequence[Gateway], plan: Plan, results: Results) -> None:
    """Ours and the bare relay at half of what ours can do at most, in this same round."""
    pair = [gateway for gateway in gateways if gateway.name in ("bare", "maas")]
    if len(pair) < 2:
        return
    full = [results[Key("maas", PLAIN, connections)][-1] for connections in plan.connections]
    rate = max(figures.calls_s for figures in full) / 2
    if rate == 0:
        return
    for gateway in pair:
        order = _order(gateway, False, _HALF_RATE_CONNECTIONS, plan.seconds, plan.warm_up)
        figures = _figures(gateway, replace(order, rate=rate))
        _note(results, Key(gateway.name, HALF_RATE, _HALF_RATE_CONNECTIONS), figures)


def _figures(gateway: Gateway, order: Order) -> Figures:
    summary, spent = _carry_out(gateway, order)
    calls = summary.calls or math.nan
    if summary.failures:
        sys.stderr.write(f"  {gateway.name}, the first that failed: {summary.first_failure}\n")
    return Figures(
        calls_s=summary.calls / (summary.elapsed_s or math.nan),
        cpu_ms=1000 * spent.gateway_s / calls,
        database_ms=None if gateway.database is None else 1000 * spent.database_s / calls,
        client_ms=1000 * summary.cpu_s / calls,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        rss_mib=rss_mib(gateway.process),
        failures=summary.failures,
    )


def _carry_out(gateway: Gateway, order: Order) -> tuple[Summary, _Spent]:
    """What the load saw, and what the gateway and its database spent on it."""
    command = python_module("load.bench.gateways.load_client")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as client:
        try:
            _converse(client, json.dumps(asdict(order)))
            time.sleep(_SETTLE_S)
            before = _spent(gateway)
            summary = Summary(**json.loads(_converse(client, "go")))
            time.sleep(_SETTLE_S)
            after = _spent(gateway)
        except BaseException:
            client.kill()
            raise
    difference = (after.gateway_s - before.gateway_s, after.database_s - before.database_s)
    return summary, _Spent(*difference)


def _converse(client: subprocess.Popen[str], line: str) -> str:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(line + "\n")
    answer = client.stdout.readline()
    if not answer:
        raise RuntimeError("the client of the load has fallen")
    return answer


def _spent(gateway: Gateway) -> _Spent:
    database_s = 0.0 if gateway.database is None else cpu_s(gateway.database)
    return _Spent(cpu_s(gateway.process), database_s)


def _order(
    gateway: Gateway,
    streamed: bool,
    connections: int,
    seconds: float,
    warm_up: float = 0.0,
    calls: int = sys.maxsize,
) -> Order:
    body = json.dumps(question(gateway.model, streamed), separators=(",", ":"))
    return Order(
        gateway.port, gateway.headers, body, streamed, connections, warm_up, seconds, calls
    )


def _note(results: Results, key: Key, figures: Figures) -> None:
    results.setdefault(key, []).append(figures)
    sys.stderr.write(
        f"  {key.gateway}, {key.mode}, {key.connections} connections: {figures.calls_s:.0f} "
        f"calls/s, {figures.cpu_ms:.3f} ms CPU (client {figures.client_ms:.3f}), "
        f"p99 {figures.p99_ms:.1f} ms, {figures.failures} failed\n"
    )
