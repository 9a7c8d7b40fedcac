"""A minimal HTTP/1.1 client on kept-alive connections: the client must not be the bottleneck."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Latencies:
    """Requests, errors, duration in seconds, and latencies in milliseconds, sorted."""

    errors: int
    seconds: float
    sorted_ms: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.sorted_ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        index = min(len(self.sorted_ms) - 1, int(share * len(self.sorted_ms)))
        return self.sorted_ms[index]


class Connection:
    """One kept-alive connection, with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, request: bytes) -> int:
        """Send a request and read its whole response. Returns the status."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return status

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def visit(port: int, requests: Sequence[bytes]) -> None:
    """Send each request once. Raises RuntimeError for a status other than 200."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    for request in requests:
        status = await connection.get(request)
        if status != 200:
            raise RuntimeError(f"status {status}: {request!r}")
    connection.close()


def request_for(identifier: str) -> bytes:
    """Return the request that resolves an identifier."""
    path = f"/v1/resolve?id={quote(identifier, safe='')}"
    return f"GET {path} HTTP/1.1\r\nhost: node\r\n\r\n".encode()


async def measure(
    port: int,
    requests: Sequence[bytes],
    seconds: float,
    connections: int,
    rate: float | None = None,
) -> Latencies:
    """Send requests in turn for some seconds: as fast as possible, or at a rate.

    At a rate, a latency counts from the time at which the request was due.
    """
    opened = [
        Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(connections)
    ]
    found: list[float] = []
    errors = 0
    start = time.perf_counter()
    sent = iter(range(1 << 60))

    async def work(connection: Connection) -> None:
        nonlocal errors
        while True:
            number = next(sent)
            due = time.perf_counter() if rate is None else start + number / rate
            if due - start > seconds:
                return
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            status = await connection.get(requests[number % len(requests)])
            errors += status != 200
            found.append((time.perf_counter() - due) * 1e3)

    await asyncio.gather(*(work(one) for one in opened))
    elapsed = time.perf_counter() - start
    for one in opened:
        one.close()
    return Latencies(errors, elapsed, sorted(found))
