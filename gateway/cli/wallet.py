"""`maas wallet`: prepaid balances and top-ups."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import GRANT_ID_PREFIX, TopUpInvalid, TopUpRequest, top_up_wallet
from billing.plan_changes.views import wallet_json
from gateway.cli.arguments import parse_instant, parse_minor
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings

wallet_app = typer.Typer(no_args_is_help=True)


@wallet_app.command("show")
def wallet_show(account: AccountName, as_json: Json = False) -> None:
    """What is left, grant by grant in the order of use."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_wallet(session: AsyncSession) -> dict[str, Any]:
            return await wallet_json(session, (await get_account(session, account)).id)

        wallet = run_in_transaction(settings, load_wallet)
        if as_json:
            output.record("", wallet)
            return
        output.record("The wallet:", {"balance": wallet["balance"], "currency": wallet["currency"]})
        output.table(wallet["grants"], ("id", "paid", "amount", "left", "priority", "expires_at"))

    run_command(as_json, execute)


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

    def execute(settings: Settings, output: Output) -> None:
        async def add_grant(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            expiry = None if expires_at is None else parse_instant(expires_at, TopUpInvalid)
            minor = parse_minor(amount, owner.currency, TopUpInvalid)
            grant = TopUpRequest(minor, paid=not given, priority=priority, expires_at=expiry)
            row = await top_up_wallet(session, SystemClock(), owner.id, reference, grant)
            await refresh_account_credit(session, SystemClock(), owner.id)
            wallet = await wallet_json(session, owner.id)
            return {
                "account": owner.name,
                "grant": ids.format_id(GRANT_ID_PREFIX, row.id),
                "reference": reference,
                "balance": wallet["balance"],
                "currency": owner.currency,
            }

        output.record("Topped up.", run_in_transaction(settings, add_grant))

    run_command(as_json, execute)
