"""Every Prometheus metric, declared once with its meaning (docs/observability.md).

Owns names and labels of what calls and records count; what stands at a moment is in
infra/telemetry/platform_metrics.py. Labels are bounded (model, operation, settlement, status):
never a key or an account. Names follow OpenTelemetry's GenAI conventions where those have one, as
they read in Prometheus (docs/decisions/0027-names-of-opentelemetry.md). Nothing is ever billed from
here: the usage rows are the record.

Several processes: with `PROMETHEUS_MULTIPROC_DIR` set before the start, each process writes to
files there and `exposition` adds them up.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from infra.database.database import Absence
from infra.telemetry.platform_metrics import Standing, declare_standing

# What `gen_ai.provider.name` says of us: whose flavour of telemetry it is.
PROVIDER = "maas"
_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
# The conventions say which buckets each has.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)
_EACH = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(4**power for power in range(14))


@dataclass(frozen=True, slots=True)
class Metrics:
    """One set of metrics, bound to one registry."""

    registry: CollectorRegistry
    standing: Standing
    calls: Counter
    spend: Counter
    units: Mapping[str, Counter]
    included: Counter
    running: Gauge
    request_duration: Histogram
    first_token: Histogram
    each_token: Histogram
    tokens: Histogram
    operation_duration: Histogram
    first_chunk: Histogram
    settle_duration: Histogram
    settle_batch: Histogram
    settle_failures: Counter
    settle_dropped: Counter
    lease_changes: Counter
    processes_lost: Counter
    calls_unknown: Counter
    feedback: Counter
    database_absences: Counter

    def absence(self, pool: str) -> Callable[[Absence], None]:
        """What a pool of connections tells when the database was not there."""
        return lambda why: self.database_absences.labels(pool, why).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its content type."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def declare_metrics() -> Metrics:
    """Declare all of them in a registry of their own, so that each test can have a fresh set."""
    registry = CollectorRegistry()
    return Metrics(
        registry=registry,
        standing=declare_standing(registry),
        **_calls(registry),
        **_generation(registry),
        **_records(registry),
    )


def _forget_the_dead(folder: Path) -> None:
    """What a process said of the moment ends with it; what it counted stays."""
    said = {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}
    for process in said:
        if not psutil.pid_exists(process):
            mark_process_dead(process)  # type: ignore[no-untyped-call]


def _calls(registry: CollectorRegistry) -> dict[str, Any]:
    counter = partial(Counter, registry=registry)
    return {
        "calls": counter(
            "maas_calls",
            "Calls that ended, by how they were settled and the status sent.",
            ("operation", "model", "settlement", "status"),
        ),
        "spend": counter(
            "maas_spend",
            "What calls cost at their own prices, in the currency; bills are made of rows.",
            ("model", "currency"),
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


def _generation(registry: CollectorRegistry) -> dict[str, Any]:
    """`gen_ai.server.*` is the call as a customer sees it, `gen_ai.client.*` what we ask of a
    model's server; the error is a code of docs/errors.md, and empty where there was none."""
    histogram = partial(Histogram, registry=registry)
    return {
        "request_duration": histogram(
            "gen_ai_server_request_duration_seconds",
            "From the request's first byte to the answer's last, its record included.",
            (*_CALL, "error_type"),
            buckets=_SECONDS,
        ),
        "first_token": histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the request's first byte to the first event of a stream that ended well.",
            _CALL,
            buckets=_FIRST,
        ),
        "each_token": histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Of a stream that ended well, each token after the first, on average.",
            _CALL,
            buckets=_EACH,
        ),
        "tokens": histogram(
            "gen_ai_client_token_usage",
            "Billable tokens of a call.",
            (*_CALL, "gen_ai_token_type"),
            buckets=_TOKENS,
        ),
        "operation_duration": histogram(
            "gen_ai_client_operation_duration_seconds",
            "One try at a model's server, from sending to the last byte.",
            (*_CALL, "error_type"),
            buckets=_SECONDS,
        ),
        "first_chunk": histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "One try at a model's server, from sending to a stream's first event.",
            _CALL,
            buckets=_SECONDS,
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
        "database_absences": counter(
            "maas_database_unavailable",
            "Times that the database was not there for a pool of connections, by why.",
            ("pool", "reason"),
        ),
        "processes_lost": counter(
            "maas_gateway_processes_lost",
            "Gateway processes that were ended because they were not heard of in time.",
        ),
    }
