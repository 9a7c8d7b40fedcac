"""Alerts on drift: the inputs of an account's own model have moved from those of its training."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

DRIFT_EVENT = "model.drift_detected"


@dataclass(frozen=True, slots=True)
class DriftAlert:
    """A model whose drift level has risen.

    level: moderate or significant. variable: the input, or the prediction, with the largest PSI.
    rows: of the window that begins at `since`, in ISO 8601.
    """

    account_id: UUID
    variant_id: UUID
    model: str
    version: int
    level: str
    variable: str
    psi: float
    rows: int
    since: str


async def enqueue_drift_alert(session: AsyncSession, clock: Clock, alert: DriftAlert) -> None:
    """Enqueue e-mail and webhook of an alert, each once per version, level and minute."""
    key = f"drift:{alert.variant_id}:{alert.level}:{clock.now():%Y%m%dT%H%M}"
    values = {
        "model": alert.model,
        "variable": alert.variable,
        "psi": f"{alert.psi:.2f}",
        "rows": str(alert.rows),
    }
    data = {
        "model": alert.model,
        "version": alert.version,
        "level": alert.level,
        "variable": alert.variable,
        "psi": round(alert.psi, 4),
        "rows": alert.rows,
        "since": alert.since,
    }
    notice = EmailNotice(f"drift_{alert.level}", values)
    await enqueue_model_event(session, clock, alert.account_id, key, DRIFT_EVENT, notice, data)
