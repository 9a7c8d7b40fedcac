"""`maas wallet`: prepaid balances and top-ups."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.plan_changes.views import wallet_json
from gateway.cli.results import Record, Report, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.auto_top_up import (
    AutoTopUpChange,
    auto_top_up_json,
    turn_off_auto_top_up,
    turn_on_auto_top_up,
)
from gateway.operations.wallets import NewGrant, add_grant
from infra.clock import Clock
from infra.settings import Settings

wallet_app = typer.Typer(no_args_is_help=True)


@wallet_app.command("show")
@command
async def wallet_show(session: AsyncSession, account: AccountName) -> Report:
    """Show the wallet of an account.

    Lists its grants in the order in which they are used.
    """
    wallet = await wallet_json(session, (await get_account(session, account)).id)
    balance = {"balance": wallet["balance"], "currency": wallet["currency"]}
    columns = ("id", "paid", "amount", "left", "priority", "expires_at")
    return Report(wallet, (Record("Wallet:", balance), Table(wallet["grants"], columns)))


@wallet_app.command("top-up")
@command
async def wallet_top_up(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    amount: Annotated[str, typer.Argument(help="Amount in the account's currency, e.g. 50.00.")],
    reference: Annotated[
        str,
        typer.Option(help="Unique reference, such as the number of the bank transfer."),
    ],
    given: Annotated[
        bool, typer.Option("--given", help="Promotional credit that was not paid for.")
    ] = False,
    priority: Annotated[
        int, typer.Option(help="Priority from 0 to 100. Lower values are used first.")
    ] = 50,
    expires_at: Annotated[
        str | None,
        typer.Option(help="Expiry date or time, UTC by default, e.g. 2027-01-01. Default: never."),
    ] = None,
) -> Record:
    """Add prepaid credit to an account's wallet.

    A repeated reference adds nothing.
    """
    owner = await get_account(session, account)
    new = NewGrant(amount, reference, paid=not given, priority=priority, expires_at=expires_at)
    return Record("Wallet topped up.", await add_grant(session, clock, CLI_ACTOR, owner, new))


@wallet_app.command("auto-top-up")
@command
async def wallet_auto_top_up(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    threshold: Annotated[str | None, typer.Option(help="Top up below this balance.")] = None,
    amount: Annotated[str | None, typer.Option(help="Amount of each top-up.")] = None,
    ceiling: Annotated[str | None, typer.Option(help="Most in a calendar month.")] = None,
    consent_by: Annotated[
        str | None, typer.Option(help="Who of the customer has consented, and how.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Turn automatic top-up off.")] = False,
) -> Record:
    """Show the automatic top-up of an account, turn it on or off.

    Turning it on needs all amounts and the customer's consent.
    """
    owner = await get_account(session, account)
    if off:
        await turn_off_auto_top_up(session, clock, CLI_ACTOR, owner.id)
    elif threshold or amount or ceiling or consent_by:
        change = AutoTopUpChange(threshold or "", amount or "", ceiling or "", bool(consent_by))
        by = f"{consent_by} (recorded by the operator)"
        await turn_on_auto_top_up(session, clock, settings, CLI_ACTOR, owner.id, change, by)
    shown = await auto_top_up_json(session, clock, owner.id)
    return Record("Automatic top-up:", {"account": owner.name, **shown})
