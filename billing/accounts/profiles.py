"""Billing profiles: time zone, tax, payment terms, address and seller of an account.

The profile's row is also the lock that serializes all billing changes of an account
(`lock_profile`).
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.collection_method import MANUAL, Collection, known_collections
from billing.dates import parse_time_zone
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import Account, BillingProfile, LegalEntity
from infra.errors import AppError
from infra.outbound.mail import is_email_address


class ProfileInvalid(AppError):
    """A value of the billing profile is not valid."""

    status = 400
    type = "invalid_request_error"
    code = "billing_profile_invalid"


@dataclass(frozen=True, slots=True)
class NewProfile:
    """The initial billing profile of a new account; the field names are column names.

    `tax_ppm` is the tax rate in parts per million, `net_days` the days until an invoice is due.
    """

    time_zone: str = "Asia/Shanghai"
    tax_ppm: int = 0
    net_days: int = 30
    locale: str = "zh"
    collection: Collection = MANUAL


DEFAULT_PROFILE = NewProfile()


async def create_profile(session: AsyncSession, account_id: UUID, new: NewProfile) -> None:
    """Create an account's profile if it has none. Raises ProfileInvalid, TimeZoneUnknown."""
    oldest = select(LegalEntity).order_by(col(LegalEntity.created_at), col(LegalEntity.id)).limit(1)
    entity = (await session.scalars(oldest)).one_or_none()
    if entity is None:
        raise ProfileInvalid("There is no legal entity to issue invoices. Add one first.")
    for name in NewProfile.__slots__:
        value = getattr(new, name)
        _validated(name, str(value) if isinstance(value, Collection) else value)
    _require_collectable_currency(new.collection, await get_account_currency(session, account_id))
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
            collection=str(new.collection),
            net_days=new.net_days,
            billing_name="",
            address="",
            email="",
            locale=new.locale,
        )
        .on_conflict_do_nothing()
    )


async def lock_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    """Return the account's profile, locked (SELECT … FOR UPDATE) until the transaction ends."""
    query = select(BillingProfile).where(col(BillingProfile.account_id) == account_id)
    return (await session.scalars(query.with_for_update())).one()


async def get_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    """Return the account's profile without locking it."""
    query = select(BillingProfile).where(col(BillingProfile.account_id) == account_id)
    return (await session.scalars(query)).one()


async def list_time_zones(session: AsyncSession, account_id: UUID | None) -> dict[UUID, ZoneInfo]:
    """Return the time zone of one account, or of all accounts if None, by account id."""
    query = select(BillingProfile.account_id, BillingProfile.time_zone)
    if account_id is not None:
        query = query.where(col(BillingProfile.account_id) == account_id)
    return {owner_id: parse_time_zone(name) for owner_id, name in await session.execute(query)}


async def update_profile(session: AsyncSession, account_id: UUID, **values: Any) -> BillingProfile:
    """Update fields of a profile, named as its columns. Raises ProfileInvalid, TimeZoneUnknown."""
    profile = await lock_profile(session, account_id)
    for name, value in values.items():
        setattr(profile, name, _validated(name, value))
    if "collection" in values:
        _require_collectable_currency(
            profile_collection(profile), await get_account_currency(session, account_id)
        )
    await session.flush()
    return profile


async def get_account_currency(session: AsyncSession, account_id: UUID) -> str:
    """Return the account's currency (ISO 4217), cached in the session because it never changes."""
    cached: dict[UUID, str] = session.info.setdefault("currencies", {})
    if account_id not in cached:
        query = select(Account.currency).where(col(Account.id) == account_id)
        cached[account_id] = (await session.execute(query)).scalar_one()
    return cached[account_id]


def profile_time_zone(profile: BillingProfile) -> ZoneInfo:
    """Return the profile's time zone."""
    return parse_time_zone(profile.time_zone)


def profile_tax(profile: BillingProfile) -> Tax:
    """Return the profile's tax treatment and rate."""
    return Tax(TaxTreatment(profile.tax_treatment), profile.tax_ppm)


def profile_collection(profile: BillingProfile) -> Collection:
    """Return the collection method and collector of the profile."""
    return Collection.parse(profile.collection)


def validate_email(value: str) -> str:
    """Return a valid e-mail address unchanged; empty is allowed. Raises ProfileInvalid."""
    return str(_validated("email", value))


def _validated(name: str, value: Any) -> Any:
    """Return a valid value of a profile field unchanged. Raises ProfileInvalid, TimeZoneUnknown."""
    match name:
        case "time_zone":
            parse_time_zone(value)
        case "tax_treatment":
            _require(value in list(TaxTreatment), name, "standard, reverse_charge or exempt")
        case "collection":
            *others, last = known = known_collections()
            _require(value in known, name, f"{', '.join(others)} or {last}")
        case "tax_ppm":
            _require(0 <= value <= 1_000_000, name, "a rate of 0 to 100 %")
        case "net_days":
            _require(0 <= value <= 365, name, "0 to 365 days")
        case "locale":
            _require(value in ("zh", "en"), name, "zh or en")
        case "email":
            _require(value == "" or is_email_address(value), name, "a valid e-mail address")
        case "billing_name" | "address" | "tax_number":
            _require(len(value) <= 500, name, "at most 500 characters")
        case "legal_entity_id":
            pass
        case _:
            raise ProfileInvalid(f"Unknown field of a billing profile: {name!r}.", param=name)
    return value


def _require_collectable_currency(collection: Collection, currency: str) -> None:
    """Raise ProfileInvalid if the collector's minor units of the currency are not ISO 4217's."""
    info = collection.collector_info
    if info is not None:
        expected = f"manual for {currency}: its minor units at {info.label} differ from ISO 4217"
        _require(info.supports_currency(currency), "collection", expected)


def _require(is_valid: bool, name: str, expected: str) -> None:
    """Raise ProfileInvalid, which says that the field must be `expected`, unless `is_valid`."""
    if not is_valid:
        raise ProfileInvalid(f"{name} must be {expected}.", param=name)
