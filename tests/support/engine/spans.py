"""Spans sent by the engine, for tests in all processes of the run.

The collector runs in a thread of the process that leads the run, because the engine is told its
address when it starts. Tests ask it by HTTP.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass

import httpx
from aiohttp import web

from tests.support.fakes.listening import listening
from tests.support.fakes.otlp_collector import Collector, Span

_WAIT_S = 60.0
_POLL_S = 0.1


class SpanCollector:
    """Receives spans until it is stopped."""

    def __init__(self) -> None:
        self.url = ""
        self._collector = Collector()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/traces", self._collector.take)
        app.router.add_get("/spans", self._show)
        async with listening(app) as self.url:
            self._ready.set()
            await self._stopping.wait()

    async def _show(self, request: web.Request) -> web.Response:
        trace = request.query.get("trace")
        spans = [one for one in self._collector.spans if trace in (None, one.trace)]
        return web.json_response([asdict(one) for one in spans])


@dataclass(frozen=True)
class Spans:
    """The spans received by the collector at `url`."""

    url: str

    async def of(self, trace: str | None = None) -> list[Span]:
        """The spans of one trace, or all."""
        query = {} if trace is None else {"trace": trace}
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            return [Span(**one) for one in (await http.get("/spans", params=query)).json()]

    async def wait_for(self, name: str, trace: str | None = None) -> Span:
        """Wait for the span with this name."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                found = [one for one in await self.of(trace) if one.name == name]
                if found:
                    (one,) = found
                    return one
                await asyncio.sleep(_POLL_S)
