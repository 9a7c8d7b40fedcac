"""`maas plant event-queries` and `event-subscriptions`: named EPCIS queries, and deliveries."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.results import Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.plant.epcis.errors import EventNotFound
from gateway.plant.epcis.named_queries import list_queries
from gateway.plant.epcis.subscriptions import (
    SUBSCRIPTION_ID_PREFIX,
    list_subscriptions,
    pause_subscription,
    render_subscription,
    resume_subscription,
)
from gateway.tables import PlantEventQuery
from infra import ids
from infra.clock import Clock

_COLUMNS = (
    *("subscriptionID", "queryName", "dest", "pausedAt", "lastNotifiedAt"),
    *("failures", "lastError"),
)


@command
async def plant_event_queries(session: AsyncSession, account: AccountName) -> Table:
    """List an account's named EPCIS queries."""
    owner = await get_account(session, account)
    rows = [
        {"name": row.name, "query": row.parameters, "created_at": row.created_at.isoformat()}
        for row in await list_queries(session, owner.id)
    ]
    return Table(rows, ("name", "query", "created_at"))


@command
async def plant_event_subscriptions(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    pause: Annotated[str, typer.Option(help="Subscription (eventsub_…) to pause.")] = "",
    resume: Annotated[str, typer.Option(help="Subscription (eventsub_…) to resume.")] = "",
) -> Table:
    """List an account's subscriptions to EPCIS queries with the state of their deliveries."""
    owner = await get_account(session, account)
    queries = {row.id: row for row in await list_queries(session, owner.id)}
    if pause:
        query = await _query_of(session, queries, owner.id, pause)
        await pause_subscription(session, clock, query, pause)
        await _record(session, clock, query, "epcis.subscription_paused", pause)
    if resume:
        query = await _query_of(session, queries, owner.id, resume)
        await resume_subscription(session, clock, query, resume)
        await _record(session, clock, query, "epcis.subscription_resumed", resume)
    rows = [
        render_subscription(row, queries[row.query])
        for row in await list_subscriptions(session, owner.id)
    ]
    return Table(rows, _COLUMNS)


async def _query_of(
    session: AsyncSession, queries: Mapping[UUID, PlantEventQuery], account_id: UUID, name: str
) -> PlantEventQuery:
    """Return the query of a subscription. Raises EventNotFound."""
    wanted = ids.parse_id(SUBSCRIPTION_ID_PREFIX, name)
    for row in await list_subscriptions(session, account_id):
        if row.id == wanted:
            return queries[row.query]
    raise EventNotFound("The account has no such subscription.", param="subscriptionID")


async def _record(
    session: AsyncSession, clock: Clock, query: PlantEventQuery, action: str, subject: str
) -> None:
    """Add an entry to the account's audit log."""
    details = {"name": query.name}
    place = (session, clock, CLI_ACTOR, query.account_id)
    await record_audit_event(*place, action, subject, details)
