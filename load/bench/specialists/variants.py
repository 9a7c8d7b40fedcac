"""Thousands of variants on one replica: its memory, and the latency of reloading a variant.

Uses the serving address directly, which only the operator can reach.
"""

import json
import time
from typing import Any

import aiohttp
import psutil

from load.bench.specialists.client import synthetic_series

_REPLICA_TITLE = "SpecialistApp"
_MIB = 1 << 20


async def measure_many_variants(
    session: aiohttp.ClientSession, serving: str, model: str, count: int
) -> list[str]:
    """Train one variant, upload it under `count` ids and call some. Returns table rows."""
    artefact = await _train_variant(session, serving, model)
    before = _replica_rss()
    upload_times = [
        await _upload_variant(session, serving, model, at, artefact) for at in range(count)
    ]
    ids = range(0, count, max(1, count // 100))
    call_times = sorted([await _call_variant(session, serving, at) for at in ids])
    upload_times.sort()
    return [
        f"| a variant's artefact | {len(artefact) * 3 // 4:,} bytes | |",
        f"| giving one, ms | p50 {1000 * _quantile(upload_times, 0.5):.0f}, "
        f"p99 {1000 * _quantile(upload_times, 0.99):.0f} | 300 |",
        f"| memory with {count:,} given | {_replica_rss() / _MIB:,.0f} MiB, "
        f"{before / _MIB:,.0f} before "
        f"| 1,500 |",
        f"| asking {len(call_times)} of them, most from the folder, ms "
        f"| p50 {1000 * _quantile(call_times, 0.5):.0f}, "
        f"p99 {1000 * _quantile(call_times, 0.99):.0f} | 300 |",
    ]


async def _train_variant(session: aiohttp.ClientSession, serving: str, model: str) -> str:
    fleet = "\n".join(
        json.dumps({"sensors": synthetic_series(150 + 10 * seed, seed)}) for seed in range(5)
    )
    path = f"{serving}/v2/adaptations/{model}"
    async with session.post(path, data=fleet.encode(), read_bufsize=64 * _MIB) as answer:
        last = (await answer.read()).splitlines()[-1]
    return str(json.loads(last)["variant"]["artefact"])


async def _upload_variant(
    session: aiohttp.ClientSession, serving: str, model: str, number: int, artefact: str
) -> float:
    body = {"base": model, "name": f"bench-{number}", "version": "1", "artefact": artefact}
    began = time.perf_counter()
    async with session.put(f"{serving}/v2/models/var_{number}", json=body) as answer:
        answer.raise_for_status()
    return time.perf_counter() - began


async def _call_variant(session: aiohttp.ClientSession, serving: str, number: int) -> float:
    tensors: list[dict[str, Any]] = [
        {"name": name, "datatype": "FP32", "shape": [1, 100], "data": values[:100]}
        for name, values in synthetic_series(150).items()
    ]
    path = f"{serving}/v2/models/var_{number}/infer"
    began = time.perf_counter()
    async with session.post(path, json={"inputs": tensors}) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[int(len(ordered) * share)]


def _replica_rss() -> float:
    """Return the resident memory in bytes of the specialists' replica. Raises RuntimeError."""
    connect = [
        one.memory_info().rss
        for one in psutil.process_iter(["cmdline"])
        if _REPLICA_TITLE in " ".join(one.info["cmdline"] or [])
    ]
    if not connect:
        raise RuntimeError("the replica is not on this machine")
    return float(max(connect))
