"""Offers of prepaid packs: the file of an operator, publication and lists.

An offer is immutable. Publishing a pack with other content withdraws the offer of the same name and
currency; packs that were bought stay as they were.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency
from billing.metering.packs import PACK_METERS
from billing.money import minor_from_text, require_currency
from billing.rating.terms import ANY_MODEL, PACK_PLAN, PlanTerms
from billing.rating.toml import field_message, parse_toml, with_line_number
from billing.subscriptions.plans import load_terms, publish_plan
from billing.tables import Pack
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.sentences import Sentence, message_of, sentence

_MAX_UNITS, _MAX_MINOR, _MAX_DAYS = 10**15, 10**13, 3660


class PackInvalid(AppError):
    """A field of a pack is missing, out of range or inconsistent."""

    status = 400
    type = "invalid_request_error"
    code = "pack_invalid"


class PackNotFound(AppError):
    """The pack does not exist, is not offered any more or has another currency."""

    status = 404
    type = "invalid_request_error"
    code = "pack_not_found"


class _PackFile(msgspec.Struct, forbid_unknown_fields=True):
    """A pack file of an operator. The price is a decimal text, before tax unless inclusive."""

    pack: str
    names: dict[str, str]
    currency: str
    meter: str
    units: int
    price: str
    validity_days: int
    model: str = ANY_MODEL
    max_per_account: int | None = None
    max_total: int | None = None
    on_account_plans: list[str] = []
    tax_inclusive: bool = False


@dataclass(frozen=True, slots=True)
class PackOffer:
    """A pack to publish: its terms (names, price, currency, tax) and what it contains."""

    name: str
    terms: PlanTerms
    model: str
    meter: str
    units: int
    validity_days: int
    max_per_account: int | None
    max_total: int | None
    on_account_plans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfferedPack:
    """A stored pack with its terms."""

    pack: Pack
    terms: PlanTerms


def parse_pack_file(text: str, models: Collection[str] | None = None) -> PackOffer:
    """Parse a pack file (TOML). Raises PackInvalid or TermsInvalid with the field and its line.

    With `models`, the pack's model must be one of them.
    """
    return with_line_number(
        text,
        lambda: _build_offer(
            parse_toml(text, _PackFile, sentence("The pack"), PackInvalid), models
        ),
    )


async def publish_pack(session: AsyncSession, clock: Clock, offer: PackOffer) -> Pack:
    """Offer a pack, in place of the one with its name and currency; the same one stays as it is."""
    # Numbers and offers of packs are serialized by the lock of plan versions.
    await publish_plan(session, clock, offer.terms, listed=False)
    current = await _find_offered(session, offer.name, offer.terms.currency)
    pack = pack_of_offer(offer, clock.now())
    if current is not None:
        if _content(current) == _content(pack):
            return current
        current.withdrawn_at = clock.now()
        await session.flush()
    session.add(pack)
    await session.flush()
    return pack


def pack_of_offer(offer: PackOffer, now: datetime) -> Pack:
    """Return the row of an offer that is published at a time."""
    return Pack(
        id=ids.new_id(),
        name=offer.name,
        terms_id=offer.terms.version_id(),
        currency=offer.terms.currency,
        model=offer.model,
        meter=offer.meter,
        units=offer.units,
        minor=offer.terms.fixed_fee,
        validity_days=offer.validity_days,
        max_per_account=offer.max_per_account,
        max_total=offer.max_total,
        on_account_plans=list(offer.on_account_plans),
        created_at=now,
    )


async def withdraw_pack(session: AsyncSession, clock: Clock, name: str, currency: str) -> Pack:
    """Stop offering a pack; bought ones stay valid. Raises PackNotFound."""
    pack = await _find_offered(session, name, currency)
    if pack is None:
        raise pack_not_found(name)
    pack.withdrawn_at = clock.now()
    await session.flush()
    return pack


async def list_offered_packs(session: AsyncSession, account_id: UUID) -> list[OfferedPack]:
    """List the packs that an account can buy, cheapest first: those in its currency."""
    currency = await get_account_currency(session, account_id)
    query = select(Pack).where(col(Pack.currency) == currency, col(Pack.withdrawn_at).is_(None))
    query = query.order_by(col(Pack.minor), col(Pack.name))
    return await _with_terms(session, (await session.scalars(query)).all())


async def list_all_packs(session: AsyncSession) -> list[OfferedPack]:
    """List all packs that were ever offered, by name and currency, newest first."""
    order = col(Pack.name), col(Pack.currency), col(Pack.id).desc()
    return await _with_terms(session, (await session.scalars(select(Pack).order_by(*order))).all())


async def find_offered_pack(session: AsyncSession, account_id: UUID, name: str) -> OfferedPack:
    """Return the offered pack with this name in the account's currency. Raises PackNotFound."""
    currency = await get_account_currency(session, account_id)
    pack = await _find_offered(session, name, currency)
    if pack is None:
        raise pack_not_found(name)
    return OfferedPack(pack, (await load_terms(session, [pack.terms_id]))[pack.terms_id])


