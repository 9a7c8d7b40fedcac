"""Read an asset-day: over HTTP downsampled, as aggregates, and from blocks into arrays."""

import statistics
import time
from collections.abc import Sequence

import httpx
import psycopg

from gateway.plant.readings.codec import decode
from gateway.plant.readings.values import concatenate
from load.bench.readings.ingestion import PATH

_DAY_S = 86_400
_ROUNDS = 9
_WAIT_S = 150.0
_BLOCKS = """
    select point_id, data from plant_reading_block
    where day = %s and point_id = any(
        select id from plant_point where tag like 'bench0.asset0.%%'
    ) order by point_id, hour
"""


async def read_over_http(url: str, key: str, tags: Sequence[str], start_s: int) -> list[str]:
    """Return the times of reading all points' day with 2,000 readings each, and by hour."""
    parameters = {"point": list(tags), "from": start_s, "to": start_s + _DAY_S}
    lines = ["| asset-day over HTTP | ms, median (min to max) | size |", "|---|---|---|"]
    forms = {"2,000 readings each": {}, "aggregates by hour": {"aggregate": "1h"}}
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {key}"
        for name, form in forms.items():
            times = []
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                answer = await client.get(PATH, params={**parameters, **form})
                times.append((time.perf_counter() - started) * 1000)
                if answer.status_code != 200:
                    raise RuntimeError(answer.text[:500])
            lines.append(f"| {name} | {_spread(times)} | {len(answer.content):,} bytes |")
    return lines


async def read_from_blocks(database_url: str, start_s: int) -> list[str]:
    """Return the time of reading the day's blocks into arrays, once the worker has written them."""
    day = time.strftime("%Y-%m-%d", time.gmtime(start_s))
    fetch, decoding, count, size = [], [], 0, 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        _wait_for_compaction(connection)
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            rows = connection.execute(_BLOCKS, (day,), binary=True).fetchall()
            fetched = time.perf_counter()
            series = concatenate([decode(data) for _, data in rows])
            fetch.append((fetched - started) * 1000)
            decoding.append((time.perf_counter() - fetched) * 1000)
            count, size = len(series), sum(len(data) for _, data in rows)
    both = [first + second for first, second in zip(fetch, decoding, strict=True)]
    return [
        f"Blocks into arrays: {count:,} readings in {size:,} bytes ({size / count:.2f} bytes "
        f"each): {_spread(both)} ms, of which decoding {_spread(decoding)} ms."
    ]


def _wait_for_compaction(connection: "psycopg.Connection[tuple[int]]") -> None:
    """Wait until the worker has emptied the buffer."""
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        row = connection.execute("select count(*) from plant_reading_buffer").fetchone()
        if row == (0,):
            return
        time.sleep(1)
    raise RuntimeError("the worker did not merge the buffered readings")


def _spread(values: Sequence[float]) -> str:
    """Return median, minimum and maximum."""
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
