"""What customers see of jobs and their events: OpenAI's objects, with our scores beside them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.metering.usage import REQUEST_PREFIX
from gateway.fine_tuning.jobs import EVENT_PREFIX, PREFIX
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.variants import pinned_id, public_id
from gateway.tables import Adaptation, AdaptationEvent, AdaptationStatus, Variant
from gateway.wire.fine_tuning import SENSITIVITY
from infra import ids

CHECKPOINT_PREFIX = "ftckpt"


def job_json(job: Adaptation) -> dict[str, Any]:
    """OpenAI's fine-tuning job. `score` tells how base and variant did on examples held out;
    `usage_id` names the usage row of what it cost."""
    done = job.status == AdaptationStatus.SUCCEEDED
    return {
        "id": ids.show(PREFIX, job.id),
        "object": "fine_tuning.job",
        "model": job.model,
        "created_at": _seconds(job.created_at),
        "finished_at": None if job.finished_at is None else _seconds(job.finished_at),
        "fine_tuned_model": public_id(job.model, job.account_id, job.name) if done else None,
        "organization_id": ids.show(ACCOUNT_PREFIX, job.account_id),
        "status": job.status,
        "training_file": ids.show(FILE_PREFIX, job.training_file_id),
        "validation_file": None,
        "result_files": [],
        "hyperparameters": {"n_epochs": "auto", **_sensitivity(job)},
        "method": {"type": "supervised"},
        "trained_tokens": job.trained_tokens,
        "estimated_finish": None,
        "integrations": None,
        "seed": job.settings.get("seed") or 0,
        "metadata": job.settings.get("metadata"),
        "suffix": job.name,
        "error": job.error,
        "scrub": bool(job.settings.get("scrub")),
        "share_for_improvement": job.shared_at is not None,
        "shared_at": None if job.shared_at is None else _seconds(job.shared_at),
        "score": job.score,
        "adaptation_seconds": job.seconds,
        "usage_id": ids.show(REQUEST_PREFIX, job.request_id) if done else None,
    }


def _sensitivity(job: Adaptation) -> dict[str, float]:
    given = job.settings.get(SENSITIVITY)
    return {} if given is None else {SENSITIVITY: given}


def event_json(event: AdaptationEvent) -> dict[str, Any]:
    """OpenAI's event of a job."""
    return {
        "id": ids.show(EVENT_PREFIX, event.id),
        "object": "fine_tuning.job.event",
        "created_at": _seconds(event.created_at),
        "level": event.level,
        "message": event.message,
        "type": "message" if event.metrics is None else "metrics",
        "data": event.metrics or {},
    }


def checkpoint_json(
    job: Adaptation, version: Variant, metrics: Mapping[str, Any] | None
) -> dict[str, Any]:
    """OpenAI's checkpoint: a version of the variant, by the id that calls this one whichever is the
    current one."""
    step = None if metrics is None else metrics["step"]
    return {
        "id": ids.show(CHECKPOINT_PREFIX, version.id),
        "object": "fine_tuning.job.checkpoint",
        "created_at": _seconds(version.created_at),
        "fine_tuned_model_checkpoint": pinned_id(
            public_id(version.base, version.account_id, version.name), version.version
        ),
        "fine_tuning_job_id": ids.show(PREFIX, job.id),
        "step_number": step or 0,
        "metrics": {key: value for key, value in (metrics or {}).items() if key != "total_steps"},
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
