"""Client of specialists through the gateway: latency, throughput and fine-tuning."""

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
_POLL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class SpecialistClient:
    """A client of the gateway, with the first model of each task."""

    session: aiohttp.ClientSession
    url: str
    by_task: Mapping[str, str]

    @classmethod
    async def connect(cls, session: aiohttp.ClientSession, url: str) -> "SpecialistClient":
        """Return a client after listing the gateway's models."""
        async with session.get(f"{url}/v1/models") as answer:
            answer.raise_for_status()
            models = (await answer.json())["data"]
        first: dict[str, str] = {}
        for model in models:
            first.setdefault(model["task"], model["id"])
        return cls(session, url, first)

    async def predict(self, model: str, rows: Sequence[Row]) -> float:
        """Return the seconds until the complete answer. Raises RuntimeError if the call fails."""
        began = time.perf_counter()
        body = {"model": model, "instances": rows}
        async with self.session.post(f"{self.url}/v1/predictions", json=body) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise RuntimeError(content.decode())
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Throughput:
    """Rows per second, and rows per second of CPU time."""

    rows_s: float
    rows_core_s: float


@dataclass(frozen=True, slots=True)
class FineTuningResult:
    """The seconds of a fine-tuning, and latencies of a variant's first and second call."""

    machines: int
    seconds: float
    first_ms: list[float]
    second_ms: list[float]


async def metadata(client: SpecialistClient, model: str) -> dict[str, Any]:
    """Return the model's metadata."""
    async with client.session.get(f"{client.url}/v2/models/{model}") as answer:
        answer.raise_for_status()
        content: dict[str, Any] = await answer.json()
        return content


def example_row(metadata: Mapping[str, Any]) -> Row:
    """Return a row in the middle of the model's training range."""
    return {field["name"]: _value(field) for field in metadata["parameters"]["signature"]["inputs"]}


def synthetic_series(cycles: int, seed: int = 1) -> Row:
    """Return synthetic sensor data of a turbofan engine that fails after `cycles` flights."""
    noise = random.Random(seed)  # not for cryptography
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


async def measure_latencies(
    client: SpecialistClient, model: str, row: Row, calls: int
) -> list[float]:
    """Return the milliseconds of consecutive calls."""
    return [1000 * await client.predict(model, [row]) for _ in range(calls)]


async def measure_throughput(
    client: SpecialistClient, model: str, rows: Sequence[Row], concurrency: int, seconds: float
) -> Throughput:
    """Return rows per second, and per CPU second of all processes, including this one."""
    until = time.perf_counter() + seconds
    began, busy = time.perf_counter(), _busy_cpu_s()

    async def call_repeatedly() -> int:
        call_times = 0
        while time.perf_counter() < until:
            await client.predict(model, rows)
            call_times += len(rows)
        return call_times

    call_times = sum(await asyncio.gather(*(call_repeatedly() for _ in range(concurrency))))
    took = time.perf_counter() - began
    return Throughput(call_times / took, call_times / (_busy_cpu_s() - busy))


async def measure_fine_tuning(
    client: SpecialistClient, model: str, machines: int, variants: int = 5
) -> FineTuningResult:
    """Fine-tune `variants` variants and call each twice."""
    lines = [
        json.dumps({"sensors": synthetic_series(150 + 10 * seed, seed)}) for seed in range(machines)
    ]
    form = aiohttp.FormData()
    form.add_field("purpose", "fine-tune")
    form.add_field("file", "\n".join(lines).encode(), filename="bench.jsonl")
    async with client.session.post(f"{client.url}/v1/files", data=form) as answer:
        answer.raise_for_status()
        file = (await answer.json())["id"]
    took, first, second = [], [], []
    for number in range(variants):
        began = time.perf_counter()
        name = await _variant(client, model, file, f"bench-{number}")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(1.0)  # the gateway learns the name within a second
        first.append(1000 * await client.predict(name, [synthetic_series(100)]))
        second.append(1000 * await client.predict(name, [synthetic_series(100)]))
    return FineTuningResult(machines, max(took), first, second)


async def _variant(client: SpecialistClient, model: str, file: str, suffix: str) -> str:
    body = {"model": model, "training_file": file, "suffix": suffix}
    path = f"{client.url}/v1/fine_tuning/jobs"
    async with client.session.post(path, json=body) as answer:
        job = await answer.json()
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(_POLL_INTERVAL_S)
        async with client.session.get(f"{path}/{job['id']}") as answer:
            job = await answer.json()
    if job["status"] != "succeeded":
        raise RuntimeError(json.dumps(job["error"]))
    return str(job["fine_tuned_model"])


def _value(field: Mapping[str, Any]) -> Any:
    if field.get("values"):
        return field["values"][0]
    low, high = field.get("trained") or (field["minimum"], field["maximum"])
    return (low + high) / 2


def _busy_cpu_s() -> float:
    """Return the CPU seconds of all processes so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)
