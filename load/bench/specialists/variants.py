"""Thousands of variants on one replica: its memory, and how soon one that fell out is back.

Owns talking to the serving address itself, which only the operator can.
"""

import json
import time
from typing import Any

import aiohttp
import psutil

from load.bench.specialists.client import series_of

_TITLE = "SpecialistApp"
_MIB = 1 << 20


async def crowd(session: aiohttp.ClientSession, serving: str, model: str, count: int) -> list[str]:
    """Learn one variant, give it to the server under `count` ids, and ask some of them."""
    artefact = await _learned(session, serving, model)
    before = _memory()
    given = [await _give(session, serving, model, at, artefact) for at in range(count)]
    ids = range(0, count, max(1, count // 100))
    asked = sorted([await _ask(session, serving, at) for at in ids])
    given.sort()
    return [
        f"| a variant's artefact | {len(artefact) * 3 // 4:,} bytes | |",
        f"| giving one, ms | p50 {1000 * _at(given, 0.5):.0f}, "
        f"p99 {1000 * _at(given, 0.99):.0f} | 300 |",
        f"| memory with {count:,} given | {_memory() / _MIB:,.0f} MiB, {before / _MIB:,.0f} before "
        f"| 1,500 |",
        f"| asking {len(asked)} of them, most from the folder, ms "
        f"| p50 {1000 * _at(asked, 0.5):.0f}, p99 {1000 * _at(asked, 0.99):.0f} | 300 |",
    ]


async def _learned(session: aiohttp.ClientSession, serving: str, model: str) -> str:
    fleet = "\n".join(
        json.dumps({"sensors": series_of(150 + 10 * seed, seed)}) for seed in range(5)
    )
    path = f"{serving}/v2/adaptations/{model}"
    async with session.post(path, data=fleet.encode(), read_bufsize=64 * _MIB) as answer:
        last = (await answer.read()).splitlines()[-1]
    return str(json.loads(last)["variant"]["artefact"])


async def _give(
    session: aiohttp.ClientSession, serving: str, model: str, number: int, artefact: str
) -> float:
    body = {"base": model, "name": f"bench-{number}", "version": "1", "artefact": artefact}
    began = time.perf_counter()
    async with session.put(f"{serving}/v2/models/var_{number}", json=body) as answer:
        answer.raise_for_status()
    return time.perf_counter() - began


async def _ask(session: aiohttp.ClientSession, serving: str, number: int) -> float:
    tensors: list[dict[str, Any]] = [
        {"name": name, "datatype": "FP32", "shape": [1, 100], "data": values[:100]}
        for name, values in series_of(150).items()
    ]
    path = f"{serving}/v2/models/var_{number}/infer"
    began = time.perf_counter()
    async with session.post(path, json={"inputs": tensors}) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.perf_counter() - began


def _at(ordered: list[float], share: float) -> float:
    return ordered[int(len(ordered) * share)]


def _memory() -> float:
    """Of the replica that holds the specialists."""
    found = [
        one.memory_info().rss
        for one in psutil.process_iter(["cmdline"])
        if _TITLE in " ".join(one.info["cmdline"] or [])
    ]
    if not found:
        raise RuntimeError("the replica is not on this machine")
    return float(max(found))
