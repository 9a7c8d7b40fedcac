"""Open accounts and change their billing profiles: what the CLI, the Admin API and pages call."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.accounts.entities import get_entity
from billing.accounts.profiles import ProfileInvalid, lock_profile, update_profile
from billing.invoice_documents.price_format import format_percent
from billing.invoices.available_credit import refresh_account_credit
from billing.money import minor_text, nano_text
from billing.reports.customers import Customer, CustomerRow
from billing.tables import Account, BillingProfile, LegalEntity
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_percentage_ppm
from infra import ids
from infra.clock import Clock
from infra.settings import Settings

CURRENCIES = ("CNY", "USD")


def default_account_limits(settings: Settings) -> AccountLimits:
    """Return the limits of new accounts from the settings."""
    return AccountLimits(
        credit_nano=int(settings.credit_limit.scaleb(9)),
        requests=settings.requests_per_minute,
        tokens=settings.tokens_per_minute,
        streams=settings.concurrent_streams,
    )


async def open_customer(
    session: AsyncSession,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    name: str,
    currency: str | None = None,
) -> Account:
    """Open an account with the limits of new accounts. Without a currency, MAAS_CURRENCY applies.

    Raises AccountNameInvalid, AccountNameTaken, and ProfileInvalid for an unknown currency.
    """
    account_currency = (currency or settings.currency).upper()
    if account_currency not in CURRENCIES:
        raise ProfileInvalid(f"currency must be {' or '.join(CURRENCIES)}.", param="currency")
    terms = default_account_limits(settings)
    account = await open_account(session, clock, name, account_currency, terms)
    details = {"name": account.name, "currency": account_currency}
    await record_audit_event(session, clock, actor, account.id, "account.created", "", details)
    return account


async def change_profile(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account: Account,
    changes: Mapping[str, Any],
    *,
    tax_rate: str | None = None,
    seller: str | None = None,
) -> BillingProfile:
    """Change fields of an account's billing profile, named as its columns.

    `tax_rate` is in percent, `seller` the code of a legal entity. Equal values change nothing.
    Raises ProfileInvalid, TimeZoneUnknown, EntityNotFound.
    """
    values = dict(changes)
    if tax_rate is not None:
        values["tax_ppm"] = parse_percentage_ppm(tax_rate)
    if seller is not None:
        values["legal_entity_id"] = (await get_entity(session, seller)).id
    current = await lock_profile(session, account.id)
    before = {name: getattr(current, name, None) for name in values}
    profile = await update_profile(session, account.id, **values)
    # The wallet's value before tax depends on the tax rate.
    await refresh_account_credit(session, clock, account.id)
    if before != values:
        details = {"from": _plain(before), "to": _plain(values)}
        await record_audit_event(
            session, clock, actor, account.id, "account.profile_changed", "", details
        )
    return profile


def account_json(account: Account) -> dict[str, Any]:
    """Return an account as JSON."""
    return {
        "id": ids.format_id(ACCOUNT_ID_PREFIX, account.id),
        "name": account.name,
        "currency": account.currency,
        "created_at": account.created_at.isoformat(),
    }


def customer_row_json(row: CustomerRow) -> dict[str, Any]:
    """Return an account of a list as JSON; `owed` is a decimal string in its currency."""
    return {
        "object": "account",
        "id": ids.format_id(ACCOUNT_ID_PREFIX, row.id),
        "name": row.name,
        "currency": row.currency,
        "status": row.state.value,
        "owed": minor_text(row.owed, row.currency),
        "created_at": row.created_at.isoformat(),
    }


async def customer_json(session: AsyncSession, customer: Customer) -> dict[str, Any]:
    """Return an account with its balances and billing profile as JSON."""
    account = customer.account
    left = customer.credit_left
    return {
        "object": "account",
        **account_json(account),
        "status": customer.state.value,
        "owed": minor_text(customer.owed, account.currency),
        "wallet": minor_text(customer.wallet, account.currency),
        "credit_limit": nano_text(customer.credit_limit),
        "credit_left": None if left is None else nano_text(left),
        "billing": await profile_json(session, customer.profile),
    }


async def profile_json(session: AsyncSession, profile: BillingProfile) -> dict[str, Any]:
    """Return a billing profile as JSON."""
    entity = await session.get_one(LegalEntity, profile.legal_entity_id)
    return {
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


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they can be stored in the audit log."""
    return {name: value if isinstance(value, int) else str(value) for name, value in values.items()}
