"""The operators' page of the identifier node: prefixes, delegations and resolutions per day."""

from datetime import timedelta

from litestar import Response, get
from litestar.di import NamedDependency
from sqlmodel import col, select

from billing.tables import Account
from gateway.dashboard.page_request import PageRequest
from gateway.identity.roles import Permission
from gateway.plant.identifiers.node.counts import daily_counts
from gateway.plant.identifiers.node.prefix_list import list_prefixes
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_DAYS = 30


@get("/platform/nodes", name="platform:nodes", permission=Permission.WATCH)
async def show_nodes(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
) -> Response[str]:
    """Show the prefixes of this installation's node and its resolutions of 30 days."""
    async with database.transaction() as session:
        prefixes = await list_prefixes(session)
        counts = await daily_counts(session, clock.now().date() - timedelta(days=_DAYS))
        owners = {one.account_id for one in prefixes if one.account_id is not None}
        query = select(col(Account.id), col(Account.name)).where(col(Account.id).in_(owners))
        names = {account_id: name for account_id, name in await session.execute(query)}
    return page.render(
        "platform/nodes.html",
        role=settings.node_role,
        url=settings.node_public_url,
        prefixes=prefixes,
        names=names,
        counts=counts,
    )
