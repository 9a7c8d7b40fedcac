"""Billing profiles: how an account is billed, and the lock for changes of its billing.

Owns time zone, tax, terms of payment and address of an account, and who sells to it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.stripe_currencies import is_collectable
from billing.dates import zone_of
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import Account, BillingProfile, LegalEntity
from infra.errors import AppError
from infra.outbound.mail import is_address


class Collection(StrEnum):
    """How an account pays its invoices."""

    MANUAL = "manual"  # by bank transfer, which the operator records
    STRIPE_CHARGE = "stripe_charge"  # Stripe charges the payment method on file
    STRIPE_INVOICE = "stripe_invoice"  # Stripe sends the invoice and waits


class ProfileInvalid(AppError):
    """A value of a billing profile that cannot be."""

    status = 400
    type = "invalid_request_error"
    code = "billing_profile_invalid"


@dataclass(frozen=True, slots=True)
class NewProfile:
    """How a new account is billed, unless somebody says otherwise."""

    time_zone: str = "Asia/Shanghai"
    tax_ppm: int = 0
    net_days: int = 30
    locale: str = "zh"
    collection: Collection = Collection.MANUAL


USUAL = NewProfile()


async def open_profile(session: AsyncSession, account_id: UUID, new: NewProfile) -> None:
    """Make the profile of an account where there is none yet. Raises ProfileInvalid,
    TimeZoneUnknown."""
    oldest = select(LegalEntity).order_by(col(LegalEntity.created_at), col(LegalEntity.id)).limit(1)
    entity = (await session.scalars(oldest)).one_or_none()
    if entity is None:
        raise ProfileInvalid("There is no legal entity to sell for; make one first.")
    for name in NewProfile.__slots__:
        _checked(name, getattr(new, name))
    _require_collectable(new.collection, await currency_of(session, account_id))
    await session.execute(
        insert(BillingProfile)
        .values(
            account_id=account_id,
            legal_entity_id=entity.id,
            time_zone=new.time_zone,
            anchor_day=1,
            tax_treatment=TaxTreatment.STANDARD.value,
            tax_ppm=new.tax_ppm,
            tax_number="",
            collection=new.collection.value,
            net_days=new.net_days,
            billing_name="",
            address="",
            email="",
            locale=new.locale,
        )
        .on_conflict_do_nothing()
    )


async def lock_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    """The profile, locked: changes of an account's billing follow one another."""
    query = select(BillingProfile).where(col(BillingProfile.account_id) == account_id)
    return (await session.scalars(query.with_for_update())).one()


async def read_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    query = select(BillingProfile).where(col(BillingProfile.account_id) == account_id)
    return (await session.scalars(query)).one()


async def time_zones(session: AsyncSession, account_id: UUID | None) -> dict[UUID, ZoneInfo]:
    """The time zone of an account, or of all, by account."""
    query = select(BillingProfile.account_id, BillingProfile.time_zone)
    if account_id is not None:
        query = query.where(col(BillingProfile.account_id) == account_id)
    return {owner: zone_of(name) for owner, name in await session.execute(query)}


async def change_profile(session: AsyncSession, account_id: UUID, **values: Any) -> BillingProfile:
    """Change what a profile says. Raises ProfileInvalid, TimeZoneUnknown."""
    profile = await lock_profile(session, account_id)
    for name, value in values.items():
        setattr(profile, name, _checked(name, value))
    if "collection" in values:
        _require_collectable(profile.collection, await currency_of(session, account_id))
    await session.flush()
    return profile


async def currency_of(session: AsyncSession, account_id: UUID) -> str:
    """What the account pays in. Asked for again and again, and never changed: one look."""
    known: dict[UUID, str] = session.info.setdefault("currencies", {})
    if account_id not in known:
        query = select(Account.currency).where(col(Account.id) == account_id)
        known[account_id] = (await session.execute(query)).scalar_one()
    return known[account_id]


def zone(profile: BillingProfile) -> ZoneInfo:
    return zone_of(profile.time_zone)


def tax_of(profile: BillingProfile) -> Tax:
    return Tax(TaxTreatment(profile.tax_treatment), profile.tax_ppm)


def require_email(value: str) -> str:
    """An address that mail can go to, or none. Raises ProfileInvalid."""
    return str(_checked("email", value))


def _checked(name: str, value: Any) -> Any:
    match name:
        case "time_zone":
            zone_of(value)
        case "tax_treatment":
            _require(value in list(TaxTreatment), name, "standard, reverse_charge or exempt")
        case "collection":
            _require(value in list(Collection), name, "manual, stripe_charge or stripe_invoice")
        case "tax_ppm":
            _require(0 <= value <= 1_000_000, name, "a rate of 0 to 100 %")
        case "net_days":
            _require(0 <= value <= 365, name, "0 to 365 days")
        case "locale":
            _require(value in ("zh", "en"), name, "zh or en")
        case "email":
            _require(value == "" or is_address(value), name, "an e-mail address")
        case "billing_name" | "address" | "tax_number":
            _require(len(value) <= 500, name, "at most 500 characters")
        case "legal_entity_id":
            pass
        case _:
            raise ProfileInvalid(f"A billing profile has no {name!r}.", param=name)
    return value


def _require_collectable(collection: str, currency: str) -> None:
    """Stripe would count some currencies otherwise than we do: those are collected by hand."""
    by_hand = collection == Collection.MANUAL
    wanted = f"manual for {currency}, which Stripe counts otherwise than ISO 4217 does"
    _require(by_hand or is_collectable(currency), "collection", wanted)


def _require(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise ProfileInvalid(f"{name} is {wanted}.", param=name)
