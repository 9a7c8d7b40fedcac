"""Notification endpoints of an account: list, create, change, remove.

The webhook of the alert settings is one of them; its address stays in `alert_target`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.events.emission import IS_PRESENT, add_alert_target_endpoint
from billing.notifications.alert_targets import get_alert_target, update_alert_target
from billing.notifications.endpoints.addresses import Address, read_address, seal_address
from billing.notifications.endpoints.confirmation import UNCONFIRMED, require_confirmed
from billing.notifications.endpoints.fields import (
    NotificationEndpointInvalid,
    mask_address,
    require_description,
    require_events,
    require_kind,
    require_language,
    require_secret,
)
from billing.notifications.endpoints.kinds import EMAIL, WEBHOOK
from billing.tables import NotificationDelivery, NotificationEndpoint
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.outbound.webhook_post import new_secret
from infra.secrets.sealer import Sealer

ENDPOINT_ID_PREFIX = "ne"
MAX_ENDPOINTS = 20
DISABLED = "The endpoint is disabled."
_REMOVED = "The endpoint was removed."


class NotificationEndpointNotFound(AppError):
    """The account has no notification endpoint with this id."""

    status = 404
    type = "invalid_request_error"
    code = "notification_endpoint_not_found"


class TooManyNotificationEndpoints(AppError):
    """The account has the largest number of endpoints."""

    status = 409
    type = "invalid_request_error"
    code = "too_many_notification_endpoints"


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to create; `address` has passed `require_address`.

    One that is not confirmed stays disabled until its reader has agreed.
    """

    kind: str
    address: str
    secret: str = ""
    description: str = ""
    language: str = "zh"
    enabled_events: Sequence[str] = ("*",)
    is_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """Values to change; None leaves a value. `address` has passed `require_address`.

    `is_confirmed` is of a new address.
    """

    address: str | None = None
    secret: str | None = None
    description: str | None = None
    language: str | None = None
    enabled_events: Sequence[str] | None = None
    enabled: bool | None = None
    is_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class StoredEndpoint:
    """An endpoint and its new signing secret, which is shown once; None if it is unchanged."""

    row: NotificationEndpoint
    address: str
    secret: str | None = None


