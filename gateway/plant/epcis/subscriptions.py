"""Subscriptions to named EPCIS queries: create, list, pause and end them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.alert_targets import AlertTargetInvalid
from billing.notifications.webhook_addresses import check_host_resolves, require_allowed_url
from gateway.plant.epcis.errors import EventInvalid, EventNotFound, SubscriptionInvalid
from gateway.plant.epcis.fields import require_time
from gateway.plant.epcis.schedules import parse_schedule
from gateway.tables import PlantEventQuery, PlantEventSubscription
from infra import ids
from infra.clock import Clock
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.webhook_post import new_secret
from infra.secrets.sealer import Sealer

SUBSCRIPTION_ID_PREFIX = "eventsub"
MAX_SUBSCRIPTIONS = 50
_KNOWN = ("dest", "stream", "schedule", "reportIfEmpty", "initialRecordTime")
_MAX_URL = 2_000
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A checked request for a subscription; `since` is the time of capture to begin after."""

    url: str
    schedule: Mapping[str, Any] | None
    reports_if_empty: bool
    since: datetime | None


async def parse_subscription(raw: Any, allowed: AllowedAddresses) -> NewSubscription:
    """Check a request for a subscription; its host is looked up. Raises SubscriptionInvalid."""
    if not isinstance(raw, dict) or not set(raw) <= set(_KNOWN):
        raise SubscriptionInvalid(f"A subscription has the fields {', '.join(_KNOWN)}.")
    schedule = raw.get("schedule")
    if (schedule is not None) == bool(raw.get("stream", False)):
        raise SubscriptionInvalid("Give either `stream: true` or a `schedule`.", param="schedule")
    if schedule is not None:
        parse_schedule(schedule)
    since = raw.get("initialRecordTime")
    try:
        url = await _checked_url(raw.get("dest"), allowed)
        first = None if since is None else require_time(since, "initialRecordTime")
    except (AlertTargetInvalid, EventInvalid) as error:
        raise SubscriptionInvalid(error.message, param=error.param) from None
    return NewSubscription(url, schedule, raw.get("reportIfEmpty") is True, first)


async def _checked_url(url: Any, allowed: AllowedAddresses) -> str:
    """Return the address of a webhook. Raises SubscriptionInvalid, AlertTargetInvalid."""
    if not isinstance(url, str) or not 0 < len(url) <= _MAX_URL:
        raise SubscriptionInvalid("`dest` is the address of a webhook.", param="dest")
    require_allowed_url(url, allowed)
    await check_host_resolves(url, allowed)
    return url


async def create_subscription(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    query: PlantEventQuery,
    new: NewSubscription,
) -> tuple[PlantEventSubscription, str]:
    """Store a subscription and return it with its signing secret. Raises SubscriptionInvalid."""
    existing = await list_subscriptions(session, query.account_id)
    if len(existing) >= MAX_SUBSCRIPTIONS:
        raise SubscriptionInvalid(f"An account has at most {MAX_SUBSCRIPTIONS} subscriptions.")
    now, secret, row_id = clock.now(), new_secret(), ids.new_id()
    row = PlantEventSubscription(
        id=row_id,
        account_id=query.account_id,
        query=query.id,
        created_at=now,
        url=new.url,
        sealed_secret=sealer.seal_bytes(secret.encode(), seal_purpose(row_id)),
        schedule=None if new.schedule is None else dict(new.schedule),
        reports_if_empty=new.reports_if_empty,
        position_time=new.since or now,
        position_id=_FIRST,
        due_at=next_due(new.schedule, now),
    )
    session.add(row)
    await session.flush()
    return row, secret


async def list_subscriptions(
    session: AsyncSession, account_id: UUID, query_id: UUID | None = None
) -> Sequence[PlantEventSubscription]:
    """Return the subscriptions of an account, or of one of its queries."""
    query = select(PlantEventSubscription).where(
        col(PlantEventSubscription.account_id) == account_id
    )
    if query_id is not None:
        query = query.where(col(PlantEventSubscription.query) == query_id)
    return (await session.scalars(query.order_by(col(PlantEventSubscription.id)))).all()


async def get_subscription(
    session: AsyncSession, query: PlantEventQuery, text_id: str
) -> PlantEventSubscription:
    """Return a subscription of a query. Raises EventNotFound."""
    row_id = ids.parse_id(SUBSCRIPTION_ID_PREFIX, text_id)
    for row in await list_subscriptions(session, query.account_id, query.id):
        if row.id == row_id:
            return row
    raise EventNotFound("The query has no such subscription.", param="subscriptionID")


async def pause_subscription(
    session: AsyncSession, clock: Clock, query: PlantEventQuery, text_id: str
) -> PlantEventSubscription:
    """Stop deliveries until the subscription is resumed. Raises EventNotFound."""
    row = await get_subscription(session, query, text_id)
    row.paused_at = row.paused_at or clock.now()
    return row


async def resume_subscription(
    session: AsyncSession, clock: Clock, query: PlantEventQuery, text_id: str
) -> PlantEventSubscription:
    """Continue after the last event delivered. Raises EventNotFound."""
    row = await get_subscription(session, query, text_id)
    if row.paused_at is not None:
        row.paused_at, row.failures, row.last_error = None, 0, None
        row.due_at = next_due(row.schedule, clock.now())
    return row


async def delete_subscription(session: AsyncSession, query: PlantEventQuery, text_id: str) -> None:
    """End a subscription. Raises EventNotFound."""
    row = await get_subscription(session, query, text_id)
    table = PlantEventSubscription
    await session.execute(delete(table).where(col(table.id) == row.id))


def next_due(schedule: Mapping[str, Any] | None, now: datetime) -> datetime:
    """Return when a subscription is due next: at once without a schedule."""
    if schedule is None:
        return now
    found = parse_schedule(dict(schedule)).next_after(now)
    return found or datetime.max.replace(tzinfo=now.tzinfo)


def seal_purpose(subscription_id: UUID) -> str:
    """Return the purpose to which a sealed secret is bound."""
    return f"event-subscription:{subscription_id}"


def render_subscription(row: PlantEventSubscription, query: PlantEventQuery) -> dict[str, Any]:
    """Return a subscription in the shape of EPCIS 2.0, with the state of its deliveries."""
    return {
        "subscriptionID": ids.format_id(SUBSCRIPTION_ID_PREFIX, row.id),
        "queryName": query.name,
        "dest": row.url,
        "createdAt": row.created_at.isoformat(),
        "schedule": row.schedule,
        "stream": row.schedule is None,
        "reportIfEmpty": row.reports_if_empty,
        "pausedAt": row.paused_at and row.paused_at.isoformat(),
        "lastNotifiedAt": row.last_notified_at and row.last_notified_at.isoformat(),
        "failures": row.failures,
        "lastError": row.last_error,
    }
