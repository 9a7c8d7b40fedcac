"""The delivery log of an account: list, retrieve, deliver again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.endpoints.endpoints import DISABLED, find_endpoint
from billing.tables import NotificationAttempt, NotificationDelivery, NotificationEvent
from infra.clock import Clock
from infra.errors import AppError

DELIVERY_ID_PREFIX = "nd"
DELIVERY_STATUSES = ("pending", "delivered", "failed")


class NotificationDeliveryNotFound(AppError):
    """The account has no delivery with this id."""

    status = 404
    type = "invalid_request_error"
    code = "notification_delivery_not_found"


class NotificationNotRepeatable(AppError):
    """The endpoint is disabled or removed, or the delivery is pending already."""

    status = 409
    type = "invalid_request_error"
    code = "notification_not_repeatable"


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are listed; None does not restrict."""

    endpoint_id: UUID | None = None
    status: str | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A delivery with its event and its attempts, oldest first."""

    row: NotificationDelivery
    event: NotificationEvent
    attempts: Sequence[NotificationAttempt]


async def list_deliveries(
    session: AsyncSession,
    account_id: UUID,
    chosen: DeliveryFilter,
    limit: int,
    after: UUID | None = None,
) -> Sequence[NotificationDelivery]:
    """List the account's deliveries, newest first, those after the id `after`."""
    query = select(NotificationDelivery).where(col(NotificationDelivery.account_id) == account_id)
    if chosen.endpoint_id is not None:
        query = query.where(col(NotificationDelivery.endpoint_id) == chosen.endpoint_id)
    if chosen.status is not None:
        query = query.where(col(NotificationDelivery.status) == chosen.status)
    if chosen.event_type is not None:
        query = query.where(col(NotificationDelivery.event_type) == chosen.event_type)
    if after is not None:
        query = query.where(col(NotificationDelivery.id) < after)
    query = query.order_by(col(NotificationDelivery.id).desc()).limit(limit)
    return (await session.scalars(query)).all()


async def get_delivery(
    session: AsyncSession, account_id: UUID, delivery_id: UUID
) -> LoggedDelivery:
    """Return one of the account's deliveries. Raises NotificationDeliveryNotFound."""
    row = await _find(session, account_id, delivery_id)
    query = select(NotificationAttempt).where(
        col(NotificationAttempt.account_id) == account_id,
        col(NotificationAttempt.delivery_id) == delivery_id,
    )
    attempts = (await session.scalars(query.order_by(col(NotificationAttempt.id)))).all()
    event = await session.get_one(NotificationEvent, row.event_id)
    return LoggedDelivery(row, event, attempts)


async def deliver_again(
    session: AsyncSession, clock: Clock, account_id: UUID, delivery_id: UUID
) -> NotificationDelivery:
    """Queue an ended delivery again, with the same event id.

    Raises NotificationDeliveryNotFound, NotificationNotRepeatable, NotificationEndpointNotFound.
    """
    row = await _find(session, account_id, delivery_id)
    await session.refresh(row, with_for_update=True)
    endpoint = await find_endpoint(session, account_id, row.endpoint_id)
    if not endpoint.enabled:
        raise NotificationNotRepeatable(f"{DISABLED} Enable it first.")
    if row.status == "pending":
        raise NotificationNotRepeatable("The delivery is pending already.")
    row.status, row.queued_at, row.due_at = "pending", clock.now(), clock.now()
    await session.flush()
    return row


async def _find(session: AsyncSession, account_id: UUID, delivery_id: UUID) -> NotificationDelivery:
    """Return the row of a delivery. Raises NotificationDeliveryNotFound."""
    query = select(NotificationDelivery).where(
        col(NotificationDelivery.account_id) == account_id,
        col(NotificationDelivery.id) == delivery_id,
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise NotificationDeliveryNotFound(
            "The account has no such delivery, or it is older than the retention.",
            param="delivery",
        )
    return row
