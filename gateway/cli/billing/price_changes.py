"""`maas plans changes`: preview, announce, list and withdraw price changes of plans."""

from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import DEFAULT_PROFILE
from billing.dates import local_midnight, parse_time_zone
from billing.money import minor_text
from billing.plan_changes.price_change_views import (
    PriceChangePreview,
    list_price_changes,
    preview_price_change,
)
from billing.price_changes.price_changes import (
    PRICE_CHANGE_ID_PREFIX,
    PriceChangeInvalid,
    PriceChangeNotFound,
    announce_price_change,
    withdraw_price_change,
)
from billing.tables import PriceChange
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import command
from gateway.operations.parsing import parse_instant
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
    return _preview_report(await preview_price_change(session, clock, plan, code, version))


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
    effective_at = parse_instant(effective, PriceChangeInvalid)
    if len(effective) == len("2027-01-01"):
        zone = parse_time_zone(DEFAULT_PROFILE.time_zone)
        effective_at = local_midnight(effective_at.date(), zone)
    change = await announce_price_change(session, clock, preview, effective_at)
    value = _change_json(change, preview.version.number, {"announced": len(preview.accounts)})
    return Report(value, (Record("Price change announced.", value),))


@price_changes_app.command("list")
@command
async def price_changes_list(session: AsyncSession) -> Table:
    """List price changes, newest first."""
    rows = [
        _change_json(change, version.number, counts)
        for change, version, counts in await list_price_changes(session)
    ]
    return Table(rows, (*_COLUMNS, "accounts"))


@price_changes_app.command("withdraw")
@command
async def price_changes_withdraw(
    session: AsyncSession, clock: Clock, change: Annotated[str, typer.Argument(help="ID (prc_…).")]
) -> Report:
    """Withdraw a price change. Accounts that are scheduled already still change."""
    row = await withdraw_price_change(session, clock, _parse_change_id(change))
    value = {"id": ids.format_id(PRICE_CHANGE_ID_PREFIX, row.id), "status": "withdrawn"}
    return Report(value, (Record("Price change withdrawn.", value),))


def _parse_change_id(text: str) -> UUID:
    """Parse a public id. Raises PriceChangeNotFound."""
    change_id = ids.parse_id(PRICE_CHANGE_ID_PREFIX, text)
    if change_id is None:
        raise PriceChangeNotFound("There is no open price change with this id.", param="id")
    return change_id


def _preview_report(preview: PriceChangePreview) -> Report:
    """Return the version and the affected accounts as output fields."""
    currency = preview.version.currency
    rows = [
        {
            "account": one.name,
            "number": one.number,
            "fee": minor_text(one.fee, currency),
            "new_fee": minor_text(preview.terms.fixed_fee, currency),
        }
        for one in preview.accounts
    ]
    value = {
        "plan": preview.version.plan,
        "currency": currency,
        "number": preview.version.number,
        "accounts": rows,
    }
    title = Record("Accounts on earlier versions:", {"changes to": f"version {value['number']}"})
    return Report(value, (title, Table(rows, ("account", "number", "fee", "new_fee"))))


def _change_json(change: PriceChange, number: int, counts: dict[str, int]) -> dict[str, Any]:
    """Return a price change as output fields, with its number of accounts by state."""
    return {
        "id": ids.format_id(PRICE_CHANGE_ID_PREFIX, change.id),
        "plan": change.plan,
        "currency": change.currency,
        "number": number,
        "effective_at": change.effective_at.isoformat(),
        "announced_at": change.announced_at.isoformat(),
        "closed_at": change.closed_at and change.closed_at.isoformat(),
        "accounts": counts,
    }
