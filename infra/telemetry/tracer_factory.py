"""Which tracer a process has.

Owns that OpenTelemetry is loaded where a collector is configured, and nowhere else.
"""

from importlib import import_module
from typing import cast

from infra.telemetry.tracing import Silent, Tracer


def tracer_of(endpoint: str | None, service: str) -> Tracer:
    """What sends spans to a collector at this base address; nothing is traced where it is None."""
    if endpoint is None:
        return Silent()
    # Loaded only now: it takes a third of a second and some megabytes.
    return cast(Tracer, import_module("infra.telemetry.otlp").OtlpTracer(endpoint, service))
