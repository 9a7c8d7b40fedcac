"""A fake OTLP collector on a real socket that stores spans or hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.fakes.listening import listening


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    attributes: dict[str, Any]
    service: str
    began: int
    ended: int


@dataclass
class Collector:
    """A collector; with `hangs` it accepts requests and never responds."""

    url: str = ""
    hangs: bool = False
    requests: int = 0
    spans: list[Span] = field(default_factory=list)

    async def wait_for(self, name: str, number: int = 1) -> list[Span]:
        """The spans of this name, once there are so many."""
        for _ in range(200):
            found = [span for span in self.spans if span.name == name]
            if len(found) >= number:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {number} spans {name!r}, but {[s.name for s in self.spans]}")

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests += 1
        if self.hangs:
            await asyncio.sleep(60)
        assert request.content_type == "application/x-protobuf"
        self.keep(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    def keep(self, request: ExportTraceServiceRequest) -> None:
        for of_resource in request.resource_spans:
            service = _values(of_resource.resource.attributes).get("service.name", "")
            for of_scope in of_resource.scope_spans:
                self.spans += [_span(one, service) for one in of_scope.spans]


@asynccontextmanager
async def run_collector(hangs: bool = False) -> AsyncIterator[Collector]:
    """Serve until the block ends."""
    collector, app = Collector(hangs=hangs), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with listening(app) as url:
        collector.url = url
        yield collector


def _span(one: Any, service: str) -> Span:
    return Span(
        name=one.name,
        trace=one.trace_id.hex(),
        id=one.span_id.hex(),
        parent=one.parent_span_id.hex(),
        kind=one.kind,
        failed=one.status.code == 2,
        attributes=_values(one.attributes),
        service=service,
        began=one.start_time_unix_nano,
        ended=one.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
