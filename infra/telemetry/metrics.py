"""Prometheus metrics of calls and usage records (docs/observability.md).

Gauges of the platform's state are in infra/telemetry/platform_metrics.py. Labels have few values,
never keys or accounts. Names follow OpenTelemetry's GenAI conventions
(docs/decisions/0027-opentelemetry-metric-names.md). Billing uses usage rows, never metrics.

With `PROMETHEUS_MULTIPROC_DIR` set before the start, each process writes to files there and
`exposition` aggregates them.
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

from infra.database.database import UnavailableReason
from infra.telemetry.admin_metrics import AdminMetrics, declare_admin_metrics
from infra.telemetry.agent_metrics import AgentMetrics, declare_agent_metrics
from infra.telemetry.own_model_metrics import OwnModelMetrics, declare_own_model_metrics
from infra.telemetry.plant_metrics import ReadingMetrics, declare_reading_metrics
from infra.telemetry.platform_metrics import PlatformGauges, declare_platform_gauges
from infra.telemetry.prediction_metrics import PredictionMetrics, declare_prediction_metrics

# Our value of `gen_ai.provider.name`.
PROVIDER = "maas"
_GENAI_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
# Histogram buckets as defined by OpenTelemetry's GenAI conventions.
_DURATION_BUCKETS = tuple(round(0.01 * 2**power, 2) for power in range(14))
_TIME_TO_FIRST_TOKEN_BUCKETS = (
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
_TIME_PER_TOKEN_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKEN_BUCKETS = tuple(4**power for power in range(14))


@dataclass(frozen=True, slots=True)
class Metrics:
    """All metrics of a process, bound to one registry."""

    registry: CollectorRegistry
    platform_gauges: PlatformGauges
    own_models: OwnModelMetrics
    agents: AgentMetrics
    readings: ReadingMetrics
    predictions: PredictionMetrics
    admin: AdminMetrics
    calls: Counter
    spend: Counter
    units: Mapping[str, Counter]
    included: Counter
    reasoning_tokens: Counter
    grounding: Counter
    line_checks: Counter
    hosted_answers: Counter
    decisions: Counter
    consultations: Counter
    decision_answers: Counter
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
    evaluation_runs: Counter
    evaluation_answers: Counter
    mcp_tool_calls: Counter
    batches: Counter
    batch_lines: Counter
    guard_actions: Counter
    payment_notifications: Counter
    input_counts_dropped: Counter
    database_absences: Counter
    catalog_reloads: Counter
    loop_failures: Counter
    upstream_rejections: Counter

    def count_unavailability(self, pool: str) -> Callable[[UnavailableReason], None]:
        """Return the callback by which a connection pool counts database unavailability."""
        return lambda why: self.database_absences.labels(pool, why).inc()

    def exposition(self) -> tuple[bytes, str]:
        """Return the Prometheus exposition text and its content type."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            _remove_dead_processes(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def declare_metrics() -> Metrics:
    """Create all metrics in a new registry."""
    registry = CollectorRegistry()
    return Metrics(
        registry=registry,
        platform_gauges=declare_platform_gauges(registry),
        own_models=declare_own_model_metrics(registry),
        agents=declare_agent_metrics(registry),
        readings=declare_reading_metrics(registry),
        predictions=declare_prediction_metrics(registry),
        admin=declare_admin_metrics(registry),
        **_call_metrics(registry),
        **_answer_metrics(registry),
        **_hosted_metrics(registry),
        **_genai_metrics(registry),
        **_usage_recording_metrics(registry),
        **_configuration_metrics(registry),
        payment_notifications=_payment_notifications(registry),
    )


def _remove_dead_processes(folder: Path) -> None:
    """Remove the live gauges of dead processes; their counters are kept."""
    pids = {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}
    for pid in pids:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _call_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the metrics of calls: counts, cost, billable units."""
    counter = partial(Counter, registry=registry)
    return {
        "calls": counter(
            "maas_calls",
            "Finished calls by settlement and response status.",
            ("operation", "model", "settlement", "status"),
        ),
        "spend": counter(
            "maas_spend",
            "Cost of calls at list or plan prices, by currency; invoices are computed "
            "from usage rows.",
            ("model", "currency"),
        ),
        # By meter, but for tokens.
        "units": {
            "rows": counter("maas_rows", "Billable rows of specialist models.", ("model",)),
            "images": counter("maas_images", "Billable images of specialist models.", ("model",)),
            "adaptation_seconds": counter(
                "maas_adaptation_seconds", "Billable fine-tuning time in seconds.", ("model",)
            ),
            "readings": counter("maas_readings_billed", "Billable stored readings.", ("model",)),
        },
        "included": counter(
            "maas_included_units",
            "Billable units covered by included units of a plan.",
            ("model", "meter"),
        ),
        "reasoning_tokens": counter(
            "maas_reasoning_tokens",
            "Tokens that models reasoned with, a part of the billable output tokens.",
            ("model",),
        ),
        "running": Gauge(
            "maas_calls_running",
            "Calls in progress.",
            registry=registry,
            multiprocess_mode="livesum",
        ),
        "calls_unknown": counter(
            "maas_calls_settled_unknown",
            "Calls of lost processes, settled as unknown and not billed.",
        ),
    }


def _hosted_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the metrics of chats with specialists."""
    counter = partial(Counter, registry=registry)
    return {
        "hosted_answers": counter(
            "maas_hosted_answers",
            "Chats with specialists by origin: verified, composed, asked, client_call or plain.",
            ("model", "origin"),
        ),
        "decisions": counter(
            "maas_decisions",
            "Decisions of specialists for chats, by verdict; `failed` for a failed call.",
            ("model", "verdict"),
        ),
        "consultations": counter(
            "maas_consultations",
            "Searches (file_search) and language models (model) that chats with specialists used: "
            "answered or failed.",
            ("kind", "outcome"),
        ),
    }


