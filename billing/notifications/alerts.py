"""Usage alerts: notify an account when its usage crosses a threshold of a limit.

Thresholds are 50, 80 and 100 % of each monitored limit (monitored_limits.py), or the account's own
percentages. Each threshold is notified once per period, by e-mail and signed webhook, and again if
the limit was raised and usage reaches the new threshold.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.usage_position import UsagePosition
from billing.notifications.alert_targets import ALERT_ACTION, get_alert_target
from billing.notifications.messages import enqueue_email
from billing.notifications.monitored_limits import MonitoredLimit, load_monitored_limits
from billing.notifications.project_limits import load_project_limits
from billing.outbox import enqueue
from billing.tables import AlertSent, AlertTarget
from infra import ids
from infra.clock import Clock


async def enqueue_alerts(session: AsyncSession, clock: Clock, position: UsagePosition) -> int:
    """Enqueue an alert for each crossed threshold not notified yet. Returns the number."""
    target = await get_alert_target(session, position.account_id)
    count = 0
    limits = await load_monitored_limits(session, position)
    for limit in [*limits, *await load_project_limits(session, position)]:
        percentages = target.percentages if limit.percentages is None else limit.percentages
        for percent in limit.crossed_percentages(percentages):
            count += await _enqueue_alert(session, clock, position, target, limit, percent)
    return count


async def _enqueue_alert(
    session: AsyncSession,
    clock: Clock,
    position: UsagePosition,
    target: AlertTarget,
    limit: MonitoredLimit,
    percent: int,
) -> bool:
    """Enqueue e-mail and webhook for a crossed threshold; return False if sent before."""
    account_id, profile, now = position.account_id, position.profile, clock.now()
    subject = await _record_threshold(session, account_id, limit, percent, now)
    if subject is None:
        return False
    key = f"alert:{account_id}:{limit.since:%Y%m%dT%H%M}:{subject}:{percent}"
    notice = limit.notice(profile.locale, position.currency, percent)
    await enqueue_email(session, clock, profile, key, notice)
    if target.url:
        payload = _webhook_payload(account_id, limit, position.currency, percent, now)
        await enqueue(session, clock, account_id, ALERT_ACTION, key, key, payload)
    return True


async def _record_threshold(
    session: AsyncSession, account_id: UUID, limit: MonitoredLimit, percent: int, now: datetime
) -> str | None:
    """Record a crossed threshold; return the alert's subject, or None if recorded before.

    For a limit that was raised since, the recorded subject contains the new limit.
    """
    subject = limit.subject
    raised_subject = f"{subject} of {limit.text(limit.amount)}"
    if await _insert_alert_sent(session, account_id, limit, subject, percent, now):
        return subject
    if await _max_alerted_usage(session, account_id, limit, percent) >= limit.threshold(percent):
        return None
    return (
        raised_subject
        if await _insert_alert_sent(session, account_id, limit, raised_subject, percent, now)
        else None
    )


async def _insert_alert_sent(
    session: AsyncSession,
    account_id: UUID,
    limit: MonitoredLimit,
    subject: str,
    percent: int,
    now: datetime,
) -> bool:
    """Insert the row of an alert to send; return False if it exists, as it was sent before."""
    inserted = await session.execute(
        insert(AlertSent)
        .values(
            account_id=account_id,
            period_start=limit.since,
            subject=subject,
            percent=percent,
            used=limit.used,
            amount=limit.amount,
            sent_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(AlertSent.percent))
    )
    return inserted.scalar_one_or_none() is not None


async def _max_alerted_usage(
    session: AsyncSession, account_id: UUID, limit: MonitoredLimit, percent: int
) -> int:
    """Return the usage at the last alert of this threshold in the period."""
    subject = col(AlertSent.subject)
    query = select(func.max(AlertSent.used)).where(
        col(AlertSent.account_id) == account_id,
        col(AlertSent.period_start) == limit.since,
        col(AlertSent.percent) == percent,
        or_(
            subject == limit.subject,
            subject.startswith(f"{limit.subject} of ", autoescape=True),
        ),
    )
    return int((await session.execute(query)).scalar_one())


def _webhook_payload(
    account_id: UUID, limit: MonitoredLimit, currency: str, percent: int, now: datetime
) -> dict[str, Any]:
    """Return the JSON body of the `usage.threshold_passed` webhook."""
    data = {
        "account": ids.format_id("acct", account_id),
        "subject": limit.subject,
        "percent": percent,
        "used": limit.text(limit.used),
        "amount": limit.text(limit.amount),
        "currency": currency if limit.money else None,
        "period_start": limit.since.isoformat(),
    }
    return {"type": "usage.threshold_passed", "timestamp": now.isoformat(), "data": data}
