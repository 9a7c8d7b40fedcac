"""JSON views of batches: OpenAI's batch object, extended by its cost."""

from datetime import datetime
from typing import Any

from billing.money import nano_text
from gateway.batches.batches import BATCH_ID_PREFIX
from gateway.batches.requests import COMPLETION_WINDOW
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables import Batch, BatchStatus
from infra import ids


def batch_name(batch: Batch) -> str:
    """Return the public id of a batch."""
    return ids.format_id(BATCH_ID_PREFIX, batch.id)


def batch_json(batch: Batch) -> dict[str, Any]:
    """Return a batch as OpenAI's object; the fields `x_maas_…` are this service's own."""
    errors = None if batch.errors is None else {"object": "list", "data": batch.errors}
    return {
        "id": batch_name(batch),
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": errors,
        "input_file_id": ids.format_id(FILE_PREFIX, batch.input_file_id),
        "completion_window": COMPLETION_WINDOW,
        "status": batch.status,
        "output_file_id": _file_id(batch.output_file_id),
        "error_file_id": _file_id(batch.error_file_id),
        "created_at": _unix_seconds(batch.created_at),
        "in_progress_at": _unix_seconds(batch.in_progress_at),
        "expires_at": _unix_seconds(batch.expires_at),
        "finalizing_at": _unix_seconds(batch.finalizing_at),
        "cancelling_at": _unix_seconds(batch.cancelling_at),
        **_finished_at(batch),
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
        },
        "usage": _usage(batch),
        "metadata": batch.labels,
        "x_maas_cost": nano_text(batch.spent_nano),
        "x_maas_max_cost": nano_text(batch.held_nano),
        "x_maas_currency": batch.currency,
        "x_maas_estimated_seconds": batch.estimated_s,
    }


def audit_details(batch: Batch) -> dict[str, Any]:
    """Return what the audit log records of a new batch."""
    details = {
        "model": batch.model,
        "endpoint": batch.endpoint,
        "lines": batch.total,
        "max_cost": batch.held_nano,
    }
    return {name: value for name, value in details.items() if value is not None}


def _finished_at(batch: Batch) -> dict[str, int | None]:
    """Return the times of all ends that a batch can have; that of its status is set."""
    ends = (
        BatchStatus.COMPLETED,
        BatchStatus.FAILED,
        BatchStatus.EXPIRED,
        BatchStatus.CANCELLED,
    )
    return {
        f"{end.value}_at": _unix_seconds(batch.finished_at) if batch.status == end else None
        for end in ends
    }


def _usage(batch: Batch) -> dict[str, Any]:
    """Return the tokens of the batch's calls so far."""
    return {
        "input_tokens": batch.input_tokens,
        "input_tokens_details": {"cached_tokens": batch.cached_tokens},
        "output_tokens": batch.output_tokens,
        "output_tokens_details": {"reasoning_tokens": batch.reasoning_tokens},
        "total_tokens": batch.input_tokens + batch.output_tokens,
    }


def _file_id(file_id: Any) -> str | None:
    """Return the public id of a file, None if there is none."""
    return None if file_id is None else ids.format_id(FILE_PREFIX, file_id)


def _unix_seconds(moment: datetime | None) -> int | None:
    """Return the Unix time in whole seconds, rounded down; None for no time."""
    return None if moment is None else int(moment.timestamp())
