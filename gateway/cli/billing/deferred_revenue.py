"""`maas deferred-revenue`: fees invoiced in advance, recognized by the days of their service."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import DEFAULT_PROFILE
from billing.dates import local_day, parse_time_zone
from billing.reports.deferred_revenue import (
    deferred_lines_csv,
    load_deferred_lines,
    load_prepaid_balances,
    summarize,
)
from gateway.cli.arguments import parse_month
from gateway.cli.results import Table
from gateway.cli.runner import command
from gateway.operations.reports import deferred_revenue_json
from infra.clock import Clock

_COLUMNS = ("currency", "opening", "invoiced", "recognized", "closing", "prepaid")


@command
async def deferred_revenue(
    session: AsyncSession,
    clock: Clock,
    month: Annotated[
        str | None, typer.Option(help="Month, e.g. 2026-10. Default: the current month.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="CSV file for the single fees.")
    ] = None,
) -> Table:
    """Show deferred revenue of a month by currency: opening, invoiced, recognized, closing.

    Net of tax and before credit notes. `prepaid` is the unused paid wallet balance.
    """
    zone = parse_time_zone(DEFAULT_PROFILE.time_zone)
    first_day = local_day(clock.now(), zone).replace(day=1) if month is None else parse_month(month)
    lines = await load_deferred_lines(session, first_day, zone)
    prepaid = await load_prepaid_balances(session, first_day, zone)
    if out is not None:
        out.write_bytes(deferred_lines_csv(lines))
    totals = summarize(lines, prepaid, first_day)
    return Table([deferred_revenue_json(total) for total in totals], _COLUMNS)
