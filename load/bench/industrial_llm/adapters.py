"""Upload adapters to a serving address, and measure the cost of several at once."""

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

from load.bench.streamed_calls import Server, stream_completion

FILES = ("adapter_config.json", "adapter_model.safetensors")
_PROMPT = "Work order {}: pump 3 vibrates and leaks at the seal. What should be done about it?"


@dataclass(frozen=True, slots=True)
class AdapterSpeed:
    """Tokens per second by mix of adapters, and seconds to the first token, cold and warm."""

    tokens_s: dict[str, list[float]]
    cold_s: list[float]
    warm_s: list[float]


async def upload_adapter(
    session: aiohttp.ClientSession, serving: str, sold: str, engine: str, folder: Path
) -> str:
    """Upload an adapter as a customer's fine-tuned model. Returns its name for calls."""
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


async def measure_speed(
    serving: str, sold: str, engine: str, folder: Path, rounds: int
) -> AdapterSpeed:
    """Measure the base, the sold adapter and eight customers' adapters, eight streams each, in
    turn."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        eight = [await upload_adapter(session, serving, sold, engine, folder) for _ in range(8)]
        mixes = {"base": [engine] * 8, "one adapter": [sold] * 8, "eight adapters": eight}
        for models in mixes.values():
            await _throughput(session, serving, models)
        rates: dict[str, list[float]] = {name: [] for name in mixes}
        for turn in range(rounds):
            names = list(mixes)[turn % 3 :] + list(mixes)[: turn % 3]
            for name in names:
                rates[name].append(await _throughput(session, serving, mixes[name]))
        cold, warm = [], []
        for _ in range(rounds):
            one = await upload_adapter(session, serving, sold, engine, folder)
            cold.append(await _first_token_s(session, serving, one))
            warm.append(await _first_token_s(session, serving, one))
    return AdapterSpeed(rates, cold, warm)


def render_rows(measurements: AdapterSpeed) -> list[str]:
    """Render table rows with the ratios within each round."""
    lines = []
    for name in ("base", "one adapter"):
        pairs = zip(
            measurements.tokens_s["eight adapters"], measurements.tokens_s[name], strict=True
        )
        ratio = statistics.median(several / one for several, one in pairs)
        bar = "at least 0.60" if name == "one adapter" else ""
        lines.append(f"| eight adapters' tokens/s over {name} | {ratio:.2f} | {bar} |")
    rate = {name: f"{statistics.median(some):.0f}" for name, some in measurements.tokens_s.items()}
    lines.append(f"| tokens/s, eight streams: {', '.join(rate)} | {', '.join(rate.values())} | |")
    cold, warm = (
        f"{statistics.median(s):.2f} s" for s in (measurements.cold_s, measurements.warm_s)
    )
    worst = max(measurements.cold_s)
    lines.append(f"| first token of a cold adapter, worst | {cold}, {worst:.2f} s | 3 s |")
    lines.append(f"| first token of it afterwards | {warm} | |")
    return lines


async def _throughput(session: aiohttp.ClientSession, serving: str, models: Sequence[str]) -> float:
    servers = [Server(model, serving, model) for model in models]
    salt, began = uuid.uuid4().hex[:8], time.perf_counter()
    measurements = await asyncio.gather(
        *(
            stream_completion(session, one, _PROMPT.format(f"{salt}-{at}"))
            for at, one in enumerate(servers)
        )
    )
    return sum(one.tokens for one in measurements) / (time.perf_counter() - began)


async def _first_token_s(session: aiohttp.ClientSession, serving: str, model: str) -> float:
    prompt = _PROMPT.format(uuid.uuid4().hex[:8])
    return (await stream_completion(session, Server(model, serving, model), prompt)).first_token_s
