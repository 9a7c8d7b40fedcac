"""`maas plans changes`: preview, announce, list and withdraw price changes of plans."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.price_change_views import list_price_changes, preview_price_change
from billing.price_changes.price_changes import PRICE_CHANGE_ID_PREFIX
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.price_changes import (
    announce_change,
    parse_effective,
    price_change_json,
    price_change_preview_json,
    withdraw_change,
)
from infra import ids
from infra.clock import Clock
from infra.settings import Settings

price_changes_app = typer.Typer(no_args_is_help=True, help="Announce new prices of a plan.")
_PlanName = Annotated[str, typer.Argument(help="Name of the plan, e.g. growth.")]
_Number = Annotated[
    int | None, typer.Option("--version", help="Version to change to. Default: the latest.")
]
_Currency = Annotated[
    str | None, typer.Option(help="Currency, e.g. CNY or USD. Default: MAAS_CURRENCY.")
]
_COLUMNS = ("id", "plan", "currency", "number", "effective_at", "announced_at", "closed_at")


@price_changes_app.command("preview")
@command
async def price_changes_preview(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    plan: _PlanName,
    version: _Number = None,
    currency: _Currency = None,
) -> Report:
    """Show the accounts on earlier versions of a plan, and their fees before and after."""
    code = (currency or settings.currency).upper()
    preview = await preview_price_change(session, clock, plan, code, version)
    value = price_change_preview_json(preview)
    title = Record("Accounts on earlier versions:", {"changes to": f"version {value['number']}"})
    table = Table(value["accounts"], ("account", "number", "fee", "new_fee"))
    return Report(value, (title, table))


@price_changes_app.command("announce")
@command
async def price_changes_announce(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    plan: _PlanName,
    effective: Annotated[
        str, typer.Option(help="Date or time (ISO 8601), at least 30 days from now.")
    ],
    version: _Number = None,
    currency: _Currency = None,
) -> Report:
    """Announce a newer version of a plan to its accounts by e-mail.

    Each account changes at the end of the period that it has paid on the effective date.
    """
    code = (currency or settings.currency).upper()
    preview = await preview_price_change(session, clock, plan, code, version)
    effective_at = parse_effective(effective)
    change = await announce_change(session, clock, CLI_ACTOR, preview, effective_at)
    counts = {"announced": len(preview.accounts)}
    value = price_change_json(change, preview.version.number, counts)
    return Report(value, (Record("Price change announced.", value),))


@price_changes_app.command("list")
@command
async def price_changes_list(session: AsyncSession) -> Table:
    """List price changes, newest first."""
    rows = [
        price_change_json(change, version.number, counts)
        for change, version, counts in await list_price_changes(session)
    ]
    return Table(rows, (*_COLUMNS, "accounts"))


@price_changes_app.command("withdraw")
@command
async def price_changes_withdraw(
    session: AsyncSession, clock: Clock, change: Annotated[str, typer.Argument(help="ID (prc_…).")]
) -> Report:
    """Withdraw a price change. Accounts that are scheduled already still change."""
    row = await withdraw_change(session, clock, CLI_ACTOR, change)
    value = {"id": ids.format_id(PRICE_CHANGE_ID_PREFIX, row.id), "status": "withdrawn"}
    return Report(value, (Record("Price change withdrawn.", value),))
