"""Export of Ray Serve's trace spans to the gateway's OTLP collector.

Ray imports `span_processors` by the dotted name in environment.py, in each process that handles
requests.
"""

import os

from opentelemetry.sdk.trace import SpanProcessor

from infra.telemetry.otlp import span_processor
from serving.cluster.environment import traces_endpoint


def span_processors() -> list[SpanProcessor]:
    """Return the OTLP span processor; an empty list if no collector is configured."""
    endpoint = traces_endpoint(os.environ)
    return [] if endpoint is None else [span_processor(endpoint)]
