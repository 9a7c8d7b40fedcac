"""`maas wallet`: money that an account has with us before it owes any."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.invoices.available_credit import refresh_credit
from billing.ledger.wallets import PREFIX, Grant, TopUpInvalid, top_up
from billing.plan_changes.views import wallet_json
from gateway.cli.arguments import instant_of, minor_of
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

wallet_app = typer.Typer(no_args_is_help=True)


@wallet_app.command("show")
def wallet_show(account: AccountName, as_json: Json = False) -> None:
    """What is left, grant by grant in the order of use."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> dict[str, Any]:
            return await wallet_json(session, (await get_account(session, account)).id)

        wallet = with_database(settings, read)
        if as_json:
            terminal.record("", wallet)
            return
        terminal.record(
            "The wallet:", {"balance": wallet["balance"], "currency": wallet["currency"]}
        )
        terminal.table(wallet["grants"], ("id", "paid", "amount", "left", "priority", "expires_at"))

    tell(as_json, work)


@wallet_app.command("top-up")
def wallet_top_up(
    account: AccountName,
    amount: Annotated[str, typer.Argument(help="In the account's currency, as 50.00.")],
    reference: Annotated[
        str, typer.Option(help="Its own name, as the bank's: the same again adds nothing.")
    ],
    given: Annotated[bool, typer.Option("--given", help="A gift of ours, not paid.")] = False,
    priority: Annotated[int, typer.Option(help="0 to 100; the smaller is used first.")] = 50,
    expires_at: Annotated[str | None, typer.Option(help="As 2027-01-01; UTC.")] = None,
    as_json: Json = False,
) -> None:
    """Add money that the account has paid in advance, once for each reference."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def add(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            expiry = None if expires_at is None else instant_of(expires_at, TopUpInvalid)
            minor = minor_of(amount, owner.currency, TopUpInvalid)
            grant = Grant(minor, paid=not given, priority=priority, expires_at=expiry)
            row = await top_up(session, SystemClock(), owner.id, reference, grant)
            await refresh_credit(session, SystemClock(), owner.id)
            wallet = await wallet_json(session, owner.id)
            return {
                "account": owner.name,
                "grant": ids.show(PREFIX, row.id),
                "reference": reference,
                "balance": wallet["balance"],
                "currency": owner.currency,
            }

        terminal.record("Topped up.", with_database(settings, add))

    tell(as_json, work)
