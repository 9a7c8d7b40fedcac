"""The queue of deliveries: claim an endpoint with due deliveries, and record what came of them.

An endpoint is claimed as a whole, so that it has one message at a time, and those of a robot are
grouped. After a message without any response the endpoint pauses, so that a hanging receiver
delays its own messages only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.events.emission import IS_PRESENT
from billing.notifications.endpoints.addresses import read_address
from billing.notifications.endpoints.endpoints import DISABLED, end_pending
from billing.notifications.endpoints.kinds import cool_down, max_events, message_interval
from billing.notifications.endpoints.sending import OutgoingEvent, Recipient, SendResult
from billing.notifications.endpoints.verdicts import Verdict
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.tables import (
    NotificationAttempt,
    NotificationDelivery,
    NotificationEndpoint,
    NotificationEvent,
)
from infra import ids
from infra.clock import Clock
from infra.secrets.sealer import Sealer
from infra.work_queue import LeasedQueue, RetryPolicy

# An endpoint that failed for this long, and at least so often, is disabled.
DISABLE_AFTER, _MIN_FAILURES = timedelta(days=3), 3
_PENDING = select(col(NotificationDelivery.endpoint_id)).where(
    col(NotificationDelivery.status) == "pending"
)
_QUEUE = LeasedQueue(
    table=NotificationEndpoint,
    id=col(NotificationEndpoint.id),
    attempts=col(NotificationEndpoint.attempts),
    pending=col(NotificationEndpoint.enabled) & IS_PRESENT,
    order=(col(NotificationEndpoint.due_at), col(NotificationEndpoint.id)),
    retry=RetryPolicy(
        first_delay=timedelta(seconds=10), max_delay=timedelta(hours=1), max_age=timedelta(days=3)
    ),
    due_at=col(NotificationEndpoint.due_at),
    lease=timedelta(minutes=1),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A claimed endpoint with its due deliveries, oldest first. Has one delivery at least."""

    recipient: Recipient
    deliveries: Sequence[UUID]
    events: Sequence[OutgoingEvent]


async def claim_turn(
    session: AsyncSession, clock: Clock, sealer: Sealer, busy_accounts: Collection[UUID] = ()
) -> Turn | None:
    """Claim the endpoint whose turn it is, of an account that is not in `busy_accounts`.

    Returns None if no delivery is due. Of any account_id: for the worker.
    """
    due = _PENDING.where(col(NotificationDelivery.due_at) <= clock.now())
    row = await _QUEUE.claim(
        session,
        clock.now(),
        col(NotificationEndpoint.id).in_(due),
        col(NotificationEndpoint.account_id).not_in(busy_accounts),
    )
    return None if row is None else await load_turn(session, clock.now(), sealer, row)


async def load_turn(
    session: AsyncSession, now: datetime, sealer: Sealer, row: NotificationEndpoint
) -> Turn:
    """Load the due deliveries of an endpoint, as many as one message may have."""
    query = (
        select(NotificationDelivery, NotificationEvent)
        .join(NotificationEvent, col(NotificationEvent.id) == col(NotificationDelivery.event_id))
        .where(
            col(NotificationDelivery.account_id) == row.account_id,
            col(NotificationDelivery.endpoint_id) == row.id,
            col(NotificationDelivery.status) == "pending",
            col(NotificationDelivery.due_at) <= now,
        )
        .order_by(col(NotificationDelivery.queued_at), col(NotificationDelivery.id))
        .limit(max_events(row.kind))
    )
    found = (await session.execute(query)).all()
    return Turn(
        await to_recipient(session, sealer, row),
        [delivery.id for delivery, _ in found],
        [to_outgoing(event) for _, event in found],
    )


async def to_recipient(
    session: AsyncSession, sealer: Sealer, row: NotificationEndpoint
) -> Recipient:
    """Return the endpoint as a recipient of messages."""
    address = await read_address(session, sealer, row)
    return Recipient(row.id, row.account_id, row.kind, row.language, address, row.is_alert_target)


def to_outgoing(event: NotificationEvent) -> OutgoingEvent:
    """Return an event as it is sent."""
    return OutgoingEvent(event.id, event.type, event.payload, event.texts, event.page)


