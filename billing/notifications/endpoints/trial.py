"""Test messages: sent at once, so that the result can be shown, and logged like any delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.events.emission import new_delivery
from billing.events.texts import event_texts
from billing.events.types import TEST_EVENT
from billing.notifications.endpoints.confirmation import require_confirmed
from billing.notifications.endpoints.endpoints import ENDPOINT_ID_PREFIX, find_endpoint
from billing.notifications.endpoints.outgoing import Turn, record_result, to_outgoing, to_recipient
from billing.notifications.endpoints.sending import ENDPOINTS_PAGE, EndpointSender, SendResult
from billing.tables import NotificationDelivery, NotificationEvent
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer

_MIN_INTERVAL = timedelta(seconds=10)
# The worker sends the test after this time, if this process ends before it records the result.
_RESERVED = timedelta(minutes=1)


class NotificationTestTooSoon(AppError):
    """A test message was sent to the endpoint less than ten seconds ago."""

    status = 429
    type = "rate_limit_error"
    code = "notification_test_too_soon"


@dataclass(frozen=True, slots=True)
class TestedEndpoint:
    """The result of a test message, and the id of its delivery."""

    delivery_id: UUID
    result: SendResult


async def send_test_message(
    database: Database,
    clock: Clock,
    sealer: Sealer,
    sender: EndpointSender,
    account_id: UUID,
    endpoint_id: UUID,
) -> TestedEndpoint:
    """Send a test message to an endpoint, also to a disabled one, outside of any transaction.

    Raises NotificationEndpointNotFound, NotificationEndpointUnconfirmed, NotificationTestTooSoon.
    """
    sent_at = clock.now()
    async with database.transaction() as session:
        turn = await _prepare(session, sealer, account_id, endpoint_id, sent_at)
    result = await sender.send(turn.recipient, turn.events, sent_at)
    async with database.transaction() as session:
        await record_result(session, clock, turn, result, sent_at, repeat=False)
    return TestedEndpoint(turn.deliveries[0], result)


async def _prepare(
    session: AsyncSession, sealer: Sealer, account_id: UUID, endpoint_id: UUID, now: datetime
) -> Turn:
    """Store the test event and its delivery."""
    await lock_profile(session, account_id)
    endpoint = await find_endpoint(session, account_id, endpoint_id)
    require_confirmed(endpoint)
    await _require_interval(session, account_id, endpoint_id, now)
    event_id = ids.new_id()
    name = ids.format_id(ENDPOINT_ID_PREFIX, endpoint_id)
    data = {"account": ids.format_id("acct", account_id), "endpoint": name}
    texts = event_texts(TEST_EVENT, {})
    event = NotificationEvent(
        id=event_id,
        account_id=account_id,
        type=TEST_EVENT,
        business_key=f"{TEST_EVENT}:{event_id}",
        payload={"type": TEST_EVENT, "timestamp": now.isoformat(), "data": data},
        texts={language: text.as_json() for language, text in texts.items()},
        page=ENDPOINTS_PAGE,
        created_at=now,
    )
    session.add(event)
    await session.flush()
    delivery = new_delivery(endpoint, event_id, TEST_EVENT, now)
    delivery.due_at = now + _RESERVED
    session.add(delivery)
    await session.flush()
    recipient = await to_recipient(session, sealer, endpoint)
    return Turn(recipient, [delivery.id], [to_outgoing(event)])


async def _require_interval(
    session: AsyncSession, account_id: UUID, endpoint_id: UUID, now: datetime
) -> None:
    """Raise NotificationTestTooSoon if the endpoint had a test in the last 10 seconds."""
    query = select(func.count()).where(
        col(NotificationDelivery.account_id) == account_id,
        col(NotificationDelivery.endpoint_id) == endpoint_id,
        col(NotificationDelivery.event_type) == TEST_EVENT,
        col(NotificationDelivery.created_at) > now - _MIN_INTERVAL,
    )
    if (await session.execute(query)).scalar_one():
        raise NotificationTestTooSoon("A test was sent a moment ago. Try again in 10 seconds.")
