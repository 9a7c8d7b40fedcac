"""`maas margin`: usage charges less the cost of upstreams, by model, account, upstream or month."""

from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import DEFAULT_PROFILE
from billing.dates import parse_time_zone
from billing.reports.margin import MarginDimension, MarginFilter, list_margins
from gateway.cli.billing.usage_filters import parse_time_option
from gateway.cli.results import Table
from gateway.cli.runner import command
from gateway.operations.reports import margin_json
from infra.clock import Clock

_DEFAULT_RANGE = timedelta(days=30)
_COLUMNS = ("value", "currency", "calls", "charged", "cost", "margin", "margin_percent", "unknown")


@command
async def margin(
    session: AsyncSession,
    clock: Clock,
    by: Annotated[
        MarginDimension, typer.Option(help="Group by this dimension.")
    ] = MarginDimension.MODEL,
    since: Annotated[
        str | None,
        typer.Option(help="Time ago (`30m`, `2d`), or an ISO 8601 date. Default: 30 days ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="End, exclusive. Default: now.")] = None,
    model: Annotated[str | None, typer.Option(help="Model ID.")] = None,
    account: Annotated[str | None, typer.Option(help="Account ID (acct_…) or name.")] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Upstream name; `own` for the servers of MAAS_SERVING_URL.")
    ] = None,
) -> Table:
    """Show usage charges, what they cost upstream, and the margin.

    Charges are after included units, before discounts and tax. Calls whose cost is unknown count in
    `unknown` and in no margin.
    """
    now, zone = clock.now(), parse_time_zone(DEFAULT_PROFILE.time_zone)
    filters = MarginFilter(
        since=now - _DEFAULT_RANGE
        if since is None
        else parse_time_option(since, now, zone, "--since"),
        until=now if until is None else parse_time_option(until, now, zone, "--until"),
        model=model,
        account_id=None if account is None else (await get_account(session, account)).id,
        upstream=upstream,
    )
    margins = await list_margins(session, by, filters, zone)
    return Table([margin_json(one, by) for one in margins], _COLUMNS)
