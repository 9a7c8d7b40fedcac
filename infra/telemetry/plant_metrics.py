"""Prometheus metrics of readings of plant points (docs/observability.md)."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class ReadingMetrics:
    """Counters of readings that requests sent."""

    received: Counter


def declare_reading_metrics(registry: CollectorRegistry) -> ReadingMetrics:
    """Create the counters."""
    return ReadingMetrics(
        received=Counter(
            "maas_readings",
            "Readings of requests by format and outcome: new, revised, duplicate or refused.",
            ("format", "outcome"),
            registry=registry,
        )
    )
