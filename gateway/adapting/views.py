"""What customers see of jobs and their events: OpenAI's objects, with our scores beside them.

Owns the shapes. Does not own the rows (jobs.py).
"""

from datetime import datetime
from typing import Any

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.metering.usage import REQUEST_PREFIX
from billing.tables import Adaptation, AdaptationEvent, AdaptationStatus
from gateway.adapting.jobs import EVENT_PREFIX, PREFIX
from gateway.files import PREFIX as FILE_PREFIX
from gateway.variants import public_id
from infra import ids


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
        "hyperparameters": {"n_epochs": "auto"},
        "method": {"type": "supervised"},
        "trained_tokens": None,
        "estimated_finish": None,
        "integrations": None,
        "seed": job.settings.get("seed") or 0,
        "metadata": job.settings.get("metadata"),
        "suffix": job.name,
        "error": job.error,
        "score": job.score,
        "adaptation_seconds": job.seconds,
        "usage_id": ids.show(REQUEST_PREFIX, job.request_id) if done else None,
    }


def event_json(event: AdaptationEvent) -> dict[str, Any]:
    """OpenAI's event of a job."""
    return {
        "id": ids.show(EVENT_PREFIX, event.id),
        "object": "fine_tuning.job.event",
        "created_at": _seconds(event.created_at),
        "level": event.level,
        "message": event.message,
        "type": "message",
        "data": {},
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
