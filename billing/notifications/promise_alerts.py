"""Alerts on own models whose intervals or probabilities hold less often than they promise."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

PROMISE_EVENT = "model.promise_broken"


@dataclass(frozen=True, slots=True)
class PromiseAlert:
    """A version of a model that promised the share `nominal`, of which `observed` held."""

    account_id: UUID
    variant_id: UUID
    model: str
    version: int
    nominal: float
    observed: float
    rows: int


async def enqueue_promise_alert(session: AsyncSession, clock: Clock, alert: PromiseAlert) -> None:
    """Enqueue e-mail and webhook of an alert, each once per version and minute."""
    key = f"promise:{alert.variant_id}:{clock.now():%Y%m%dT%H%M}"
    values = {
        "model": alert.model,
        "nominal": f"{alert.nominal:.0%}",
        "observed": f"{alert.observed:.0%}",
        "rows": str(alert.rows),
    }
    data = {
        "model": alert.model,
        "version": alert.version,
        "nominal": round(alert.nominal, 4),
        "observed": round(alert.observed, 4),
        "rows": alert.rows,
    }
    notice = EmailNotice("promise_broken", values)
    await enqueue_model_event(session, clock, alert.account_id, key, PROMISE_EVENT, notice, data)
