"""What `maas top` tells of a gateway: traffic, money, models, errors and jobs at this moment.

Owns what is told, from readings of the metrics and of readiness. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.top.prometheus import Between, Reading, between

_CALL = "gen_ai_server_request_duration_seconds"
_MODEL = "gen_ai_request_model"
_TOKENS = "gen_ai_client_token_usage_sum"
_MOST_ERRORS = 8


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model: rates are a second, latencies seconds of whole calls. `up` None: not known."""

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
    """Errors of one code: how many in the time looked at, and since the gateways started."""

    code: str
    model: str
    recent: int
    total: int


@dataclass(frozen=True, slots=True)
class JobState:
    """A kind of job; `due_s` is how long ago it was last due."""

    job: str
    due_s: float | None
    waiting: int
    running: int
    failed: int


@dataclass(frozen=True, slots=True)
class Top:
    """All of it. `spend` is a minute's, by currency; `ready` is what /health/ready says, and
    `platform_age_s` how old jobs and deliveries are."""

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


def look(before: Reading, after: Reading, ready: Mapping[str, Any], now: float) -> Top:
    """From two readings; `now` is seconds since 1970."""
    past = between(before, after)
    asked_at = after.value("maas_platform_read_timestamp_seconds")
    return Top(
        seconds=past.seconds,
        ready=ready,
        calls=past.rate("maas_calls_total"),
        tokens=past.rate(_TOKENS),
        p50=past.quantile(0.5, _CALL),
        p95=past.quantile(0.95, _CALL),
        first_token_p95=past.quantile(0.95, "gen_ai_server_time_to_first_token_seconds"),
        running=_whole(after.value("maas_calls_running")),
        waiting=_whole(after.value("maas_calls_waiting")),
        spend=_spend(past),
        records_failing=bool(after.value("maas_records_failing")),
        workers=_whole(after.value("maas_workers")),
        outside_failed=_whole(after.value("maas_outbox", state="failed")),
        differences=_whole(after.value("maas_check_differences")),
        platform_age_s=now - asked_at if asked_at else None,
        models=_models(past, after),
        errors=_errors(past, after),
        jobs=_jobs(after, now),
    )


def _models(past: Between, after: Reading) -> tuple[ModelState, ...]:
    """Those that are served and those that were called, the busiest first."""
    up = after.by("maas_model_up", "model")
    names = {*up, *after.by(f"{_CALL}_count", _MODEL)} - {""}
    states = [_model(name, up.get(name), past, after) for name in names]
    return tuple(sorted(states, key=lambda one: (-one.calls, one.model)))


def _model(name: str, up: float | None, past: Between, after: Reading) -> ModelState:
    return ModelState(
        model=name,
        up=None if up is None else up > 0,
        calls=past.rate("maas_calls_total", model=name),
        tokens=past.rate(_TOKENS, gen_ai_request_model=name),
        p50=past.quantile(0.5, _CALL, gen_ai_request_model=name),
        p95=past.quantile(0.95, _CALL, gen_ai_request_model=name),
        waiting=_whole(after.value("maas_calls_waiting", model=name)),
        spend=_spend(past, model=name),
    )


def _spend(past: Between, **labels: str) -> dict[str, float]:
    """A minute's."""
    spent = past.happened.by("maas_spend_total", "currency", **labels)
    return {currency: value * 60 / past.seconds for currency, value in spent.items() if value}


def _errors(past: Between, after: Reading) -> tuple[ErrorState, ...]:
    """The newest first, then the most frequent."""
    found = []
    for labels, total in after.samples.get(f"{_CALL}_count", {}).items():
        known = dict(labels)
        if known.get("error_type") and total:
            recent = past.happened.samples[f"{_CALL}_count"][labels]
            code, model = known["error_type"], known.get(_MODEL, "")
            found.append(ErrorState(code, model, round(recent), round(total)))
    order = sorted(found, key=lambda one: (-one.recent, -one.total, one.code, one.model))
    return tuple(order[:_MOST_ERRORS])


def _jobs(after: Reading, now: float) -> tuple[JobState, ...]:
    due = after.by("maas_job_due_timestamp_seconds", "job")
    states = {
        state: after.by("maas_jobs", "job", state=state)
        for state in ("waiting", "running", "failed")
    }
    return tuple(
        JobState(
            job=name,
            due_s=now - due[name] if name in due else None,
            waiting=_whole(states["waiting"].get(name)),
            running=_whole(states["running"].get(name)),
            failed=_whole(states["failed"].get(name)),
        )
        for name in sorted({*due, *states["waiting"]})
    )


def _whole(value: float | None) -> int:
    return round(value or 0)
