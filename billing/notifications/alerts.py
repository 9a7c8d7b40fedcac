"""Usage alerts: notify an account when its usage crosses a threshold of a limit.

Thresholds are 50, 80 and 100 % of each monitored limit (monitored_limits.py), or the account's own
percentages. Each threshold is notified once per period, by e-mail and to notification endpoints,
and again if the limit was raised and usage reaches the new threshold.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.emission import Event, emit_event
from billing.events.texts import localised
from billing.invoices.usage_position import UsagePosition
from billing.notifications.alert_targets import get_alert_target
from billing.notifications.budget_limits import load_budget_limits
from billing.notifications.messages import enqueue_email
from billing.notifications.monitored_limits import MonitoredLimit, load_monitored_limits
from billing.tables import AlertSent
from infra.clock import Clock

_EVENT, _PAGE = "usage.threshold_passed", "/dashboard/limits"


async def enqueue_alerts(session: AsyncSession, clock: Clock, position: UsagePosition) -> int:
    """Enqueue an alert for each crossed threshold not notified yet. Returns the number."""
    target = await get_alert_target(session, position.account_id)
    count = 0
    limits = await load_monitored_limits(session, position)
    for limit in [*limits, *await load_budget_limits(session, position)]:
        percentages = target.percentages if limit.percentages is None else limit.percentages
        for percent in limit.crossed_percentages(percentages):
            count += await _enqueue_alert(session, clock, position, limit, percent)
    return count


async def _enqueue_alert(
    session: AsyncSession,
    clock: Clock,
    position: UsagePosition,
    limit: MonitoredLimit,
    percent: int,
) -> bool:
    """Enqueue the e-mail and emit the event of a crossed threshold; False if sent before."""
    account_id, profile, now = position.account_id, position.profile, clock.now()
    subject = await _record_threshold(session, account_id, limit, percent, now)
    if subject is None:
        return False
    key = f"alert:{account_id}:{limit.since:%Y%m%dT%H%M}:{subject}:{percent}"
    notice = limit.notice(profile.locale, position.currency, percent)
    await enqueue_email(session, clock, profile, key, notice)
    data = _event_data(limit, position.currency, percent)
    texts = localised(
        lambda locale: limit.notice(locale, position.currency, percent).render_without_greeting(
            locale
        )
    )
    await emit_event(session, clock, Event(account_id, _EVENT, key, data, texts, _PAGE))
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


def _event_data(limit: MonitoredLimit, currency: str, percent: int) -> dict[str, Any]:
    """Return the content of the event `usage.threshold_passed`."""
    return {
        "subject": limit.subject,
        "percent": percent,
        "used": limit.text(limit.used),
        "amount": limit.text(limit.amount),
        "currency": currency if limit.money else None,
        "period_start": limit.since.isoformat(),
    }
