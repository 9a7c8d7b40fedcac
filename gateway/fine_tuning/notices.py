"""The event of a fine-tuning job that has ended."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.events.emission import Event, emit_event
from billing.events.texts import event_texts
from gateway.registry.variants import public_id
from gateway.tables import Adaptation, AdaptationStatus
from infra.clock import Clock


async def emit_job_ended(session: AsyncSession, clock: Clock, job: Adaptation, name: str) -> None:
    """Emit `fine_tuning.job.succeeded`, `.failed` or `.cancelled`; `name` is the job's public id.

    An accepted job ends a second time, which is an event of its own.
    """
    event_type = f"fine_tuning.job.{job.status}"
    done = job.status == AdaptationStatus.SUCCEEDED
    variant = public_id(job.model, job.account_id, job.name) if done else None
    reason = str((job.error or {}).get("message", ""))
    data = {
        "id": name,
        "status": job.status,
        "model": job.model,
        "fine_tuned_model": variant,
        "error": reason or None,
    }
    values = {"model": job.model, "variant": variant or "", "job": name, "reason": reason}
    texts = event_texts(event_type, values)
    page = f"/dashboard/models/jobs/{name}"
    key = f"{event_type}:{job.id}:{clock.now():%Y%m%dT%H%M%S%f}"
    await emit_event(session, clock, Event(job.account_id, event_type, key, data, texts, page))
