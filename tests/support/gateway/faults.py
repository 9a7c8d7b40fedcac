"""Gateways with a raw server as upstream, and the invariants after any end of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.raw_server import RawServer

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(count: int, text: bytes = b"w") -> bytes:
    """The n-th token of a stream in vLLM's format, as one chunk."""
    return chunk(
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"}}],'
        b'"usage":{"prompt_tokens":2,"completion_tokens":%d}}\n\n' % (text, count)
    )


def done(count: int) -> bytes:
    """The usage and the end of a stream."""
    usage = b'{"prompt_tokens":2,"completion_tokens":%d}' % count
    total = b'data: {"id":"c","choices":[],"usage":%b}\n\n' % usage
    return chunk(total) + chunk(b"data: [DONE]\n\n") + END


def answer(tokens: int = 3, padding: int = 0) -> bytes:
    """A complete plain response with 2 input tokens and a number of output tokens."""
    body = (
        b'{"id":"c","choices":[{"index":0,"message":{"content":"%b"}}],'
        b'"usage":{"prompt_tokens":2,"completion_tokens":%d}}' % (b"x" * padding, tokens)
    )
    return PLAIN + b"content-length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def run_before(
    raw: RawServer, database_url: str, data_dir: Path, **values: Any
) -> AsyncIterator[Gateway]:
    """A gateway with short timeouts; at the end no reservation is held and all records agree."""
    given = {
        "first_byte_timeout_s": 2.0,
        "idle_timeout_s": 2.0,
        "body_timeout_s": 2.0,
        "max_answer_bytes": 1 << 20,
        **values,
    }
    configured = builders.settings(database_url, data_dir, raw.url, **given)
    async with run_gateway(configured) as gateway:
        yield gateway
        await nothing_is_held(gateway)


async def nothing_is_held(gateway: Gateway) -> None:
    """Check that no call is open, and that leases are returned within a second."""
    for _ in range(70):
        found = await gateway.reconciled()
        if found.held == 0 and found.open_calls == 0:
            break
        await asyncio.sleep(0.15)
    assert (found.held, found.open_calls) == (0, 0)
    assert not found.differences


@asynccontextmanager
async def memory_within(mebibytes: int) -> AsyncIterator[None]:
    """Check the memory growth of this process, which runs gateway, client and upstream."""
    process = psutil.Process()
    before = peak = process.memory_info().rss

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert (peak - before) >> 20 < mebibytes
