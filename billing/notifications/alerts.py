"""Alerts: an account is told when it has used so much of what it may.

Watched is each limit in force (watched_limits.py), at 50, 80 and 100 % or at percentages of the
account's own. Each threshold is told once a period, by e-mail and by a signed webhook; once more
where the limit was raised, and usage reaches the new threshold.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.usage_position import Position
from billing.notifications.alert_targets import ALERT, read_target
from billing.notifications.messages import tell
from billing.notifications.watched_limits import Watched, watched_of
from billing.outbox import put
from billing.tables import AlertSent, AlertTarget
from infra import ids
from infra.clock import Clock


async def alert(session: AsyncSession, clock: Clock, position: Position) -> int:
    """Tell of each threshold that was passed and not told yet; gives how many."""
    target = await read_target(session, position.account_id)
    told = 0
    for watched in await watched_of(session, position):
        for percent in watched.passed(target.percentages):
            told += await _tell(session, clock, position, target, watched, percent)
    return told


async def _tell(
    session: AsyncSession,
    clock: Clock,
    position: Position,
    target: AlertTarget,
    watched: Watched,
    percent: int,
) -> bool:
    account_id, profile, now = position.account_id, position.profile, clock.now()
    subject = await _new_subject(session, account_id, watched, percent, now)
    if subject is None:
        return False
    key = f"alert:{account_id}:{watched.since:%Y%m%dT%H%M}:{subject}:{percent}"
    notice = watched.notice(profile.locale, position.currency, percent)
    await tell(session, clock, profile, key, notice)
    if target.url:
        said = _said(account_id, watched, position.currency, percent, now)
        await put(session, clock, account_id, ALERT, key, key, said)
    return True


async def _new_subject(
    session: AsyncSession, account_id: UUID, watched: Watched, percent: int, now: datetime
) -> str | None:
    """Record that a threshold was passed; None where that is recorded already. The record of a
    limit that was raised since has the new limit in its subject."""
    plain = watched.subject
    raised = f"{plain} of {watched.text(watched.amount)}"
    if await _record(session, account_id, watched, plain, percent, now):
        return plain
    if await _most_used(session, account_id, watched, percent) >= watched.threshold(percent):
        return None
    return raised if await _record(session, account_id, watched, raised, percent, now) else None


async def _record(
    session: AsyncSession,
    account_id: UUID,
    watched: Watched,
    subject: str,
    percent: int,
    now: datetime,
) -> bool:
    made = await session.execute(
        insert(AlertSent)
        .values(
            account_id=account_id,
            period_start=watched.since,
            subject=subject,
            percent=percent,
            used=watched.used,
            amount=watched.amount,
            sent_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(AlertSent.percent))
    )
    return made.scalar_one_or_none() is not None


async def _most_used(
    session: AsyncSession, account_id: UUID, watched: Watched, percent: int
) -> int:
    """What was used when the threshold was told last in the period."""
    subject = col(AlertSent.subject)
    query = select(func.max(AlertSent.used)).where(
        col(AlertSent.account_id) == account_id,
        col(AlertSent.period_start) == watched.since,
        col(AlertSent.percent) == percent,
        or_(
            subject == watched.subject,
            subject.startswith(f"{watched.subject} of ", autoescape=True),
        ),
    )
    return int((await session.execute(query)).scalar_one())


def _said(
    account_id: UUID, watched: Watched, currency: str, percent: int, now: datetime
) -> dict[str, Any]:
    data = {
        "account": ids.show("acct", account_id),
        "subject": watched.subject,
        "percent": percent,
        "used": watched.text(watched.used),
        "amount": watched.text(watched.amount),
        "currency": currency if watched.money else None,
        "period_start": watched.since.isoformat(),
    }
    return {"type": "usage.threshold_passed", "timestamp": now.isoformat(), "data": data}
