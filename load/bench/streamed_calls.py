"""Streamed completions against any OpenAI-compatible server: throughput and time to first token."""

import asyncio
import json
import time
from dataclasses import dataclass

import aiohttp

TOKENS = 64


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test; `model` is its name for the model."""

    name: str
    url: str
    model: str
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class CallMeasurement:
    """One call: seconds to the first token and in total, and tokens generated."""

    first_token_s: float
    total_s: float
    tokens: int


async def stream_completion(
    session: aiohttp.ClientSession, server: Server, prompt: str
) -> CallMeasurement:
    """Generate exactly `TOKENS` tokens. Raises RuntimeError for another number."""
    headers = {"authorization": f"Bearer {server.api_key}"} if server.api_key else {}
    body = {
        "model": server.model,
        "prompt": prompt,
        "max_tokens": TOKENS,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    started = time.perf_counter()
    first = usage = None
    async with session.post(f"{server.url}/v1/completions", json=body, headers=headers) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            if first is None:
                first = time.perf_counter()
            if b'"choices":[]' in line:
                usage = json.loads(line[6:])["usage"]["completion_tokens"]
    if first is None or usage != TOKENS:
        raise RuntimeError(f"{server.name} generated {usage} tokens instead of {TOKENS}")
    return CallMeasurement(first - started, time.perf_counter() - started, usage)


async def throughput(server: Server, calls: int, concurrency: int, salt: str) -> float:
    """Return the tokens per second of `calls` streams, `concurrency` of them at a time."""
    gate = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> CallMeasurement:
            async with gate:
                return await stream_completion(session, server, prompt(salt, number))

        started = time.perf_counter()
        done = await asyncio.gather(*(one(number) for number in range(calls)))
        return sum(call.tokens for call in done) / (time.perf_counter() - started)


async def first_token_latency(server: Server, salt: str, number: int) -> float:
    """Return the seconds to the first token of a single call on an open connection."""
    async with aiohttp.ClientSession() as session:
        await stream_completion(session, server, prompt(salt, 2 * number))
        return (
            await stream_completion(session, server, prompt(salt, 2 * number + 1))
        ).first_token_s


def prompt(salt: str, number: int) -> str:
    """Return a unique prompt, so that no prefix cache shortens the work."""
    return f"{salt}-{number}: a spindle bearing runs hot after a change of grease, because"
