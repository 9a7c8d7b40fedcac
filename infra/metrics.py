"""Every Prometheus metric, declared once with its meaning.

Owns names and labels. Labels are bounded (model, operation, settlement, status): never a key or
an account. Names follow OpenTelemetry's GenAI conventions where those have one. Nothing is ever
billed from here: the usage rows are the record.

Several processes: with `PROMETHEUS_MULTIPROC_DIR` set before the start, each process writes to
files there and `exposition` adds them up.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


@dataclass(frozen=True, slots=True)
class Metrics:
    """One set of metrics, bound to one registry."""

    registry: CollectorRegistry
    calls: Counter
    tokens: Counter
    units: Mapping[str, Counter]
    included: Counter
    duration: Histogram
    first_chunk: Histogram
    running: Gauge
    settle_duration: Histogram
    settle_batch: Histogram
    settle_failures: Counter
    settle_dropped: Counter
    lease_changes: Counter
    processes_lost: Counter
    calls_unknown: Counter
    feedback: Counter

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its content type."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def declare_metrics() -> Metrics:
    """Declare all of them in a registry of their own, so that each test can have a fresh set."""
    registry = CollectorRegistry()
    return Metrics(registry=registry, **_calls(registry), **_records(registry))


def _calls(registry: CollectorRegistry) -> dict[str, Any]:
    counter = partial(Counter, registry=registry)
    histogram = partial(Histogram, registry=registry, buckets=_SECONDS)
    return {
        "calls": counter(
            "maas_calls",
            "Calls that ended, by how they were settled and the status sent.",
            ("operation", "model", "settlement", "status"),
        ),
        "tokens": counter(
            "gen_ai_client_token_usage",
            "Billable tokens.",
            ("model", "token_type"),
        ),
        # By meter, but for tokens.
        "units": {
            "rows": counter("maas_rows", "Billable rows of specialists.", ("model",)),
            "images": counter("maas_images", "Billable pictures of specialists.", ("model",)),
            "adaptation_seconds": counter(
                "maas_adaptation_seconds", "Billable time of adapting specialists.", ("model",)
            ),
        },
        "included": counter(
            "maas_included_units",
            "Billable units that cost nothing because a plan includes them.",
            ("model", "meter"),
        ),
        "duration": histogram(
            "gen_ai_client_operation_duration_seconds",
            "From the request's first byte to the answer's last.",
            ("operation", "model"),
        ),
        "first_chunk": histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "From the request's first byte to the first event of a stream.",
            ("operation", "model"),
        ),
        "running": Gauge(
            "maas_calls_running",
            "Calls that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        ),
        "feedback": counter(
            "maas_feedback",
            "Ratings of answers; one that is changed counts again.",
            ("model", "rating"),
        ),
        "calls_unknown": counter(
            "maas_calls_settled_unknown",
            "Calls of lost processes, settled as unknown and billed nothing.",
        ),
    }


def _records(registry: CollectorRegistry) -> dict[str, Any]:
    counter = partial(Counter, registry=registry)
    histogram = partial(Histogram, registry=registry)
    return {
        "settle_duration": histogram(
            "maas_settle_duration_seconds",
            "One group commit of intents and usage rows.",
            buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0),
        ),
        "settle_batch": histogram(
            "maas_settle_batch_rows",
            "Usage rows in one group commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        ),
        "settle_failures": counter(
            "maas_settle_failures",
            "Group commits that failed and were tried again.",
        ),
        "settle_dropped": counter(
            "maas_refusals_unrecorded",
            "Refusals of callers without a valid key that were not recorded, the queue being full.",
        ),
        "lease_changes": counter(
            "maas_lease_changes",
            "Transactions that borrowed from quotas or gave back.",
        ),
        "processes_lost": counter(
            "maas_gateway_processes_lost",
            "Gateway processes that were ended because they were not heard of in time.",
        ),
    }
