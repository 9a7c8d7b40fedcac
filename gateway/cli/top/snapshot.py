"""The data of `maas top`: traffic, spend, models, errors and jobs, from the gateway's metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.top.prometheus import MetricsDelta, MetricsReading, metrics_delta

_CALL_DURATION = "gen_ai_server_request_duration_seconds"
_MODEL_LABEL = "gen_ai_request_model"
_TOKENS = "gen_ai_client_token_usage_sum"
_MAX_ERRORS = 8


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model's figures: rates per second, latencies of whole calls in seconds. `up` is None if
    unknown."""

    model: str
    up: bool | None
    calls: float
    tokens: float
    p50: float | None
    p95: float | None
    waiting: int
    spend: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ErrorState:
    """The number of errors with one code: in the window, and since the gateways started."""

    code: str
    model: str
    recent: int
    total: int


@dataclass(frozen=True, slots=True)
class JobState:
    """A kind of job; `due_s` is the seconds since it was last due."""

    job: str
    due_s: float | None
    waiting: int
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class TopSnapshot:
    """All figures of `maas top` at one time.

    `spend` is per minute, by currency; `ready` is the body of /health/ready; `platform_age_s` is
    the age of the job and delivery figures.
    """

    seconds: float
    ready: Mapping[str, Any]
    calls: float
    tokens: float
    p50: float | None
    p95: float | None
    first_token_p95: float | None
    running: int
    waiting: int
    spend: Mapping[str, float]
    records_failing: bool
    workers: int
    outside_failed: int
    differences: int
    platform_age_s: float | None
    models: tuple[ModelState, ...]
    errors: tuple[ErrorState, ...]
    jobs: tuple[JobState, ...]


def build_snapshot(
    before: MetricsReading, after: MetricsReading, ready: Mapping[str, Any], now: float
) -> TopSnapshot:
    """Build a snapshot from two readings and readiness; `now` is Unix time."""
    delta = metrics_delta(before, after)
    read_at = after.value("maas_platform_read_timestamp_seconds")
    return TopSnapshot(
        seconds=delta.seconds,
        ready=ready,
        calls=delta.rate("maas_calls_total"),
        tokens=delta.rate(_TOKENS),
        p50=delta.quantile(0.5, _CALL_DURATION),
        p95=delta.quantile(0.95, _CALL_DURATION),
        first_token_p95=delta.quantile(0.95, "gen_ai_server_time_to_first_token_seconds"),
        running=_to_int(after.value("maas_calls_running")),
        waiting=_to_int(after.value("maas_calls_waiting")),
        spend=_spend_per_minute(delta),
        records_failing=bool(after.value("maas_records_failing")),
        workers=_to_int(after.value("maas_workers")),
        outside_failed=_to_int(after.value("maas_outbox", state="failed")),
        differences=_to_int(after.value("maas_check_differences")),
        platform_age_s=now - read_at if read_at else None,
        models=_model_states(delta, after),
        errors=_error_states(delta, after),
        jobs=_job_states(after, now),
    )


def _model_states(delta: MetricsDelta, after: MetricsReading) -> tuple[ModelState, ...]:
    """Return the states of served and called models, the busiest first."""
    up = after.values_by_label("maas_model_up", "model")
    names = {*up, *after.values_by_label(f"{_CALL_DURATION}_count", _MODEL_LABEL)} - {""}
    states = [_model_state(name, up.get(name), delta, after) for name in names]
    return tuple(sorted(states, key=lambda state: (-state.calls, state.model)))


def _model_state(
    name: str, up: float | None, delta: MetricsDelta, after: MetricsReading
) -> ModelState:
    """Return the state of one model."""
    return ModelState(
        model=name,
        up=None if up is None else up > 0,
        calls=delta.rate("maas_calls_total", model=name),
        tokens=delta.rate(_TOKENS, gen_ai_request_model=name),
        p50=delta.quantile(0.5, _CALL_DURATION, gen_ai_request_model=name),
        p95=delta.quantile(0.95, _CALL_DURATION, gen_ai_request_model=name),
        waiting=_to_int(after.value("maas_calls_waiting", model=name)),
        spend=_spend_per_minute(delta, model=name),
    )


def _spend_per_minute(delta: MetricsDelta, **labels: str) -> dict[str, float]:
    """Return the spend per minute, by currency."""
    spent = delta.changes.values_by_label("maas_spend_total", "currency", **labels)
    return {currency: value * 60 / delta.seconds for currency, value in spent.items() if value}


def _error_states(delta: MetricsDelta, after: MetricsReading) -> tuple[ErrorState, ...]:
    """Return the top errors by code and model, most frequent since the earlier reading first."""
    errors = []
    for labels, total in after.samples.get(f"{_CALL_DURATION}_count", {}).items():
        label_values = dict(labels)
        if label_values.get("error_type") and total:
            recent = delta.changes.samples[f"{_CALL_DURATION}_count"][labels]
            code, model = label_values["error_type"], label_values.get(_MODEL_LABEL, "")
            errors.append(ErrorState(code, model, round(recent), round(total)))
    order = sorted(errors, key=lambda error: (-error.recent, -error.total, error.code, error.model))
    return tuple(order[:_MAX_ERRORS])


def _job_states(after: MetricsReading, now: float) -> tuple[JobState, ...]:
    """Return the state of each kind of job: when it was due, and how many wait, run or failed."""
    due = after.values_by_label("maas_job_due_timestamp_seconds", "job")
    states = {
        state: after.values_by_label("maas_jobs", "job", state=state)
        for state in ("waiting", "running", "failed")
    }
    return tuple(
        JobState(
            job=name,
            due_s=now - due[name] if name in due else None,
            waiting=_to_int(states["waiting"].get(name)),
            running=_to_int(states["running"].get(name)),
            failed=_to_int(states["failed"].get(name)),
        )
        for name in sorted({*due, *states["waiting"]})
    )


def _to_int(value: float | None) -> int:
    """Round a sample to an integer, 0 if there is none."""
    return round(value or 0)
