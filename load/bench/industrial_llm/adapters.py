"""Adapters brought to a serving address, and what several at once cost.

Owns the form in which an adapter is brought, and the figures of speed.
"""

import asyncio
import json
import statistics
import time
import uuid
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from load.bench.streamed_calls import Server, stream

FILES = ("adapter_config.json", "adapter_model.safetensors")
_PROMPT = "Work order {}: pump 3 vibrates and leaks at the seal. What should be done about it?"


@dataclass(frozen=True, slots=True)
class Speed:
    """tokens_s by the name of a mix, a figure a round; cold_s and warm_s are first tokens."""

    tokens_s: dict[str, list[float]]
    cold_s: list[float]
    warm_s: list[float]


async def bring(
    session: aiohttp.ClientSession, serving: str, sold: str, engine: str, folder: Path
) -> str:
    """Give serving an adapter as a customer's of the model that is sold; the name that it is asked
    for by."""
    adapter = f"var_{uuid.uuid4().hex[:22]}"
    files = {name: (folder / name).read_bytes() for name in FILES}
    body = {
        "base": sold,
        "name": f"bench-{adapter}",
        "version": "1",
        "artefact": b64encode(msgspec.msgpack.encode(files)).decode(),
    }
    async with session.put(
        f"{serving}/v2/adapters/{adapter}", data=json.dumps(body),
        headers={"content-type": "application/json"},
    ) as answer:  # fmt: skip
        answer.raise_for_status()
    return f"{engine}:{adapter}"


async def speed(serving: str, sold: str, engine: str, folder: Path, rounds: int) -> Speed:
    """The base, the adapter that is sold and eight of customers' take turns, eight streams each."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        eight = [await bring(session, serving, sold, engine, folder) for _ in range(8)]
        mixes = {"base": [engine] * 8, "one adapter": [sold] * 8, "eight adapters": eight}
        for models in mixes.values():
            await _rate(session, serving, models)
        rates: dict[str, list[float]] = {name: [] for name in mixes}
        for turn in range(rounds):
            names = list(mixes)[turn % 3 :] + list(mixes)[: turn % 3]
            for name in names:
                rates[name].append(await _rate(session, serving, mixes[name]))
        cold, warm = [], []
        for _ in range(rounds):
            one = await bring(session, serving, sold, engine, folder)
            cold.append(await _first(session, serving, one))
            warm.append(await _first(session, serving, one))
    return Speed(rates, cold, warm)


def rows(told: Speed) -> list[str]:
    """Of the table: ratios within each round, since machines are shared."""
    lines = []
    for name in ("base", "one adapter"):
        pairs = zip(told.tokens_s["eight adapters"], told.tokens_s[name], strict=True)
        ratio = statistics.median(several / one for several, one in pairs)
        bar = "at least 0.60" if name == "one adapter" else ""
        lines.append(f"| eight adapters' tokens/s over {name} | {ratio:.2f} | {bar} |")
    rate = {name: f"{statistics.median(some):.0f}" for name, some in told.tokens_s.items()}
    lines.append(f"| tokens/s, eight streams: {', '.join(rate)} | {', '.join(rate.values())} | |")
    cold, warm = (f"{statistics.median(s):.2f} s" for s in (told.cold_s, told.warm_s))
    worst = max(told.cold_s)
    lines.append(f"| first token of a cold adapter, worst | {cold}, {worst:.2f} s | 3 s |")
    lines.append(f"| first token of it afterwards | {warm} | |")
    return lines


async def _rate(session: aiohttp.ClientSession, serving: str, models: Sequence[str]) -> float:
    servers = [Server(model, serving, model) for model in models]
    salt, began = uuid.uuid4().hex[:8], time.perf_counter()
    told = await asyncio.gather(
        *(stream(session, one, _PROMPT.format(f"{salt}-{at}")) for at, one in enumerate(servers))
    )
    return sum(one.tokens for one in told) / (time.perf_counter() - began)


async def _first(session: aiohttp.ClientSession, serving: str, model: str) -> float:
    prompt = _PROMPT.format(uuid.uuid4().hex[:8])
    return (await stream(session, Server(model, serving, model), prompt)).first_token_s
