"""Notices on scheduled trainings of own models: a version is in use, proposed, or not there."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

RETRAINING_EVENT = "model.retrained"
_WITH_VERSION = ("activated", "proposed")


@dataclass(frozen=True, slots=True)
class RetrainingAlert:
    """What a scheduled training came to; `code` and `message` say why there is no new version."""

    account_id: UUID
    run: str
    model: str
    status: str
    version: int | None
    code: str | None
    message: str


async def enqueue_retraining_alert(
    session: AsyncSession, clock: Clock, alert: RetrainingAlert
) -> None:
    """Enqueue e-mail and webhook of a run, each once."""
    kind = alert.status if alert.status in _WITH_VERSION else "failed"
    values = {"model": alert.model, "version": str(alert.version or ""), "reason": alert.message}
    data = {
        "run": alert.run,
        "model": alert.model,
        "status": alert.status,
        "version": alert.version,
        "code": alert.code,
    }
    notice, key = EmailNotice(f"retraining_{kind}", values), f"retraining:{alert.run}"
    await enqueue_model_event(session, clock, alert.account_id, key, RETRAINING_EVENT, notice, data)
