"""`maas plant event-queries` and `event-subscriptions`: named EPCIS queries, and deliveries."""

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from gateway.cli.results import Table
from gateway.cli.runner import AccountName, command
from gateway.plant.epcis.named_queries import list_queries
from gateway.plant.epcis.subscriptions import list_subscriptions, render_subscription


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
async def plant_event_subscriptions(session: AsyncSession, account: AccountName) -> Table:
    """List an account's subscriptions to EPCIS queries with the state of their deliveries."""
    owner = await get_account(session, account)
    queries = {row.id: row for row in await list_queries(session, owner.id)}
    rows = [
        render_subscription(row, queries[row.query])
        for row in await list_subscriptions(session, owner.id)
    ]
    columns = ("subscriptionID", "queryName", "dest", "lastNotifiedAt", "failures", "lastError")
    return Table(rows, columns)