async def list_endpoints(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> list[StoredEndpoint]:
    """List the account's endpoints, oldest first."""
    await add_alert_target_endpoint(session, account_id, clock.now())
    query = select(NotificationEndpoint).where(
        col(NotificationEndpoint.account_id) == account_id, IS_PRESENT
    )
    rows = (await session.scalars(query.order_by(col(NotificationEndpoint.id)))).all()
    return [await _stored(session, row) for row in rows]


async def get_endpoint(
    session: AsyncSession, account_id: UUID, endpoint_id: UUID
) -> StoredEndpoint:
    """Return one of the account's endpoints. Raises NotificationEndpointNotFound."""
    return await _stored(session, await find_endpoint(session, account_id, endpoint_id))


async def find_endpoint(
    session: AsyncSession, account_id: UUID, endpoint_id: UUID
) -> NotificationEndpoint:
    """Return the row of an endpoint. Raises NotificationEndpointNotFound."""
    query = select(NotificationEndpoint).where(
        col(NotificationEndpoint.account_id) == account_id,
        col(NotificationEndpoint.id) == endpoint_id,
        IS_PRESENT,
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise NotificationEndpointNotFound(
            "The account has no such notification endpoint.", param="endpoint"
        )
    return row


async def create_endpoint(
    session: AsyncSession, clock: Clock, sealer: Sealer, account_id: UUID, fields: NewEndpoint
) -> StoredEndpoint:
    """Create an endpoint; a webhook gets a signing secret.

    Raises NotificationEndpointInvalid, TooManyNotificationEndpoints.
    """
    kind = require_kind(fields.kind)
    secret = require_secret(kind, fields.secret)
    made = new_secret() if kind == WEBHOOK else None
    endpoint_id, now = ids.new_id(), clock.now()
    row = NotificationEndpoint(
        id=endpoint_id,
        account_id=account_id,
        kind=kind,
        address=mask_address(kind, fields.address),
        sealed=seal_address(sealer, endpoint_id, Address(fields.address, made or secret)),
        has_secret=bool(made or secret),
        description=require_description(fields.description),
        language=require_language(fields.language),
        enabled_events=require_events(fields.enabled_events),
        enabled=fields.is_confirmed,
        disabled_reason="" if fields.is_confirmed else UNCONFIRMED,
        created_at=now,
        due_at=now,
    )
    await lock_profile(session, account_id)
    await _require_room(session, account_id)
    session.add(row)
    await session.flush()
    return StoredEndpoint(row, row.address, made)


async def update_endpoint(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    account_id: UUID,
    endpoint_id: UUID,
    change: EndpointChange,
) -> StoredEndpoint:
    """Change an endpoint; a webhook with another address gets a new signing secret.

    Pending deliveries are attempted at once after a change of address or secret, and end if the
    endpoint is disabled. Raises NotificationEndpointNotFound, NotificationEndpointInvalid,
    NotificationEndpointUnconfirmed.
    """
    await lock_profile(session, account_id)
    row = await find_endpoint(session, account_id, endpoint_id)
    if change.description is not None:
        row.description = require_description(change.description)
    if change.language is not None:
        row.language = require_language(change.language)
    if change.enabled_events is not None:
        row.enabled_events = require_events(change.enabled_events)
    made = await _change_address(session, sealer, row, change)
    _change_state(row, change)
    if change.address is not None or change.secret is not None or change.enabled:
        row.failing_since, row.failures, row.attempts, row.due_at = None, 0, 0, clock.now()
        await _make_due(session, row, clock)
    if not row.enabled:
        await end_pending(session, row, DISABLED)
    await session.flush()
    stored = await _stored(session, row)
    return StoredEndpoint(row, stored.address, made)


async def roll_secret(
    session: AsyncSession, sealer: Sealer, account_id: UUID, endpoint_id: UUID
) -> StoredEndpoint:
    """Give a webhook a new signing secret; the previous one is invalid at once.

    Raises NotificationEndpointNotFound, NotificationEndpointInvalid.
    """
    await lock_profile(session, account_id)
    row = await find_endpoint(session, account_id, endpoint_id)
    if row.kind != WEBHOOK:
        raise NotificationEndpointInvalid(
            "Only webhooks have a signing secret of ours.", param="kind"
        )
    secret = new_secret()
    if row.is_alert_target:
        (await get_alert_target(session, account_id)).secret = secret
    else:
        url = (await read_address(session, sealer, row)).url
        row.sealed = seal_address(sealer, row.id, Address(url, secret))
    await session.flush()
    return StoredEndpoint(row, (await _stored(session, row)).address, secret)


async def remove_endpoint(
    session: AsyncSession, clock: Clock, account_id: UUID, endpoint_id: UUID
) -> NotificationEndpoint:
    """Remove an endpoint; its pending deliveries end. Raises NotificationEndpointNotFound."""
    await lock_profile(session, account_id)
    row = await find_endpoint(session, account_id, endpoint_id)
    await end_pending(session, row, _REMOVED)
    if row.is_alert_target:
        await update_alert_target(session, account_id, url="")
    else:
        row.removed_at = clock.now()
    await session.flush()
    return row


async def end_pending(session: AsyncSession, endpoint: NotificationEndpoint, reason: str) -> None:
    """End the pending deliveries of an endpoint as failed; they can be requested again."""
    await session.execute(
        update(NotificationDelivery)
        .where(
            col(NotificationDelivery.account_id) == endpoint.account_id,
            col(NotificationDelivery.endpoint_id) == endpoint.id,
            col(NotificationDelivery.status) == "pending",
        )
        .values(status="failed", last_error=reason)
    )


def _change_state(row: NotificationEndpoint, change: EndpointChange) -> None:
    """Enable or disable an endpoint. Raises NotificationEndpointUnconfirmed.

    A mailbox that is not confirmed can only be enabled by its reader.
    """
    if change.address is not None and row.kind == EMAIL:
        if not change.is_confirmed:
            row.enabled, row.disabled_reason = False, UNCONFIRMED
        elif row.disabled_reason == UNCONFIRMED:
            row.enabled, row.disabled_reason = True, ""
    if change.enabled:
        require_confirmed(row)
        row.enabled, row.disabled_reason = True, ""
    elif change.enabled is not None and row.disabled_reason != UNCONFIRMED:
        row.enabled, row.disabled_reason = False, "owner"


async def _make_due(session: AsyncSession, endpoint: NotificationEndpoint, clock: Clock) -> None:
    """Make the pending deliveries of an endpoint due now."""
    await session.execute(
        update(NotificationDelivery)
        .where(
            col(NotificationDelivery.account_id) == endpoint.account_id,
            col(NotificationDelivery.endpoint_id) == endpoint.id,
            col(NotificationDelivery.status) == "pending",
        )
        .values(due_at=clock.now())
    )


async def _change_address(
    session: AsyncSession, sealer: Sealer, row: NotificationEndpoint, change: EndpointChange
) -> str | None:
    """Change address and secret of an endpoint. Returns the new secret of a webhook."""
    if change.secret is not None:
        require_secret(row.kind, change.secret)
    if change.address is None and change.secret is None:
        return None
    if row.is_alert_target:
        return await update_alert_target(session, row.account_id, url=change.address)
    stored = await read_address(session, sealer, row)
    url = stored.url if change.address is None else change.address
    if not url:
        raise NotificationEndpointInvalid("Enter the address again.", param="address")
    made = new_secret() if row.kind == WEBHOOK and url != stored.url else None
    keeps_secret = change.secret is None or row.kind == WEBHOOK
    secret = stored.secret if keeps_secret else (change.secret or "").strip()
    row.sealed = seal_address(sealer, row.id, Address(url, made or secret))
    row.address, row.has_secret = mask_address(row.kind, url), bool(made or secret)
    return made


async def _stored(session: AsyncSession, row: NotificationEndpoint) -> StoredEndpoint:
    """Return an endpoint with the address that is shown."""
    if not row.is_alert_target:
        return StoredEndpoint(row, row.address)
    return StoredEndpoint(row, (await get_alert_target(session, row.account_id)).url)


async def _require_room(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyNotificationEndpoints if the account has the largest number of endpoints."""
    query = select(func.count()).where(
        col(NotificationEndpoint.account_id) == account_id, IS_PRESENT
    )
    if (await session.execute(query)).scalar_one() >= MAX_ENDPOINTS:
        raise TooManyNotificationEndpoints(
            f"An account has at most {MAX_ENDPOINTS} notification endpoints. Remove one first."
        )
