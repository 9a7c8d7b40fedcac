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
from gateway.cli.results import Record
from gateway.cli.runner import AccountName, command
from infra.clock import Clock

billing_app = typer.Typer(no_args_is_help=True)


@billing_app.command("show")
@command
async def billing_show(session: AsyncSession, account: AccountName) -> Record:
    """Show an account's billing settings."""
    owner = await get_account(session, account)
    profile = await get_profile(session, owner.id)
    return Record("Billing settings:", await _profile_fields(session, owner, profile))


@billing_app.command("set")
@command
async def billing_set(
    session: AsyncSession,
    clock: Clock,
    account: AccountName,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA time zone of billing periods, e.g. Asia/Shanghai.")
    ] = None,
    tax_rate: Annotated[str | None, typer.Option(help="Tax rate in percent, e.g. 6.")] = None,
    tax_treatment: Annotated[
        str | None, typer.Option(help="standard, reverse_charge or exempt.")
    ] = None,
    net_days: Annotated[
        int | None, typer.Option(help="Days from the invoice date until payment is due.")
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(help="How invoices are collected: manual, stripe_charge or stripe_invoice."),
    ] = None,
    email: Annotated[
        str | None, typer.Option(help="E-mail address for invoices, reminders and alerts.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Customer name on invoices.")] = None,
    address: Annotated[str | None, typer.Option(help="Customer address on invoices.")] = None,
    tax_number: Annotated[str | None, typer.Option(help="Customer tax number on invoices.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of invoices: zh or en.")] = None,
    seller: Annotated[
        str | None, typer.Option(help="Code of the legal entity that issues future invoices.")
    ] = None,
) -> Record:
    """Update an account's billing settings.

    Applies to future invoices. Final invoices do not change.
    """
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
    values: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    if tax_rate is not None:
        values["tax_ppm"] = parse_percentage_ppm(tax_rate)
    owner = await get_account(session, account)
    if seller is not None:
        values["legal_entity_id"] = (await get_entity(session, seller)).id
    profile = await update_profile(session, owner.id, **values)
    # The wallet's value before tax depends on the tax rate.
    await refresh_account_credit(session, clock, owner.id)
    return Record("Billing settings updated.", await _profile_fields(session, owner, profile))


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
