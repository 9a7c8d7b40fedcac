"""Quotas of prepaid packs: bought units that calls use before money, leased like other quotas.

Each purchase has one quota, whose id is the purchase's. It rejects no call: units beyond it are
charged. Calls that start before the purchase expires may use it, the one that expires first before
the others. Units used are in the usage rows under the quota's id, as those of allowances are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.metering.quotas import QuotaRef, lock_quotas, unfolded_units
from billing.rating.quantities import METERS
from billing.tables import Pack, PackPurchase, PackRecognition, Quota, QuotaKind
from infra import ids

PACK_PURCHASE_PREFIX = "pack"
ON_ACCOUNT = "on_account"
"""The payment method of a pack that is used before its invoice is paid."""
TOKENS = "tokens"
"""The meter of a pack whose units pay for input, cached input and output tokens alike."""
PACK_METERS = (TOKENS, *METERS)
_TOKEN_METERS = tuple(meter for meter in METERS if meter.endswith("_tokens"))


class PurchaseState(StrEnum):
    """State of a purchase."""

    UNPAID = "unpaid"  # becomes usable once its invoice is paid
    ACTIVE = "active"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    CANCELED = "canceled"  # not paid in time, or its invoice was voided


@dataclass(frozen=True, slots=True)
class PackQuotaRef(QuotaRef):
    """The quota of a purchase, for calls that start before `expires_at`.

    It pays for all of `meters`: units that are reserved for one may be used for another.
    """

    expires_at: datetime | None = None
    meters: tuple[str, ...] = ()

    def for_each_meter(self) -> tuple["PackQuotaRef", ...]:
        """Return the reference of each meter, in their order; all name the same quota."""
        return tuple(replace(self, meter=meter) for meter in self.meters)


@dataclass(frozen=True, slots=True)
class UsablePacks:
    """Quotas of the packs that calls at a time may use, in the order of their use.

    `changes` are the times, past and future, at which a pack becomes usable or expires.
    """

    quotas: Sequence[PackQuotaRef]
    changes: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class PackUnits:
    """Units of a purchase used by settled calls, and those leased for running calls."""

    used: int = 0
    leased: int = 0


async def find_usable_packs(session: AsyncSession, account_id: UUID, at: datetime) -> UsablePacks:
    """Return the quotas of an account's packs for calls at a time; packs used up are left out."""
    query = (
        select(PackPurchase, Quota.amount)
        .join(Quota, col(Quota.id) == col(PackPurchase.id))
        .where(
            col(PackPurchase.account_id) == account_id,
            col(PackPurchase.state) == PurchaseState.ACTIVE.value,
            col(Quota.account_id) == account_id,
            col(Quota.used) < col(Quota.amount),
        )
        .order_by(col(PackPurchase.expires_at), col(PackPurchase.id))
    )
    quotas: list[PackQuotaRef] = []
    changes: list[datetime] = []
    for purchase, amount in (await session.execute(query)).all():
        changes += [purchase.starts_at, purchase.expires_at]
        if purchase.starts_at <= at < purchase.expires_at:
            quotas += _quota_refs(purchase, amount)
    return UsablePacks(quotas, changes)


async def activate_purchase(
    session: AsyncSession, purchase: PackPurchase, pack: Pack, now: datetime
) -> None:
    """Make a purchase usable from now on, for the pack's days of 24 hours. Profile is locked."""
    purchase.state = PurchaseState.ACTIVE.value
    purchase.starts_at = now
    purchase.expires_at = now + timedelta(days=pack.validity_days)
    purchase_id = ids.format_id(PACK_PURCHASE_PREFIX, purchase.id)
    session.add(
        Quota(
            id=purchase.id,
            account_id=purchase.account_id,
            kind=QuotaKind.ALLOWANCE.value,
            scope=f"{purchase.model}/{purchase.meter} {purchase_id}",
            amount=purchase.units,
        )
    )
    await session.flush()
    await advance_epoch(session, purchase.account_id)


async def activate_paid_purchase(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, now: datetime
) -> None:
    """Make the pack of an invoice usable if it waits for payment; other invoices change nothing."""
    query = select(PackPurchase, Pack).join(Pack, col(Pack.id) == col(PackPurchase.pack_id))
    query = query.where(
        col(PackPurchase.account_id) == account_id,
        col(PackPurchase.invoice_id) == invoice_id,
        col(PackPurchase.state) == PurchaseState.UNPAID.value,
    )
    row = (await session.execute(query)).one_or_none()
    if row is not None:
        await activate_purchase(session, row[0], row[1], now)


async def find_invoice_purchase(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> PackPurchase | None:
    """Return the purchase that an invoice bills, None if it bills no pack."""
    query = select(PackPurchase).where(
        col(PackPurchase.account_id) == account_id, col(PackPurchase.invoice_id) == invoice_id
    )
    return (await session.scalars(query)).one_or_none()


async def end_purchase(
    session: AsyncSession, purchase: PackPurchase, state: PurchaseState, now: datetime
) -> PackUnits:
    """End a purchase: no further unit is leased. Returns the units used and leased until now.

    Units that processes have leased already may still be used by calls that run now.
    """
    await lock_quotas(session, purchase.account_id)
    units = (await load_pack_units(session, purchase.account_id, [purchase.id]))[purchase.id]
    quota = await session.get(Quota, purchase.id, populate_existing=True)
    if quota is not None:
        quota.amount, quota.recalls = units.used + units.leased, quota.recalls + 1
    purchase.state, purchase.ended_at = state.value, now
    if state is PurchaseState.CANCELED:
        await _cancel_recognition(session, purchase, now)
    await session.flush()
    await advance_epoch(session, purchase.account_id)
    return units


async def load_pack_units(
    session: AsyncSession, account_id: UUID, purchase_ids: Sequence[UUID]
) -> Mapping[UUID, PackUnits]:
    """Return the used and leased units of purchases by id; none for one that is not active yet."""
    query = select(Quota.id, Quota.used, Quota.leased, unfolded_units()).where(
        col(Quota.account_id) == account_id, col(Quota.id).in_(purchase_ids)
    )
    found = {
        purchase_id: PackUnits(used + int(more), leased - int(more))
        for purchase_id, used, leased, more in (await session.execute(query)).all()
    }
    return {purchase_id: found.get(purchase_id, PackUnits()) for purchase_id in purchase_ids}


async def _cancel_recognition(session: AsyncSession, purchase: PackPurchase, now: datetime) -> None:
    """Store that recognized revenue of a canceled purchase was reversed, as its invoice was."""
    query = select(
        func.coalesce(func.max(PackRecognition.number), 0), func.sum(PackRecognition.minor)
    ).where(
        col(PackRecognition.account_id) == purchase.account_id,
        col(PackRecognition.purchase_id) == purchase.id,
    )
    number, minor = (await session.execute(query)).one()
    if minor:
        row = PackRecognition(
            purchase_id=purchase.id,
            number=number + 1,
            account_id=purchase.account_id,
            reason="canceled",
            units=0,
            minor=-int(minor),
            recognized_at=now,
        )
        session.add(row)


def _quota_refs(purchase: PackPurchase, amount: int) -> tuple[PackQuotaRef, ...]:
    """Return one reference per meter that a purchase pays for."""
    ref = PackQuotaRef(
        str(purchase.id),
        QuotaKind.ALLOWANCE,
        False,
        amount,
        purchase.model,
        expires_at=purchase.expires_at,
        meters=_TOKEN_METERS if purchase.meter == TOKENS else (purchase.meter,),
    )
    return ref.for_each_meter()
