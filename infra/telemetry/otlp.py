"""OpenTelemetry tracer: exports the spans of calls by OTLP over HTTP.

Spans are exported by another thread from a bounded queue: with a slow or missing collector only
spans are lost. W3C `traceparent` is accepted and propagated.
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
from infra.telemetry.tracing import NoopTrace, Trace, Value

# Timeouts to export a batch, and to flush the queue at shutdown.
_EXPORT_TIMEOUT_S = 5.0
_SHUTDOWN_TIMEOUT_S = 3.0
_TRACE_HEADERS = ("traceparent", "tracestate")


def span_processor(endpoint: str) -> BatchSpanProcessor:
    """Create the processor that batches spans and exports them to a collector's base URL."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
    return BatchSpanProcessor(exporter)


class OtlpTracer:
    """A tracer that exports the traces of one process to a collector's base URL."""

    def __init__(self, endpoint: str, service: str) -> None:
        self._provider = _create_provider(endpoint, service)
        self._tracer = self._provider.get_tracer("maas")

    async def start(self) -> None:
        """Do nothing: the constructor has started the export."""
        return None

    async def stop(self) -> None:
        """Flush pending spans, with a timeout, so that a hanging collector cannot block."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, _SHUTDOWN_TIMEOUT_S)

    def start_call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        """Start a call's span as a child of its headers' trace, at `started_at` (Unix seconds)."""
        parent = _extract_context(headers)
        began = int(started_at * 1e9)
        span = self._tracer.start_span("call", parent, SpanKind.SERVER, start_time=began)
        return _SampledTrace(self._tracer, span) if span.is_recording() else _UnsampledTrace(span)


class _SampledTrace:
    """The trace of a sampled call."""

    __slots__ = ("_context", "_span", "_tracer")

    def __init__(self, tracer: api.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = api.set_span_in_context(span, Context())

    @property
    def id(self) -> str | None:
        """The trace id in hexadecimal, for logs."""
        return api.format_trace_id(self._span.get_span_context().trace_id)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Context of the span of a stage `name` of the call; errors are recorded and raised."""
        with _record_errors(self._tracer.start_span(name, self._context)):
            yield

    @contextmanager
    def upstream_request(self, server: str) -> Iterator[Mapping[str, str]]:
        """Context of an upstream request's span; yields its trace headers."""
        attributes = {"server.address": server}
        span = self._tracer.start_span(
            "upstream", self._context, SpanKind.CLIENT, attributes=attributes
        )
        with _record_errors(span):
            yield _inject_context(span)

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        """Set name and attributes of the call's span and end it; `error` is a code or None."""
        self._span.update_name(name)
        self._span.set_attributes(dict(attributes))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _UnsampledTrace(NoopTrace):
    """The trace of an unsampled call; only the sampling decision is propagated upstream."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def upstream_request(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        """Context without a span; yields the headers that tell the upstream not to sample."""
        return nullcontext(_inject_context(self._span))


@contextmanager
def _record_errors(span: Span) -> Iterator[None]:
    """Context that records the code of an error on the span, raises it and ends the span.

    The error's text may contain customer data and is not recorded.
    """
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, AppError) else type(error).__name__
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def _create_provider(endpoint: str, service: str) -> TracerProvider:
    """Create the tracer provider; its other options are OpenTelemetry's environment variables."""
    resource = Resource.create({"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(span_processor(endpoint))
    return provider


def _extract_context(headers: Mapping[bytes, bytes]) -> Context:
    """Return the W3C trace context of a call's headers; empty if there is none."""
    carrier = {
        name: value.decode("latin-1")
        for name in _TRACE_HEADERS
        if (value := headers.get(name.encode())) is not None
    }
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _inject_context(span: Span) -> Mapping[str, str]:
    """Return the W3C trace headers that make `span` the parent of the upstream's spans."""
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, api.set_span_in_context(span, Context()))
    return headers
