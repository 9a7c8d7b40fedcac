"""The load: one process that sends calls and does little else, so that the cores are left alone.

Run as `python -m load.bench.gateways.load_client`: it reads an order as one line of JSON, warms up, says
so in a line, begins when it reads another line, and says in a line of JSON what came of it. Nothing
is under way while it says that it is warm, nor at the end.
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

_PATIENCE_S = 120.0
# A crowd that starts at one instant would have all its streams' chunks come at one instant.
_SPREAD_S = 0.02
_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Order:
    """What to send. With a `rate`, calls come at random so many a second, whether or not the
    others are answered; without, each connection calls again when it has its answer."""

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
class Summary:
    """What came of it: whole answers and others, and what the first of these was; `cpu_s` is what
    the client itself used."""

    calls: int
    failures: int
    first_failure: str
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


@dataclass(slots=True)
class _Seen:
    """What came of the calls of one phase so far."""

    started: int = 0
    failures: int = 0
    first_failure: str = ""
    latencies: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    ended: float = field(default_factory=time.perf_counter)


class Load:
    """The connections, which stay open from the first call of the warm-up to the last of all."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._request = _request(order)
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._waiting: deque[float] = deque()
        self._busy = 0
        self._over = False
        self._until = 0.0
        self._seen = _Seen()

    async def run(self) -> Summary:
        """Warm up, wait for the word, send what was ordered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._order.connections):
                group.create_task(self._keep())
            await self._phase(self._order.warm_up)
            sys.stdout.write("warm\n")
            sys.stdout.flush()
            sys.stdin.readline()
            await asyncio.sleep(0.05)  # what the gateway closed meanwhile is noticed
            began_cpu = time.process_time()
            await self._phase(self._order.seconds)
            self._over = True
            self._close_all()
        return _summary(self._seen, time.process_time() - began_cpu)

    def free(self, connection: Connection) -> None:
        """The next call, where one is due."""
        due = self._next_due()
        if due is None:
            self._idle.append(connection)
            return
        self._seen.started += 1
        self._busy += 1
        connection.call(due)

    def answered(self, seconds: float) -> None:
        """Count a whole answer."""
        self._busy -= 1
        self._seen.latencies.append(seconds)
        self._seen.ended = time.perf_counter()

    def failed(self, why: str) -> None:
        """Count a call without one."""
        self._busy -= 1
        self._count_failure(why)

    def _count_failure(self, why: str) -> None:
        self._seen.failures += 1
        self._seen.first_failure = self._seen.first_failure or why

    async def _phase(self, seconds: float) -> None:
        """Send calls for so long, and return when each has its answer or has failed."""
        self._seen = _Seen()
        self._until = self._seen.began + seconds
        if self._order.rate is None:
            self._wake_all()
        else:
            await self._arrive(self._order.rate)
        while self._busy or self._waiting or self._in_time():
            await asyncio.sleep(0.01)
            if time.perf_counter() > self._until + _PATIENCE_S:
                self._waiting.clear()
                self._close_all()

    def _wake_all(self) -> None:
        loop = asyncio.get_running_loop()
        number = len(self._idle)
        for place in range(number):
            loop.call_later(place / number * _SPREAD_S, self._wake)

    def _wake(self) -> None:
        if self._idle:
            self.free(self._idle.pop())

    async def _arrive(self, rate: float) -> None:
        # The same arrivals for every gateway.
        chance = random.Random(7)
        due = self._seen.began
        while due < self._until:
            await asyncio.sleep(_TICK_S)
            now = min(time.perf_counter(), self._until)
            while due < now:
                self._waiting.append(due)
                due += chance.expovariate(rate)
            while self._waiting and self._idle:
                self._wake()

    def _next_due(self) -> float | None:
        if self._order.rate is not None:
            return self._waiting.popleft() if self._waiting else None
        return time.perf_counter() if self._in_time() else None

    def _in_time(self) -> bool:
        return time.perf_counter() < self._until and self._seen.started < self._order.calls

    async def _keep(self) -> None:
        """One connection, opened again whenever it was lost."""
        order = self._order
        while not self._over:
            connection = Connection(self._request, order.streamed, self)
            self._open.add(connection)
            if not await connection.hold(order.port):
                self._count_failure("no connection")
                await asyncio.sleep(0.1)
            self._open.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)

    def _close_all(self) -> None:
        for connection in self._open:
            connection.close()


def main() -> None:
    """One order, from standard input."""
    order = Order(**json.loads(sys.stdin.readline()))
    summary = uvloop.run(Load(order).run())
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


def _summary(seen: _Seen, cpu_s: float) -> Summary:
    latencies = sorted(seen.latencies)
    return Summary(
        calls=len(latencies),
        failures=seen.failures,
        first_failure=seen.first_failure,
        elapsed_s=seen.ended - seen.began,
        p50_ms=1000 * _quantile(latencies, 0.5),
        p99_ms=1000 * _quantile(latencies, 0.99),
        cpu_s=cpu_s,
    )


def _request(order: Order) -> bytes:
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
