"""Emit one event of the platform to every account with an endpoint that selected its type.

For the platform: writes across accounts, each account its own event and deliveries (account_id).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.events.emission import IS_PRESENT, new_delivery
from billing.events.texts import EventText
from billing.events.types import is_selected
from billing.tables import NotificationEndpoint, NotificationEvent
from infra import ids

_ACCOUNTS_PER_STATEMENT = 500
_Endpoints = Mapping[UUID, Sequence[NotificationEndpoint]]


@dataclass(frozen=True, slots=True)
class BroadcastEvent:
    """An event of all accounts, once per `key` and account; otherwise as Event."""

    type: str
    key: str
    data: Mapping[str, Any]
    texts: Mapping[str, EventText] = field(default_factory=dict)
    page: str = ""


async def broadcast_event(session: AsyncSession, now: datetime, event: BroadcastEvent) -> int:
    """Store the event and its deliveries for all subscribed accounts. Returns how many accounts."""
    endpoints = await _selecting_endpoints(session, event.type)
    accounts = list(endpoints)
    for first in range(0, len(accounts), _ACCOUNTS_PER_STATEMENT):
        part = accounts[first : first + _ACCOUNTS_PER_STATEMENT]
        await _store(session, now, event, {one: endpoints[one] for one in part})
    await session.flush()
    return len(endpoints)


async def _selecting_endpoints(session: AsyncSession, event_type: str) -> _Endpoints:
    """Return the enabled endpoints of all accounts that selected a type, by account_id."""
    query = select(NotificationEndpoint).where(col(NotificationEndpoint.enabled), IS_PRESENT)
    found: dict[UUID, list[NotificationEndpoint]] = defaultdict(list)
    for endpoint in (await session.scalars(query.order_by(col(NotificationEndpoint.id)))).all():
        if is_selected(event_type, endpoint.enabled_events):
            found[endpoint.account_id].append(endpoint)
    return found


async def _store(
    session: AsyncSession, now: datetime, event: BroadcastEvent, endpoints: _Endpoints
) -> None:
    """Store the event of each account with one delivery for each endpoint."""
    rows = [_event_row(now, event, account_id) for account_id in endpoints]
    stored = await session.execute(
        insert(NotificationEvent)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["business_key"])
        .returning(col(NotificationEvent.id), col(NotificationEvent.account_id))
    )
    session.add_all(
        new_delivery(endpoint, event_id, event.type, now)
        for event_id, account_id in stored.all()
        for endpoint in endpoints[account_id]
    )


def _event_row(now: datetime, event: BroadcastEvent, account_id: UUID) -> dict[str, Any]:
    """Return the row of one account's event."""
    data = {"account": ids.format_id("acct", account_id), **event.data}
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "type": event.type,
        "business_key": f"{event.key}:{account_id.hex}",
        "payload": {"type": event.type, "timestamp": now.isoformat(), "data": data},
        "texts": {language: text.as_json() for language, text in event.texts.items()},
        "page": event.page,
        "created_at": now,
    }
