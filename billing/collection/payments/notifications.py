"""Receives notifications of payment providers: verify, record, acknowledge.

The acknowledgement is sent after the transaction that records the notification, so a provider
repeats one that was not recorded. An authentic notification of an order that is not ours is
acknowledged too: several systems may share a merchant account.
"""

from collections.abc import Mapping

import structlog

from billing.collection.collector import InvalidNotification
from billing.collection.payments.provider import Notification, PaymentResult
from billing.collection.payments.providers import PaymentProviders
from billing.collection.payments.recording import RecordedAs, record_payment_result
from billing.collection.payments.refund_results import record_refund_result
from infra.clock import Clock
from infra.database.database import Database


async def receive_notification(
    database: Database,
    clock: Clock,
    providers: PaymentProviders,
    method: str,
    body: bytes,
    headers: Mapping[str, str],
) -> RecordedAs:
    """Verify a notification and record what it says. Raises InvalidNotification.

    `headers` have lower-case names.
    """
    provider = providers.find(method)
    if provider is None:
        raise InvalidNotification("This payment method is not configured.")
    notification = provider.read_notification(body, headers)
    if notification is None:
        return RecordedAs.UNCHANGED
    recorded = await _record(database, clock, method, notification)
    if recorded is RecordedAs.UNKNOWN_ORDER:
        structlog.get_logger().warning(
            "a notification is of an unknown order", method=method, number=notification.number
        )
    return recorded


async def _record(
    database: Database, clock: Clock, method: str, notification: Notification
) -> RecordedAs:
    """Record a verified notification in one transaction."""
    async with database.transaction() as session:
        if isinstance(notification, PaymentResult):
            return await record_payment_result(session, clock, method, notification)
        return await record_refund_result(session, clock, method, notification)
