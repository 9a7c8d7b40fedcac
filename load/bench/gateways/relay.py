"""A bare relay: Litestar and aiohttp, which only pass calls on.

The least that a gateway on the same framework and server costs. Run as `python -m
load.bench.gateways.relay PORT UPSTREAM`.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send

_JSON = {"content-type": "application/json"}


def main() -> None:
    """Serve until the process is stopped."""
    port, upstream = map(int, sys.argv[1:])
    uvicorn.run(
        create_app(f"http://127.0.0.1:{upstream}/v1/chat/completions"),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        backlog=2048,
    )


def create_app(url: str) -> Litestar:
    """Return the relay to the address of chat completions."""

    @asynccontextmanager
    async def pool(app: Litestar) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as session:
            app.state.session = session
            yield

    @asgi("/v1/chat/completions", copy_scope=False)
    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        session: aiohttp.ClientSession = scope["litestar_app"].state.session
        body = await _body(receive)
        async with session.post(url, data=body, headers=_JSON) as answer:
            if b'"stream":true' in body:
                await _send_stream(answer, send)
            else:
                await _send_whole(answer, send)

    return Litestar([chat], lifespan=[pool], openapi_config=None, logging_config=None)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.request":
            parts.append(message["body"])
        if message["type"] != "http.request" or not message["more_body"]:
            return b"".join(parts)


async def _send_whole(answer: aiohttp.ClientResponse, send: Send) -> None:
    body = await answer.read()
    await _send_start(answer, send, {b"content-length": str(len(body)).encode()})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_stream(answer: aiohttp.ClientResponse, send: Send) -> None:
    await _send_start(answer, send, {})
    async for piece in answer.content.iter_any():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_start(
    answer: aiohttp.ClientResponse, send: Send, headers: Mapping[bytes, bytes]
) -> None:
    kind = answer.headers["content-type"].encode()
    pairs = [(b"content-type", kind), *headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})


if __name__ == "__main__":
    main()
