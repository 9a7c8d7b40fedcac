"""Prometheus metrics of plant points, graphs and connectors (docs/observability.md)."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(frozen=True, slots=True)
class ReadingMetrics:
    """Counters of readings that requests sent, and of verdicts; `graph` are those of the graph."""

    received: Counter
    verdicts: Counter
    graph: "GraphMetrics"


def declare_reading_metrics(registry: CollectorRegistry) -> ReadingMetrics:
    """Create the counters."""
    return ReadingMetrics(
        received=Counter(
            "maas_readings",
            "Readings of requests by format and outcome: new, revised, duplicate or refused.",
            ("format", "outcome"),
            registry=registry,
        ),
        verdicts=Counter(
            "maas_asset_verdicts",
            "Verdicts of specialists on assets by outcome: stored or failed.",
            ("outcome",),
            registry=registry,
        ),
        graph=declare_graph_metrics(registry),
    )


@dataclass(frozen=True, slots=True)
class ConnectorMetrics:
    """Metrics of a connector process, at the port of its configuration file."""

    received: Counter
    kept: Counter
    dropped: Counter
    problems: Counter
    rebirths: Counter
    forwarded: Counter
    connected: Gauge
    clock_skew: Gauge
    queue_bytes: Gauge
    commands: Counter
    safe_values: Counter


def declare_connector_metrics(registry: CollectorRegistry) -> ConnectorMetrics:
    """Create the counters and gauges; `source` is an address, of a broker with the client id."""
    counter = partial(Counter, registry=registry)
    gauge = partial(Gauge, registry=registry)
    return ConnectorMetrics(
        received=counter("maas_connector_received", "Readings that sources sent."),
        kept=counter("maas_connector_kept", "Readings that filters kept."),
        dropped=counter("maas_connector_dropped", "Readings lost because the queue was full."),
        problems=counter(
            "maas_connector_problems",
            "Messages and metrics that could not be used, by source and reason.",
            ("source", "reason"),
        ),
        rebirths=counter(
            "maas_connector_rebirth_requests",
            "Requests for births of Sparkplug B edge nodes.",
            ("source",),
        ),
        forwarded=counter(
            "maas_connector_forwarded",
            "Readings of batches that the gateway answered: stored, duplicate or refused.",
            ("outcome",),
        ),
        connected=gauge(
            "maas_connector_connected", "1 while a source is connected, else 0.", ("source",)
        ),
        clock_skew=gauge(
            "maas_connector_clock_skew_seconds",
            "How far the clock of the last Sparkplug B sender is behind the connector's.",
            ("source",),
        ),
        queue_bytes=gauge("maas_connector_queue_bytes", "Batches that wait on disk, in bytes."),
        commands=counter(
            "maas_connector_commands",
            "Commands of agents by status (done, refused or not_confirmed) and code.",
            ("status", "code"),
        ),
        safe_values=counter(
            "maas_connector_safe_values",
            "Safe values that dead-man timers wrote, by status: done or not_confirmed.",
            ("status",),
        ),
    )


@dataclass(frozen=True, slots=True)
class GraphMetrics:
    """Counters of SPARQL queries and of questions in words on plant graphs."""

    queries: Counter
    questions: Counter


def declare_graph_metrics(registry: CollectorRegistry) -> GraphMetrics:
    """Create the counters."""
    return GraphMetrics(
        queries=Counter(
            "maas_plant_graph_queries",
            "SPARQL queries on plant graphs by outcome: ok, or the code of the error.",
            ("outcome",),
            registry=registry,
        ),
        questions=Counter(
            "maas_plant_questions",
            "Questions in words by status and by what understood them: rules, model or nothing.",
            ("status", "understood_by"),
            registry=registry,
        ),
    )
