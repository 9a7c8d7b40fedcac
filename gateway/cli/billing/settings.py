"""`maas billing`: an account's billing profile: time zone, tax, payment terms, address."""

from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.accounts.profiles import get_profile
from billing.tables import Account, BillingProfile
from gateway.cli.results import Record
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.customer_accounts import change_profile, profile_json
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
    owner = await get_account(session, account)
    profile = await change_profile(
        session, clock, CLI_ACTOR, owner, values, tax_rate=tax_rate, seller=seller
    )
    return Record("Billing settings updated.", await _profile_fields(session, owner, profile))


async def _profile_fields(
    session: AsyncSession, owner: Account, profile: BillingProfile
) -> dict[str, Any]:
    """Return a billing profile as output fields."""
    return {"account": owner.name, **await profile_json(session, profile)}
