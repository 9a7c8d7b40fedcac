"""The load generator: one process that sends calls with little CPU time.

Run as `python -m load.bench.gateways.load_client`. It reads an order as one line of JSON, warms up,
prints `warm`, waits for another line, sends the calls, and prints a summary as JSON. No call is in
flight while it waits, nor at the end.
"""

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import uvloop

from load.bench.gateways.connection import Connection

_TIMEOUT_S = 120.0
# Starts are spread, or the chunks of all streams would arrive at the same moment.
_SPREAD_S = 0.02
_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """The calls to send.

    With a `rate`, calls start at random times with this rate; without, each connection calls again
    as soon as it has its answer.
    """

    port: int
    headers: Mapping[str, str]
    body: str
    streamed: bool
    connections: int
    warm_up: float
    seconds: float
    calls: int = sys.maxsize
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Numbers of complete answers and failures, latencies, and the client's own CPU seconds."""

    calls: int
    failures: int
    first_failure: str
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


@dataclass(slots=True)
class _PhaseStats:
    """Results of the calls of one phase so far."""

    started: int = 0
    failures: int = 0
    first_failure: str = ""
    latencies: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    ended: float = field(default_factory=time.perf_counter)


class LoadGenerator:
    """The connections, which stay open from the warm-up to the end."""

    def __init__(self, order: LoadOrder) -> None:
        self._order = order
        self._request = _request(order)
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._waiting: deque[float] = deque()
        self._busy = 0
        self._is_finished = False
        self._deadline = 0.0
        self._stats = _PhaseStats()

    async def run(self) -> LoadSummary:
        """Warm up, wait for a line, and send the ordered calls."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._order.connections):
                group.create_task(self._maintain_connection())
            await self._phase(self._order.warm_up)
            sys.stdout.write("warm\n")
            sys.stdout.flush()
            sys.stdin.readline()
            await asyncio.sleep(0.05)  # notice connections that the gateway closed
            began_cpu = time.process_time()
            await self._phase(self._order.seconds)
            self._is_finished = True
            self._close_all()
        return _summary(self._stats, time.process_time() - began_cpu)

    def on_idle(self, connection: Connection) -> None:
        """Send the next call, if one is due."""
        due_at = self._next_due()
        if due_at is None:
            self._idle.append(connection)
            return
        self._stats.started += 1
        self._busy += 1
        connection.call(due_at)

    def on_answer(self, seconds: float) -> None:
        """Count a complete answer."""
        self._busy -= 1
        self._stats.latencies.append(seconds)
        self._stats.ended = time.perf_counter()

    def on_failure(self, reason: str) -> None:
        """Count a failed call."""
        self._busy -= 1
        self._count_failure(reason)

    def _count_failure(self, reason: str) -> None:
        self._stats.failures += 1
        self._stats.first_failure = self._stats.first_failure or reason

    async def _phase(self, seconds: float) -> None:
        """Send calls for this time and wait until each is answered or has failed."""
        self._stats = _PhaseStats()
        self._deadline = self._stats.began + seconds
        if self._order.rate is None:
            self._wake_all()
        else:
            await self._send_at_rate(self._order.rate)
        while self._busy or self._waiting or self._is_before_deadline():
            await asyncio.sleep(0.01)
            if time.perf_counter() > self._deadline + _TIMEOUT_S:
                self._waiting.clear()
                self._close_all()

    def _wake_all(self) -> None:
        loop = asyncio.get_running_loop()
        number = len(self._idle)
        for place in range(number):
            loop.call_later(place / number * _SPREAD_S, self._wake)

    def _wake(self) -> None:
        if self._idle:
            self.on_idle(self._idle.pop())

    async def _send_at_rate(self, rate: float) -> None:
        # A constant seed: the same arrivals for every gateway.
        rng = random.Random(7)
        due_at = self._stats.began
        while due_at < self._deadline:
            await asyncio.sleep(_TICK_S)
            now = min(time.perf_counter(), self._deadline)
            while due_at < now:
                self._waiting.append(due_at)
                due_at += rng.expovariate(rate)
            while self._waiting and self._idle:
                self._wake()

    def _next_due(self) -> float | None:
        if self._order.rate is not None:
            return self._waiting.popleft() if self._waiting else None
        return time.perf_counter() if self._is_before_deadline() else None

    def _is_before_deadline(self) -> bool:
        return time.perf_counter() < self._deadline and self._stats.started < self._order.calls

    async def _maintain_connection(self) -> None:
        """Keep one connection open, reconnecting when it is lost."""
        order = self._order
        while not self._is_finished:
            connection = Connection(self._request, order.streamed, self)
            self._open.add(connection)
            if not await connection.run_until_closed(order.port):
                self._count_failure("no connection")
                await asyncio.sleep(0.1)
            self._open.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)

    def _close_all(self) -> None:
        for connection in self._open:
            connection.close()


def main() -> None:
    """Carry out one order from standard input."""
    order = LoadOrder(**json.loads(sys.stdin.readline()))
    summary = uvloop.run(LoadGenerator(order).run())
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


def _summary(stats: _PhaseStats, cpu_s: float) -> LoadSummary:
    latencies = sorted(stats.latencies)
    return LoadSummary(
        calls=len(latencies),
        failures=stats.failures,
        first_failure=stats.first_failure,
        elapsed_s=stats.ended - stats.began,
        p50_ms=1000 * _quantile(latencies, 0.5),
        p99_ms=1000 * _quantile(latencies, 0.99),
        cpu_s=cpu_s,
    )


def _request(order: LoadOrder) -> bytes:
    headers = {
        "host": f"127.0.0.1:{order.port}",
        "content-type": "application/json",
        "content-length": str(len(order.body.encode())),
        **order.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n{order.body}".encode()


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


if __name__ == "__main__":
    main()
