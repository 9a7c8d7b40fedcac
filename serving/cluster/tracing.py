"""Spans of Ray Serve, sent where the gateway's go.

Ray asks for this function by its name (environment.py says it) in each process that handles
requests.
"""

import os

from opentelemetry.sdk.trace import SpanProcessor

from infra.telemetry.otlp import span_processor
from serving.cluster.environment import traces_endpoint


def span_processors() -> list[SpanProcessor]:
    """None where no collector is configured."""
    endpoint = traces_endpoint(os.environ)
    return [] if endpoint is None else [span_processor(endpoint)]
