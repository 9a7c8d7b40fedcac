"""Prometheus metrics of the prediction ledger (docs/observability.md)."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class PredictionMetrics:
    """Counters of the prediction ledger."""

    records: Counter


def declare_prediction_metrics(registry: CollectorRegistry) -> PredictionMetrics:
    """Create the counters."""
    return PredictionMetrics(
        records=Counter(
            "maas_prediction_records",
            "Prediction records that requests sent, by source and verdict; repeats included.",
            ("source", "verdict"),
            registry=registry,
        )
    )
