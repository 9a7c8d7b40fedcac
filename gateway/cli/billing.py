"""`maas billing`: an account's billing profile: time zone, tax, payment terms, address."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.entities import get_entity
from billing.accounts.profiles import get_profile, update_profile
from billing.invoice_documents.price_format import format_percent
from billing.invoices.available_credit import refresh_account_credit
from billing.tables import Account, BillingProfile, LegalEntity
from gateway.cli.arguments import parse_percentage_ppm
from gateway.cli.output import Output
from gateway.cli.runner import AccountName, Json, run_command, run_in_transaction
from infra.clock import SystemClock
from infra.settings import Settings

billing_app = typer.Typer(no_args_is_help=True)


@billing_app.command("show")
def billing_show(account: AccountName, as_json: Json = False) -> None:
    """How an account is billed."""

    def execute(settings: Settings, output: Output) -> None:
        async def load_profile(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            return await _profile_fields(session, owner, await get_profile(session, owner.id))

        output.record("It is billed so:", run_in_transaction(settings, load_profile))

    run_command(as_json, execute)


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
    changes = {
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

    def execute(settings: Settings, output: Output) -> None:
        values: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
        if tax_rate is not None:
            values["tax_ppm"] = parse_percentage_ppm(tax_rate)

        async def update(session: AsyncSession) -> dict[str, Any]:
            owner = await get_account(session, account)
            if seller is not None:
                values["legal_entity_id"] = (await get_entity(session, seller)).id
            profile = await update_profile(session, owner.id, **values)
            # The wallet's value before tax depends on the tax rate.
            await refresh_account_credit(session, SystemClock(), owner.id)
            return await _profile_fields(session, owner, profile)

        output.record("It is billed so from now on:", run_in_transaction(settings, update))

    run_command(as_json, execute)


async def _profile_fields(
    session: AsyncSession, owner: Account, profile: BillingProfile
) -> dict[str, Any]:
    """Return a billing profile as output fields."""
    entity = await session.get_one(LegalEntity, profile.legal_entity_id)
    return {
        "account": owner.name,
        "seller": entity.code,
        "time_zone": profile.time_zone,
        "anchor_day": profile.anchor_day,
        "tax_treatment": profile.tax_treatment,
        "tax_rate": format_percent(profile.tax_ppm),
        "net_days": profile.net_days,
        "collection": profile.collection,
        "email": profile.email,
        "name": profile.billing_name,
        "address": profile.address,
        "tax_number": profile.tax_number,
        "locale": profile.locale,
        "suspended_at": profile.suspended_at and profile.suspended_at.isoformat(),
    }
