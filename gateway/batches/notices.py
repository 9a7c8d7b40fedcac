"""The event of a batch that has ended."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.events.emission import Event, emit_event
from billing.events.texts import event_texts
from gateway.tables import Batch
from infra.clock import Clock


async def emit_batch_ended(session: AsyncSession, clock: Clock, batch: Batch, name: str) -> None:
    """Emit `batch.completed`, `batch.failed`, `batch.expired` or `batch.cancelled`.

    `name` is the public id of the batch.
    """
    event_type = f"batch.{batch.status}"
    errors = batch.errors or []
    reason = str(errors[0].get("message", "")) if errors else ""
    data = {
        "id": name,
        "status": batch.status,
        "model": batch.model,
        "endpoint": batch.endpoint,
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
        },
        "error": reason or None,
    }
    values = {
        "model": batch.model or "",
        "total": batch.total,
        "completed": batch.completed,
        "failed": batch.failed,
        "batch": name,
        "reason": reason,
    }
    texts = event_texts(event_type, values)
    page = f"/dashboard/batches/{name}"
    key = f"batch:{batch.id}:ended"
    await emit_event(session, clock, Event(batch.account_id, event_type, key, data, texts, page))
