"""Alerts on drift: the inputs of an account's own model have moved from those of its training."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.outbox import enqueue
from infra import ids
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
    now = clock.now()
    key = f"drift:{alert.variant_id}:{alert.level}:{now:%Y%m%dT%H%M}"
    profile = await get_profile(session, alert.account_id)
    values = {
        "model": alert.model,
        "variable": alert.variable,
        "psi": f"{alert.psi:.2f}",
        "rows": str(alert.rows),
    }
    notice = EmailNotice(f"drift_{alert.level}", values)
    await enqueue_email(session, clock, profile, key, notice)
    target = await get_alert_target(session, alert.account_id)
    if target.url:
        payload = _webhook_payload(alert, now.isoformat())
        await enqueue(session, clock, alert.account_id, ALERT_ACTION, key, key, payload)


def _webhook_payload(alert: DriftAlert, timestamp: str) -> dict[str, Any]:
    """Return the JSON body of the webhook."""
    data = {
        "account": ids.format_id("acct", alert.account_id),
        "model": alert.model,
        "version": alert.version,
        "level": alert.level,
        "variable": alert.variable,
        "psi": round(alert.psi, 4),
        "rows": alert.rows,
        "since": alert.since,
    }
    return {"type": DRIFT_EVENT, "timestamp": timestamp, "data": data}
