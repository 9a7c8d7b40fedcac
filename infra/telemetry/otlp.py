"""Spans of calls, sent to a collector by OTLP over HTTP.

Spans wait in a bounded queue that another thread empties: a collector that is slow or away loses
spans, and nothing else. W3C's `traceparent` is taken in and passed on.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from infra.errors import AppError
from infra.telemetry.tracing import Trace, Untraced, Value

# For a collector to take a batch, and all that waits when the process stops.
_EXPORT_S = 5.0
_STOP_S = 3.0
_CONTEXT = ("traceparent", "tracestate")


def span_processor(endpoint: str) -> BatchSpanProcessor:
    """What gathers spans and sends them to the collector at this base address."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
    return BatchSpanProcessor(exporter)


class OtlpTracer:
    """Traces of one process, sent to the collector at this base address."""

    def __init__(self, endpoint: str, service: str) -> None:
        self._provider = _provider(endpoint, service)
        self._tracer = self._provider.get_tracer("maas")

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        """Send what waits, for a moment: a collector that hangs must not hold up the end."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, _STOP_S)

    def call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        parent = _parent(headers)
        began = int(started_at * 1e9)
        span = self._tracer.start_span("call", parent, SpanKind.SERVER, start_time=began)
        return _Traced(self._tracer, span) if span.is_recording() else _Passing(span)


class _Traced:
    """A call whose spans are kept."""

    __slots__ = ("_context", "_span", "_tracer")

    def __init__(self, tracer: api.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = api.set_span_in_context(span, Context())

    @property
    def id(self) -> str | None:
        return api.format_trace_id(self._span.get_span_context().trace_id)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with _told(self._tracer.start_span(name, self._context)):
            yield

    @contextmanager
    def sending(self, server: str) -> Iterator[Mapping[str, str]]:
        attributes = {"server.address": server}
        span = self._tracer.start_span(
            "upstream", self._context, SpanKind.CLIENT, attributes=attributes
        )
        with _told(span):
            yield _headers(span)

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        self._span.update_name(name)
        self._span.set_attributes(dict(attributes))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _Passing(Untraced):
    """A call that is not sampled, which those behind us are told, so that they need not decide."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def sending(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        return nullcontext(_headers(self._span))


@contextmanager
def _told(span: Span) -> Iterator[None]:
    """The block's span. An error's code is told, never its text: that may be a customer's."""
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, AppError) else type(error).__name__
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def _provider(endpoint: str, service: str) -> TracerProvider:
    """What is not said here is said by OpenTelemetry's own variables, as the sampler."""
    resource = Resource.create({"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(span_processor(endpoint))
    return provider


def _parent(headers: Mapping[bytes, bytes]) -> Context:
    carrier = {
        name: found.decode("latin-1")
        for name in _CONTEXT
        if (found := headers.get(name.encode())) is not None
    }
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _headers(span: Span) -> Mapping[str, str]:
    carried: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carried, api.set_span_in_context(span, Context()))
    return carried
