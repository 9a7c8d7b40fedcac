"""Emit events: store one delivery per endpoint, in the transaction that changes the state.

Nothing is stored if no endpoint of the account selected the type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, literal, or_
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.texts import EventText
from billing.events.types import ALERT_TARGET_EVENTS, is_selected
from billing.tables import (
    AlertTarget,
    NotificationDelivery,
    NotificationEndpoint,
    NotificationEvent,
)
from infra import ids
from infra.clock import Clock

_HAS_ALERT_URL = exists().where(
    col(AlertTarget.account_id) == col(NotificationEndpoint.account_id), col(AlertTarget.url) != ""
)
# An endpoint that is not removed; the webhook of the alert settings is, while it has no URL.
IS_PRESENT = col(NotificationEndpoint.removed_at).is_(None) & or_(
    ~col(NotificationEndpoint.is_alert_target), _HAS_ALERT_URL
)


@dataclass(frozen=True, slots=True)
class Event:
    """An event to emit, once per `key`.

    `data` is the content of signed webhooks; the account is added. `texts` is the message by
    language. `page` is the path of the dashboard page about it, such as `/dashboard/wallet`.
    """

    account_id: UUID
    type: str
    key: str
    data: Mapping[str, Any]
    texts: Mapping[str, EventText] = field(default_factory=dict)
    page: str = ""


async def emit_event(session: AsyncSession, clock: Clock, event: Event) -> None:
    """Store an event and its deliveries; a repeated key has no effect."""
    now = clock.now()
    account = {"account": ids.format_id("acct", event.account_id)}
    payload = {"type": event.type, "timestamp": now.isoformat(), "data": account | {**event.data}}
    await store_event(session, now, event, payload)


async def store_event(
    session: AsyncSession,
    now: datetime,
    event: Event,
    payload: Mapping[str, Any],
    event_id: UUID | None = None,
) -> None:
    """Store an event with the body of its webhooks; a repeated key has no effect."""
    await add_alert_target_endpoint(session, event.account_id, now)
    endpoints = [
        endpoint
        for endpoint in await _list_enabled(session, event.account_id)
        if is_selected(event.type, endpoint.enabled_events)
    ]
    if not endpoints:
        return
    stored = await session.execute(
        insert(NotificationEvent)
        .values(
            id=event_id or ids.new_id(),
            account_id=event.account_id,
            type=event.type,
            business_key=event.key,
            payload=dict(payload),
            texts={language: text.as_json() for language, text in event.texts.items()},
            page=event.page,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["business_key"])
        .returning(col(NotificationEvent.id))
    )
    stored_id = stored.scalar_one_or_none()
    if stored_id is not None:
        session.add_all(new_delivery(one, stored_id, event.type, now) for one in endpoints)
        await session.flush()


def new_delivery(
    endpoint: NotificationEndpoint, event_id: UUID, event_type: str, now: datetime
) -> NotificationDelivery:
    """Build a delivery that is due now."""
    return NotificationDelivery(
        id=ids.new_id(),
        account_id=endpoint.account_id,
        endpoint_id=endpoint.id,
        event_id=event_id,
        event_type=event_type,
        status="pending",
        created_at=now,
        queued_at=now,
        due_at=now,
    )


async def add_alert_target_endpoint(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Add the endpoint of the alert settings' webhook, if it has a URL and no endpoint yet.

    The previous version and the alert settings set a URL without an endpoint.
    """
    values = {
        "id": literal(ids.new_id()),
        "account_id": col(AlertTarget.account_id),
        "kind": literal("webhook"),
        "address": literal(""),
        "is_alert_target": literal(value=True),
        "has_secret": literal(value=True),
        "description": literal(""),
        "language": literal("en"),
        "enabled_events": literal(list(ALERT_TARGET_EVENTS), JSONB),
        "enabled": literal(value=True),
        "disabled_reason": literal(""),
        "created_at": literal(now),
        "due_at": literal(now),
        "attempts": literal(0),
        "failures": literal(0),
    }
    source = select_columns(*values.values()).where(
        col(AlertTarget.account_id) == account_id, col(AlertTarget.url) != ""
    )
    await session.execute(
        insert(NotificationEndpoint)
        .from_select(list(values), source, include_defaults=False)
        .on_conflict_do_nothing()
    )


async def _list_enabled(session: AsyncSession, account_id: UUID) -> Sequence[NotificationEndpoint]:
    """List the account's enabled endpoints."""
    query = select(NotificationEndpoint).where(
        col(NotificationEndpoint.account_id) == account_id,
        col(NotificationEndpoint.enabled),
        IS_PRESENT,
    )
    return (await session.scalars(query)).all()