async def record_result(
    session: AsyncSession,
    clock: Clock,
    turn: Turn,
    result: SendResult,
    sent_at: datetime,
    *,
    repeat: bool = True,
) -> None:
    """Record an attempt for each event of the message, and when the endpoint is next due.

    Without `repeat`, a failure is final. Disables the endpoint if it failed for days.
    """
    now, verdict = clock.now(), result.outcome.verdict
    endpoint = await session.get_one(
        NotificationEndpoint, turn.recipient.id, with_for_update=True, populate_existing=True
    )
    pause = _pause(endpoint, result)
    for delivery_id in turn.deliveries[: result.events]:
        delivery = await session.get_one(NotificationDelivery, delivery_id, with_for_update=True)
        next_at = _settle(delivery, now, result, pause, repeat=repeat)
        session.add(_to_attempt(delivery, result, sent_at, next_at))
    endpoint.due_at = now + pause
    if result.answered:
        endpoint.attempts = 0
    if verdict is Verdict.DELIVERED:
        endpoint.failing_since, endpoint.failures = None, 0
    else:
        endpoint.failing_since = endpoint.failing_since or now
        endpoint.failures += 1
    await session.flush()
    await _disable_if_failing(session, clock, endpoint)


def _settle(
    delivery: NotificationDelivery,
    now: datetime,
    result: SendResult,
    pause: timedelta,
    *,
    repeat: bool,
) -> datetime | None:
    """Set what a delivery came to; return the time of the next attempt, None if there is none."""
    verdict, reason = result.outcome.verdict, result.outcome.reason
    delivery.attempts += 1
    if verdict is Verdict.DELIVERED:
        delivery.status, delivery.delivered_at, delivery.last_error = "delivered", now, None
        return None
    delivery.last_error = reason
    too_old = _QUEUE.retry.gives_up_after(delivery.attempts, now - delivery.queued_at)
    if verdict is Verdict.REJECTED or too_old or not repeat:
        delivery.status = "failed"
        return None
    delivery.due_at = now + max(pause, _QUEUE.retry.delay(delivery.attempts))
    return delivery.due_at


def _pause(endpoint: NotificationEndpoint, result: SendResult) -> timedelta:
    """Return how long the endpoint gets no message."""
    if result.outcome.verdict is Verdict.RATE_LIMITED:
        return cool_down(endpoint.kind)
    if not result.answered and result.outcome.verdict is Verdict.RETRY:
        return _QUEUE.retry.delay(max(endpoint.attempts, 1))
    return message_interval(endpoint.kind)


def _to_attempt(
    delivery: NotificationDelivery, result: SendResult, sent_at: datetime, next_at: datetime | None
) -> NotificationAttempt:
    """Build the row of an attempt."""
    return NotificationAttempt(
        id=ids.new_id(),
        account_id=delivery.account_id,
        delivery_id=delivery.id,
        sent_at=sent_at,
        duration_ms=result.duration_ms,
        result=result.outcome.verdict.value,
        http_status=result.http_status,
        request=result.request,
        response=result.response,
        error=result.outcome.reason or None,
        events=result.events,
        next_attempt_at=next_at,
    )


async def _disable_if_failing(
    session: AsyncSession, clock: Clock, endpoint: NotificationEndpoint
) -> None:
    """Disable an endpoint that has failed for days, and tell the account by e-mail."""
    since = endpoint.failing_since
    if since is None or endpoint.failures < _MIN_FAILURES or not endpoint.enabled:
        return
    if clock.now() - since < DISABLE_AFTER:
        return
    endpoint.enabled, endpoint.disabled_reason = False, "failing"
    await end_pending(session, endpoint, DISABLED)
    await session.flush()
    profile = await get_profile(session, endpoint.account_id)
    name = endpoint.description or endpoint.address or endpoint.kind
    notice = EmailNotice("endpoint_disabled", {"name": name, "since": f"{since:%Y-%m-%d %H:%M}"})
    key = f"endpoint_disabled:{endpoint.id}:{since:%Y%m%dT%H%M%S}"
    await enqueue_email(session, clock, profile, key, notice)
