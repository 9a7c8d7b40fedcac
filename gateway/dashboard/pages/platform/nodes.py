"""The operators' page of the identifier node: prefixes, delegations and resolutions per day."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from sqlmodel import col, select

from billing.tables import Account
from gateway.dashboard.page_request import PageRequest
from gateway.identity.roles import Permission
from gateway.operations.node_status import fetch_node_status
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
    status = await fetch_node_status(settings)
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
        node=status,
        peers=[_peer(one) for one in (status or {}).get("peers", ())],
        errors=[
            (_moment(one.get("at")), one.get("code")) for one in (status or {}).get("errors", ())
        ],
        zone=UTC,
    )


def _peer(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a peer with its times."""
    times = {name: _moment(one.get(name)) for name in ("answered_at", "failed_at")}
    return {**one, **times}


def _moment(seconds: Any) -> datetime | None:
    """Return the time of Unix seconds, None for none."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None
