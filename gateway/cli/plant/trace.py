"""`maas plant trace`: what went into an item, what was made from it, and what inspected it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from billing.accounts.accounts import get_account
from gateway.cli.results import Report, Table
from gateway.cli.runner import AccountName, command
from gateway.plant.epcis.documents import trace_json
from gateway.plant.epcis.trace import Direction
from gateway.plant.epcis.trace_query import trace_item
from infra.database.database import Database


@command
async def plant_trace(
    database: Database,
    account: AccountName,
    item: Annotated[str, typer.Argument(help="EPC, GS1 Digital Link or other URI of the item.")],
    direction: Annotated[
        Direction, typer.Option(help="upstream: what went in; downstream: what was made from it.")
    ] = Direction.UPSTREAM,
) -> Report:
    """Trace an item over the account's EPCIS events."""
    async with database.transaction() as session:
        account_id = (await get_account(session, account)).id
        found = trace_json(await trace_item(session, account_id, item, direction))
    columns: Mapping[str, Sequence[str]] = {
        "items": ("depth", "item"),
        "links": ("time", "kind", "from", "to", "until"),
        "containers": ("since", "until", "item", "container"),
        "inspections": ("time", "item", "disposition", "request_id"),
    }
    return Report(found, [_table(found[name], shown) for name, shown in columns.items()])


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Return the table of one part of the trace."""
    return Table(list(rows), columns)
