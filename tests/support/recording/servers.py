"""Model servers on a real socket: one answers from a recording, one records the real engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from tests.support.builders import CATALOG
from tests.support.fakes.listening import listening
from tests.support.recording.recordings import Answer, Recording, Request

_HEALTH = "/v2/health/ready"
# Of the engine's answer, what a gateway reads.
_HEADERS = ("content-type", "x-maas-error", "inference-header-content-length")
# Of the gateway's request, what belongs to its connection.
_HOP = {"host", "content-length", "transfer-encoding", "connection"}
_MOST_BYTES = 64 << 20
_UNKNOWN = 501


@asynccontextmanager
async def replaying(recording: Recording) -> AsyncIterator[str]:
    """Serve the recording; yields the URL. Fails at the end if a request had no recording."""
    unknown: list[Request] = []

    async def answer(web_request: web.Request) -> web.StreamResponse:
        request = await _request_of(web_request)
        found = recording.find(request)
        if found is None:
            unknown.append(request)
            return web.Response(status=_UNKNOWN, text="This request was not recorded.")
        return await _send(web_request, found)

    async with listening(_app(answer)) as url:
        yield url
    assert not unknown, (
        f"{recording.path.name} has no answer to {unknown[0].method} {unknown[0].path} with "
        f"{unknown[0].body!r}. `make record` records the answers of the real engine again."
    )


@asynccontextmanager
async def recorded(engine_url: str, recording: Recording) -> AsyncIterator[str]:
    """Forward all requests to the engine and record them; yields the URL."""
    connector = TCPConnector(limit=0)
    async with ClientSession(
        engine_url, connector=connector, timeout=ClientTimeout(total=600), auto_decompress=False
    ) as engine:

        async def answer(web_request: web.Request) -> web.StreamResponse:
            request = await _request_of(web_request)
            headers = {k: v for k, v in web_request.headers.items() if k.lower() not in _HOP}
            async with engine.request(
                web_request.method,
                web_request.rel_url,
                headers=headers,
                data=await web_request.read(),
            ) as response:
                found = await _answer_of(response)
            recording.add(request, found)
            return await _send(web_request, found)

        async with listening(_app(answer)) as url:
            yield url


def _app(answer: Any) -> web.Application:
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_get(_HEALTH, _health)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _health(_request: web.Request) -> web.Response:
    """Health probes of gateways, whose number varies: never recorded."""
    return web.json_response({"ready": True, "models": dict.fromkeys(CATALOG.models, True)})


async def _request_of(request: web.Request) -> Request:
    return Request.of(request.method, request.path_qs, await request.read())


async def _answer_of(response: Any) -> Answer:
    """The response with the engine's chunks."""
    chunks, current = [], b""
    async for data, ends in response.content.iter_chunks():
        current += data
        if ends:
            chunks.append(current.decode())
            current = b""
    chunks += [current.decode()] if current else []
    headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    return Answer(response.status, headers, "content-length" not in response.headers, chunks)


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    if not answer.chunked:
        text = "".join(answer.chunks).encode()
        return web.Response(status=answer.status, headers=answer.headers, body=text)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    await response.prepare(request)
    for chunk in answer.chunks:
        await response.write(chunk.encode())
    await response.write_eof()
    return response
