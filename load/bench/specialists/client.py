"""Asking specialists through the gateway, and adapting one, by HTTP only.

Owns what is measured of a call: its time as the client sees it, and the processor that all
processes of this machine used meanwhile.
"""

import asyncio
import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil

Row = Mapping[str, Any]
_SECONDS_A_TRY = 0.2


@dataclass(frozen=True, slots=True)
class Server:
    """The gateway, and a model of each task that it sells."""

    session: aiohttp.ClientSession
    url: str
    by_task: Mapping[str, str]

    @classmethod
    async def found(cls, session: aiohttp.ClientSession, url: str) -> "Server":
        async with session.get(f"{url}/v1/models") as answer:
            answer.raise_for_status()
            models = (await answer.json())["data"]
        first: dict[str, str] = {}
        for model in models:
            first.setdefault(model["task"], model["id"])
        return cls(session, url, first)

    async def ask(self, model: str, rows: Sequence[Row]) -> float:
        """Seconds until the whole answer is here. Raises where it is none."""
        began = time.perf_counter()
        body = {"model": model, "instances": rows}
        async with self.session.post(f"{self.url}/v1/predictions", json=body) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise RuntimeError(content.decode())
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Rate:
    rows_s: float
    rows_core_s: float


@dataclass(frozen=True, slots=True)
class Adapted:
    """What adapting took, and a variant's first calls on a server that has not got it."""

    machines: int
    seconds: float
    first_ms: list[float]
    second_ms: list[float]


async def metadata(server: Server, model: str) -> dict[str, Any]:
    async with server.session.get(f"{server.url}/v2/models/{model}") as answer:
        answer.raise_for_status()
        content: dict[str, Any] = await answer.json()
        return content


def row_of(metadata: Mapping[str, Any]) -> Row:
    """A row in the middle of what the model was trained on."""
    return {field["name"]: _value(field) for field in metadata["parameters"]["signature"]["inputs"]}


def series_of(cycles: int, seed: int = 1) -> Row:
    """A turbofan engine made up, which ends `cycles` after its first flight."""
    noise = random.Random(seed)  # nothing is kept secret by it
    sound = {
        "T24": 642, "T30": 1590, "T50": 1408, "P15": 21.6, "P30": 553, "Nf": 2388, "Nc": 9065,
        "Ps30": 47.5, "phi": 521, "NRf": 2388, "NRc": 8140, "BPR": 8.44, "htBleed": 393,
        "W31": 38.8, "W32": 23.3,
    }  # fmt: skip
    wear = [math.exp((at - cycles) / 30) for at in range(cycles)]
    return {
        name: [value * (1 + noise.gauss(0, 0.0005) + 0.002 * worn) for worn in wear]
        for name, value in sound.items()
    }


async def pace(server: Server, model: str, row: Row, calls: int) -> list[float]:
    """Milliseconds of calls one after another."""
    return [1000 * await server.ask(model, [row]) for _ in range(calls)]


async def rate(
    server: Server, model: str, rows: Sequence[Row], concurrency: int, seconds: float
) -> Rate:
    """Rows a second, and for each core that this machine's processes kept busy, ours included."""
    until = time.perf_counter() + seconds
    began, busy = time.perf_counter(), _busy()

    async def keep_asking() -> int:
        asked = 0
        while time.perf_counter() < until:
            await server.ask(model, rows)
            asked += len(rows)
        return asked

    asked = sum(await asyncio.gather(*(keep_asking() for _ in range(concurrency))))
    took = time.perf_counter() - began
    return Rate(asked / took, asked / (_busy() - busy))


async def adapted(server: Server, model: str, machines: int, variants: int = 5) -> Adapted:
    """Adapt `variants` times under names of their own, and call each for the first time."""
    lines = [json.dumps({"sensors": series_of(150 + 10 * seed, seed)}) for seed in range(machines)]
    form = aiohttp.FormData()
    form.add_field("purpose", "fine-tune")
    form.add_field("file", "\n".join(lines).encode(), filename="bench.jsonl")
    async with server.session.post(f"{server.url}/v1/files", data=form) as answer:
        answer.raise_for_status()
        file = (await answer.json())["id"]
    took, first, second = [], [], []
    for number in range(variants):
        began = time.perf_counter()
        name = await _variant(server, model, file, f"bench-{number}")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(1.0)  # until the gateway knows the name
        first.append(1000 * await server.ask(name, [series_of(100)]))
        second.append(1000 * await server.ask(name, [series_of(100)]))
    return Adapted(machines, max(took), first, second)


async def _variant(server: Server, model: str, file: str, suffix: str) -> str:
    body = {"model": model, "training_file": file, "suffix": suffix}
    path = f"{server.url}/v1/fine_tuning/jobs"
    async with server.session.post(path, json=body) as answer:
        job = await answer.json()
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(_SECONDS_A_TRY)
        async with server.session.get(f"{path}/{job['id']}") as answer:
            job = await answer.json()
    if job["status"] != "succeeded":
        raise RuntimeError(json.dumps(job["error"]))
    return str(job["fine_tuned_model"])


def _value(field: Mapping[str, Any]) -> Any:
    if field.get("values"):
        return field["values"][0]
    low, high = field.get("trained") or (field["minimum"], field["maximum"])
    return (low + high) / 2


def _busy() -> float:
    """Seconds of processor used by all processes so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)