def _answer_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the metrics of the quality of answers: grounding, feedback, evaluations."""
    counter = partial(Counter, registry=registry)
    return {
        "grounding": counter(
            "maas_grounding",
            "Answers from passages by outcome: verified, quoted, not_found or unchecked.",
            ("model", "outcome"),
        ),
        "line_checks": counter("maas_line_checks", "Lines that a model checked.", ("verdict",)),
        "decision_answers": counter(
            "maas_decision_answers",
            "Answers to typed questions by what answered: specialist, language_model or refusal.",
            ("answered_by",),
        ),
        "feedback": counter(
            "maas_feedback",
            "Ratings of responses; a changed rating counts again.",
            ("model", "rating"),
        ),
        "evaluation_runs": counter(
            "maas_evaluation_runs",
            "Evaluation runs that ended, by status.",
            ("status",),
        ),
        "evaluation_answers": counter(
            "maas_evaluation_answers",
            "Questions of evaluation runs by result: correct, wrong or error.",
            ("result",),
        ),
        "mcp_tool_calls": counter(
            "maas_mcp_tool_calls",
            "Calls of MCP tools by kind of tool (model, search, account, unknown) and outcome.",
            ("tool", "outcome"),
        ),
        "batches": counter("maas_batches", "Batches that ended, by status.", ("status",)),
        "batch_lines": counter(
            "maas_batch_lines",
            "Lines of batches with a result, by outcome: completed or failed.",
            ("outcome",),
        ),
        "guard_actions": counter(
            "maas_guard_actions",
            "Texts that a guard refused or masked, by kind of rule, action and direction.",
            ("rule", "action", "direction"),
        ),
        "input_counts_dropped": counter(
            "maas_input_counts_dropped",
            "Calls of customers' models whose inputs were not counted for drift.",
        ),
    }


def _payment_notifications(registry: CollectorRegistry) -> Counter:
    """Create the counter of notifications of payment providers."""
    return Counter(
        "maas_payment_notifications",
        "Notifications of payment providers by provider and outcome.",
        ("method", "outcome"),
        registry=registry,
    )


def _genai_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the OpenTelemetry GenAI metrics of calls and of upstream requests.

    `gen_ai.server.*` is for the customer's call, `gen_ai.client.*` for requests to model servers.
    `error_type` is a code of docs/errors.md, or empty.
    """
    histogram = partial(Histogram, registry=registry)
    return {
        "request_duration": histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from the first byte of the request to the last byte of the response, "
            "including the usage row.",
            (*_GENAI_LABELS, "error_type"),
            buckets=_DURATION_BUCKETS,
        ),
        "first_token": histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from the first byte of the request to the first event of a successful stream.",
            _GENAI_LABELS,
            buckets=_TIME_TO_FIRST_TOKEN_BUCKETS,
        ),
        "each_token": histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Average time per token after the first of a successful stream.",
            _GENAI_LABELS,
            buckets=_TIME_PER_TOKEN_BUCKETS,
        ),
        "tokens": histogram(
            "gen_ai_client_token_usage",
            "Billable tokens per call.",
            (*_GENAI_LABELS, "gen_ai_token_type"),
            buckets=_TOKEN_BUCKETS,
        ),
        "operation_duration": histogram(
            "gen_ai_client_operation_duration_seconds",
            "Duration of one attempt at a model server, from sending to the last byte.",
            (*_GENAI_LABELS, "error_type"),
            buckets=_DURATION_BUCKETS,
        ),
        "first_chunk": histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time of one attempt at a model server, from sending to the first event of a stream.",
            _GENAI_LABELS,
            buckets=_DURATION_BUCKETS,
        ),
    }


def _usage_recording_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the metrics of recording usage: commits, leases, database outages, lost processes."""
    counter = partial(Counter, registry=registry)
    histogram = partial(Histogram, registry=registry)
    return {
        "settle_duration": histogram(
            "maas_settle_duration_seconds",
            "Duration of a group commit of intents and usage rows.",
            buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0),
        ),
        "settle_batch": histogram(
            "maas_settle_batch_rows",
            "Usage rows per group commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        ),
        "settle_failures": counter(
            "maas_settle_failures",
            "Group commits that failed and were retried.",
        ),
        "settle_dropped": counter(
            "maas_refusals_unrecorded",
            "Rejected calls without a valid key that were not recorded because the queue was full.",
        ),
        "lease_changes": counter(
            "maas_lease_changes",
            "Transactions that leased quota units or returned them.",
        ),
        "database_absences": counter(
            "maas_database_unavailable",
            "Times that the database was unavailable for a connection pool, by reason.",
            ("pool", "reason"),
        ),
        "processes_lost": counter(
            "maas_gateway_processes_lost",
            "Gateway processes declared lost because their heartbeat expired.",
        ),
    }


def _configuration_metrics(registry: CollectorRegistry) -> dict[str, Any]:
    """Create the metrics of what operators configure: catalog files and credentials."""
    counter = partial(Counter, registry=registry)
    reloads = counter(
        "maas_catalog_reloads",
        "Changed catalog files: applied, or refused because they are not valid.",
        ("result",),
    )
    for result in ("applied", "refused"):
        reloads.labels(result)  # from 0 on: an alert on the first one needs a value before it
    return {
        "catalog_reloads": reloads,
        "loop_failures": counter(
            "maas_background_loop_failures", "Unexpected errors of background loops.", ("loop",)
        ),
        "upstream_rejections": counter(
            "maas_upstream_credentials_rejected",
            "Attempts that an upstream refused because of its credentials or unpaid balance.",
            ("upstream",),
        ),
    }