def pack_not_found(name: str) -> PackNotFound:
    """Build the error for a pack that is not offered."""
    return PackNotFound(f"Pack not found: {name[:60]!r}.", param="pack")


async def _find_offered(session: AsyncSession, name: str, currency: str) -> Pack | None:
    """Return the offered pack with a name and currency, None if there is none."""
    if not name.isidentifier():
        return None
    query = select(Pack).where(
        col(Pack.name) == name, col(Pack.currency) == currency, col(Pack.withdrawn_at).is_(None)
    )
    return (await session.scalars(query)).one_or_none()


async def _with_terms(session: AsyncSession, packs: Sequence[Pack]) -> list[OfferedPack]:
    """Return packs with their terms, in their order."""
    terms = await load_terms(session, [pack.terms_id for pack in packs])
    return [OfferedPack(pack, terms[pack.terms_id]) for pack in packs]


def _content(pack: Pack) -> tuple[object, ...]:
    """Return what makes two packs the same offer."""
    return (
        pack.terms_id,
        pack.model,
        pack.meter,
        pack.units,
        pack.validity_days,
        pack.max_per_account,
        pack.max_total,
        pack.on_account_plans,
    )


def _build_offer(file: _PackFile, models: Collection[str] | None) -> PackOffer:
    """Build an offer of a file. Raises PackInvalid, TermsInvalid."""
    is_name = file.pack.isidentifier() and file.pack.isascii() and len(file.pack) <= 60
    _require(is_name, "pack", sentence("must be an identifier of at most 60 characters"))
    message = sentence("must be one of {names}", names=", ".join(PACK_METERS))
    _require(file.meter in PACK_METERS, "meter", message)
    is_known = file.model == ANY_MODEL or models is None or file.model in models
    _require(is_known, "model", sentence("is not a model of this deployment"))
    message = sentence("must be from 1 to {most}", most=_MAX_UNITS)
    _require(0 < file.units <= _MAX_UNITS, "units", message)
    is_duration = 0 < file.validity_days <= _MAX_DAYS
    message = sentence("must be from 1 to {most}", most=_MAX_DAYS)
    _require(is_duration, "validity_days", message)
    for limit in ("max_per_account", "max_total"):
        value = getattr(file, limit)
        _require(value is None or 0 < value < 2**31, limit, sentence("must be at least 1"))
    return PackOffer(
        name=file.pack,
        terms=_build_terms(file),
        model=file.model,
        meter=file.meter,
        units=file.units,
        validity_days=file.validity_days,
        max_per_account=file.max_per_account,
        max_total=file.max_total,
        on_account_plans=tuple(file.on_account_plans),
    )


def _build_terms(file: _PackFile) -> PlanTerms:
    """Build the terms that state a pack's names and price. Raises PackInvalid, TermsInvalid."""
    try:
        require_currency(file.currency)
        minor = minor_from_text(file.price, file.currency)
    except ValueError as error:
        raise PackInvalid(field_message("price", message_of(error)), param="price") from None
    message = sentence("must be more than zero and not above the maximum")
    _require(0 < minor <= _MAX_MINOR, "price", message)
    names = {locale: " ".join(name.split())[:100] for locale, name in file.names.items()}
    _require(all(names.values()), "names", sentence("must not be empty"))
    return PlanTerms(
        plan=PACK_PLAN,
        names=names,
        currency=file.currency,
        prices=(),
        fixed_fee=minor,
        tax_inclusive=file.tax_inclusive,
    )


def _require(condition: bool, field: str, message: Sentence) -> None:
    """Raise PackInvalid for the field, with the message, if the condition is false."""
    if not condition:
        raise PackInvalid(field_message(field, message), param=field)
