"""`maas billing`: how an account is billed: time zone, tax, terms of payment, address."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.entities import get_entity
from billing.accounts.profiles import change_profile, read_profile
from billing.invoice_documents.price_format import percent
from billing.invoices.available_credit import refresh_credit
from billing.tables import Account, BillingProfile, LegalEntity
from gateway.cli.arguments import ppm_of
from gateway.cli.output import Terminal
from gateway.cli.runner import AccountName, Json, tell, with_database
from infra.clock import SystemClock
from infra.settings import Settings

billing_app = typer.Typer(no_args_is_help=True)


@billing_app.command("show")
def billing_show(account: AccountName, as_json: Json = False) -> None:
    """How an account is billed."""

    def work(settings: Settings, terminal: Terminal) -> None:
        async def read(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            return await _show(session, owner, await read_profile(session, owner.id))

        terminal.record("It is billed so:", with_database(settings, read))

    tell(as_json, work)


@billing_app.command("set")
def billing_set(
    account: AccountName,
    time_zone: Annotated[str | None, typer.Option(help="As Asia/Shanghai.")] = None,
    tax_rate: Annotated[str | None, typer.Option(help="In percent, as 6.")] = None,
    tax_treatment: Annotated[
        str | None, typer.Option(help="standard, reverse_charge or exempt.")
    ] = None,
    net_days: Annotated[int | None, typer.Option(help="Days to pay.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="manual, stripe_charge or stripe_invoice.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Where invoices and reminders go.")] = None,
    name: Annotated[str | None, typer.Option(help="The name on the bill.")] = None,
    address: Annotated[str | None, typer.Option(help="The address on the bill.")] = None,
    tax_number: Annotated[str | None, typer.Option(help="The firm's own.")] = None,
    locale: Annotated[str | None, typer.Option(help="zh or en.")] = None,
    seller: Annotated[
        str | None, typer.Option(help="The code of the legal entity that sells from now on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change how an account is billed from now on; final invoices stay as they are."""
    wishes = {
        "time_zone": time_zone,
        "tax_treatment": tax_treatment,
        "net_days": net_days,
        "collection": collection,
        "email": email,
        "billing_name": name,
        "address": address,
        "tax_number": tax_number,
        "locale": locale,
    }

    def work(settings: Settings, terminal: Terminal) -> None:
        values: dict[str, Any] = {key: one for key, one in wishes.items() if one is not None}
        if tax_rate is not None:
            values["tax_ppm"] = ppm_of(tax_rate)

        async def write(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            if seller is not None:
                values["legal_entity_id"] = (await get_entity(session, seller)).id
            profile = await change_profile(session, owner.id, **values)
            # What a wallet is worth before tax hangs on the tax.
            await refresh_credit(session, SystemClock(), owner.id)
            return await _show(session, owner, profile)

        terminal.record("It is billed so from now on:", with_database(settings, write))

    tell(as_json, work)


async def _show(session: AsyncSession, owner: Account, profile: BillingProfile) -> dict[str, Any]:
    entity = await session.get_one(LegalEntity, profile.legal_entity_id)
    return {
        "account": owner.name,
        "seller": entity.code,
        "time_zone": profile.time_zone,
        "anchor_day": profile.anchor_day,
        "tax_treatment": profile.tax_treatment,
        "tax_rate": percent(profile.tax_ppm),
        "net_days": profile.net_days,
        "collection": profile.collection,
        "email": profile.email,
        "name": profile.billing_name,
        "address": profile.address,
        "tax_number": profile.tax_number,
        "locale": profile.locale,
        "suspended_at": profile.suspended_at and profile.suspended_at.isoformat(),
    }
