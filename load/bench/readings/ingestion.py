"""Send readings over HTTP as a connector does: several requests at a time, made before."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import numpy as np

PATH = "/v1/plant/readings"
_DAY_S = 86_400
_CLIENTS = 4
# A busy machine; readings that were stored are duplicates then.
_RETRIED = (503, 504)


@dataclass(frozen=True, slots=True)
class Shape:
    """Readings of one request: some of each of several points, one a second."""

    points: int
    per_point: int

    @property
    def size(self) -> int:
        """The readings of a request."""
        return self.points * self.per_point

    def tags(self, prefix: str) -> list[str]:
        """The tags of the points."""
        return [f"{prefix}.asset{number // 20}.point{number % 20}" for number in range(self.points)]


def day_start() -> int:
    """Return the start of the day before yesterday (UTC), in seconds since 1970."""
    return int(time.time()) // _DAY_S * _DAY_S - 2 * _DAY_S


def prepare_bodies(shape: Shape, count: int, start_s: int, prefix: str) -> list[bytes]:
    """Return the JSON bodies of requests with random walks of two decimals."""
    random = np.random.default_rng(0)
    tags, level = shape.tags(prefix), np.full(shape.points, 50.0)
    bodies = []
    for number in range(count):
        readings = []
        for second in range(number * shape.per_point, (number + 1) * shape.per_point):
            level += random.normal(0, 0.05, shape.points)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start_s + second))
            readings += [
                {"tag": tag, "time": at, "value": round(float(value), 2)}
                for tag, value in zip(tags, level, strict=True)
            ]
        bodies.append(json.dumps({"readings": readings}, separators=(",", ":")).encode())
    return bodies


async def send_bodies(
    urls: Sequence[str], key: str, bodies: Sequence[bytes]
) -> tuple[float, float]:
    """Send all bodies to the gateways in turn. Returns seconds, and CPU seconds of this process.

    Raises RuntimeError if a reading was not stored.
    """
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    waiting = list(reversed(bodies))

    async def send_from(number: int) -> None:
        async with httpx.AsyncClient(base_url=urls[number % len(urls)], timeout=120) as client:
            while waiting:
                body = waiting.pop()
                answer = await client.post(PATH, content=body, headers=headers)
                if answer.status_code in _RETRIED:
                    waiting.append(body)
                    await asyncio.sleep(1)
                elif answer.status_code != 200 or answer.json()["refused"]:
                    raise RuntimeError(answer.text[:500])

    async with httpx.AsyncClient(base_url=urls[0], headers=headers) as client:
        await client.put(f"{PATH}/settings", json={"unknown_tags": "create"})
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(send_from(number) for number in range(_CLIENTS)))
    return time.perf_counter() - started, time.process_time() - cpu
