"""`maas packs`: offer prepaid packs, sell and refund them."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.prepaid.pack_offers import OfferedPack, PackInvalid, list_all_packs, parse_pack_file
from billing.prepaid.pack_purchases import (
    PackMethod,
    find_purchase_account,
    list_pack_purchases,
    list_purchases,
    parse_purchase_id,
)
from billing.prepaid.views import pack_json, purchase_json
from billing.subscriptions.plans import load_terms
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command, read_text_file
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.prepaid import (
    PackOrder,
    offer_pack,
    order_pack,
    pack_refund_json,
    refund_purchase,
    sold_pack_json,
    withdraw_offer,
)
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import load_configured_catalog

packs_app = typer.Typer(no_args_is_help=True)
_PACK_COLUMNS = ("pack", "model", "meter", "units", "price", "currency", "validity_days", "offered")
_COLUMNS = ("id", "account", "pack", "status", "used", "units", "expires_at")
PackName = Annotated[str, typer.Argument(help="Name of the pack.")]


@packs_app.command("publish")
@command
async def packs_publish(
    session: AsyncSession,
    settings: Settings,
    clock: Clock,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Pack file (TOML).")],
) -> Record:
    """Offer a pack, in place of the one with its name and currency.

    Bought packs stay as they were.
    """
    models = load_configured_catalog(settings).models
    offer = parse_pack_file(read_text_file(file, "The pack", PackInvalid), models)
    pack = await offer_pack(session, clock, CLI_ACTOR, offer)
    terms = (await load_terms(session, [pack.terms_id]))[pack.terms_id]
    return Record("Pack offered.", pack_json(OfferedPack(pack, terms)))


@packs_app.command("list")
@command
async def packs_list(session: AsyncSession) -> Table:
    """List all packs, also those that are not offered any more."""
    return Table([pack_json(one) for one in await list_all_packs(session)], _PACK_COLUMNS)


@packs_app.command("withdraw")
@command
async def packs_withdraw(
    session: AsyncSession,
    clock: Clock,
    pack: PackName,
    currency: Annotated[str, typer.Option(help="Currency of the pack.")] = "CNY",
) -> Record:
    """Stop offering a pack. Bought packs stay valid."""
    withdrawn = await withdraw_offer(session, clock, CLI_ACTOR, pack, currency)
    return Record("Pack withdrawn.", {"pack": withdrawn.name, "currency": withdrawn.currency})


@packs_app.command("buy")
@command
async def packs_buy(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    pack: PackName,
    reference: Annotated[str, typer.Option(help="Unique reference. A repeated one buys nothing.")],
    method: Annotated[
        PackMethod, typer.Option(help="wallet, invoice (pay first) or on_account.")
    ] = PackMethod.WALLET,
) -> Record:
    """Buy a pack for an account."""
    owner = await get_account(session, account)
    order = PackOrder(CLI_ACTOR, owner.id, pack, method, f"cli:{reference}")
    bought = await order_pack(session, clock, order)
    return Record("Pack bought.", {"account": owner.name, **purchase_json(bought, clock.now())})


@packs_app.command("purchases")
@command
async def packs_purchases(
    session: AsyncSession,
    clock: Clock,
    account: Annotated[
        str | None, typer.Option(help="Account: only its packs. Default: all accounts.")
    ] = None,
) -> Table:
    """List bought packs, newest first."""
    if account is None:
        bought = await list_pack_purchases(session)
    else:
        bought = await list_purchases(session, (await get_account(session, account)).id)
    return Table([sold_pack_json(one, clock.now()) for one in bought], _COLUMNS)


@packs_app.command("refund")
@command
async def packs_refund(
    session: AsyncSession,
    clock: Clock,
    purchase: Annotated[str, typer.Argument(help="Purchase ID (pack_…).")],
    reason: Annotated[str, typer.Option(help="Reason, printed on the credit note.")],
    to_customer: Annotated[
        bool, typer.Option("--to-customer", help="Pay back, instead of adding to the wallet.")
    ] = False,
) -> Record:
    """Refund the unused units of a pack, and end it.

    The refund is the amount of its invoice times the unused share, rounded down.
    """
    purchase_id = parse_purchase_id(purchase)
    account_id = await find_purchase_account(session, purchase_id)
    refund = await refund_purchase(
        session, clock, CLI_ACTOR, account_id, purchase_id, reason, to_customer=to_customer
    )
    return Record("Pack refunded.", pack_refund_json(refund))
