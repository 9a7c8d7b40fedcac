"""JSON views of jobs, events and checkpoints: OpenAI's objects with additional fields."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.fine_tuning.jobs import EVENT_ID_PREFIX, JOB_ID_PREFIX
from gateway.fine_tuning.observed_rows import OBSERVED_UNTIL
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.variants import pinned_id, public_id
from gateway.tables import Adaptation, AdaptationEvent, AdaptationStatus, Variant
from gateway.wire.fine_tuning import SCHEMA, SENSITIVITY
from infra import ids

CHECKPOINT_ID_PREFIX = "ftckpt"


def render_job(job: Adaptation) -> dict[str, Any]:
    """Return OpenAI's fine-tuning job object.

    `score` compares base and variant on held-out examples; `usage_id` is the usage row that bills
    the job. A rejected model can be accepted until `candidate_expires_at`.
    """
    done = job.status == AdaptationStatus.SUCCEEDED
    return {
        "id": ids.format_id(JOB_ID_PREFIX, job.id),
        "object": "fine_tuning.job",
        "model": job.model,
        "created_at": _unix_seconds(job.created_at),
        "finished_at": _optional_unix_seconds(job.finished_at),
        "fine_tuned_model": public_id(job.model, job.account_id, job.name) if done else None,
        "organization_id": ids.format_id(ACCOUNT_PREFIX, job.account_id),
        "status": job.status,
        "training_file": ids.format_id(FILE_PREFIX, job.training_file_id),
        "validation_file": None,
        "result_files": [],
        "hyperparameters": {"n_epochs": "auto", **_sensitivity_parameter(job)},
        "method": {"type": "supervised"},
        "trained_tokens": job.trained_tokens,
        "estimated_finish": None,
        "integrations": None,
        "seed": job.settings.get("seed") or 0,
        "metadata": job.settings.get("metadata"),
        "suffix": job.name,
        "error": job.error,
        "schema": job.settings.get(SCHEMA),
        "scrub": bool(job.settings.get("scrub")),
        "with_observations": OBSERVED_UNTIL in job.settings,
        "share_for_improvement": job.shared_at is not None,
        "shared_at": _optional_unix_seconds(job.shared_at),
        "score": job.score,
        "adaptation_seconds": job.seconds,
        "candidate_expires_at": _optional_unix_seconds(job.candidate_until),
        "accepted_at": _optional_unix_seconds(job.accepted_at),
        "accepted_by": job.accepted_by,
        "usage_id": ids.format_id(REQUEST_ID_PREFIX, job.request_id) if done else None,
    }


def _sensitivity_parameter(job: Adaptation) -> dict[str, float]:
    """Return the job's sensitivity as a hyperparameter; empty if it has none."""
    sensitivity = job.settings.get(SENSITIVITY)
    return {} if sensitivity is None else {SENSITIVITY: sensitivity}


def render_event(event: AdaptationEvent) -> dict[str, Any]:
    """Return OpenAI's fine-tuning event object."""
    return {
        "id": ids.format_id(EVENT_ID_PREFIX, event.id),
        "object": "fine_tuning.job.event",
        "created_at": _unix_seconds(event.created_at),
        "level": event.level,
        "message": event.message,
        "type": "message" if event.metrics is None else "metrics",
        "data": event.metrics or {},
    }


def render_checkpoint(
    job: Adaptation, version: Variant, metrics: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return OpenAI's checkpoint object: a version of the variant, with its pinned model id."""
    step = None if metrics is None else metrics["step"]
    return {
        "id": ids.format_id(CHECKPOINT_ID_PREFIX, version.id),
        "object": "fine_tuning.job.checkpoint",
        "created_at": _unix_seconds(version.created_at),
        "fine_tuned_model_checkpoint": pinned_id(
            public_id(version.base, version.account_id, version.name), version.version
        ),
        "fine_tuning_job_id": ids.format_id(JOB_ID_PREFIX, job.id),
        "step_number": step or 0,
        "metrics": {key: value for key, value in (metrics or {}).items() if key != "total_steps"},
    }


def _optional_unix_seconds(moment: datetime | None) -> int | None:
    """Return a moment as whole Unix seconds; None without one."""
    return None if moment is None else _unix_seconds(moment)


def _unix_seconds(moment: datetime) -> int:
    """Return a moment as whole Unix seconds."""
    return int(moment.timestamp())
