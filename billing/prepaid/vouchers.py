"""Voucher batches: creation, cancellation and the operator's report.

The codes are returned once, at creation; only their hashes are stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import require_currency
from billing.prepaid.pack_offers import pack_not_found
from billing.prepaid.voucher_codes import (
    hash_voucher_code,
    new_voucher_code,
    normalize_voucher_code,
)
from billing.tables import Pack, Voucher, VoucherBatch
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

VOUCHER_BATCH_PREFIX = "vbatch"
MAX_CODES = 10_000
_MAX_MINOR = 10**13


class VoucherBatchInvalid(AppError):
    """A field of a voucher batch is out of range or inconsistent."""

    status = 400
    type = "invalid_request_error"
    code = "voucher_batch_invalid"


class VoucherBatchNotFound(AppError):
    """There is no voucher batch with this id."""

    status = 404
    type = "invalid_request_error"
    code = "voucher_batch_not_found"


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Codes to create. Each is worth `minor` of promotional credit, or else an offered pack.

    Credit expires `credit_days` after its redemption. `plans` limits the codes to accounts on one
    of these plans, `new_customers_only` to accounts that never had a final invoice.
    """

    name: str
    currency: str
    codes: int
    expires_at: datetime
    minor: int | None = None
    pack: str | None = None
    credit_days: int | None = None
    max_uses: int = 1
    per_account: int = 1
    plans: tuple[str, ...] | None = None
    new_customers_only: bool = False


@dataclass(frozen=True, slots=True)
class VoucherReport:
    """A batch with its codes, redemptions, and uses that are still possible."""

    batch: VoucherBatch
    codes: int
    redeemed: int
    outstanding: int

    @property
    def redeemed_minor(self) -> int:
        """The promotional credit granted, in minor units; 0 for packs."""
        return self.redeemed * (self.batch.minor or 0)

    @property
    def outstanding_minor(self) -> int:
        """The promotional credit that may still be granted, in minor units; 0 for packs."""
        return self.outstanding * (self.batch.minor or 0)


async def create_voucher_batch(
    session: AsyncSession, clock: Clock, new: NewBatch
) -> tuple[VoucherBatch, list[str]]:
    """Create a batch; return it with its codes. Raises VoucherBatchInvalid, PackNotFound."""
    _validate(new, clock.now())
    pack_id = None if new.pack is None else await _find_pack(session, new.pack, new.currency)
    batch = VoucherBatch(
        id=ids.new_id(),
        name=new.name.strip(),
        currency=new.currency,
        minor=new.minor,
        pack_id=pack_id,
        credit_days=new.credit_days,
        expires_at=new.expires_at,
        max_uses=new.max_uses,
        per_account=new.per_account,
        plans=None if new.plans is None else list(new.plans),
        new_customers_only=new.new_customers_only,
        created_at=clock.now(),
    )
    session.add(batch)
    await session.flush()
    codes = [new_voucher_code() for _ in range(new.codes)]
    rows = [
        {
            "id": ids.new_id(),
            "batch_id": batch.id,
            "code_hash": hash_voucher_code(normalize_voucher_code(code) or ""),
            "uses": 0,
            "max_uses": new.max_uses,
        }
        for code in codes
    ]
    await session.execute(insert(Voucher), rows)
    return batch, codes


async def cancel_voucher_batch(session: AsyncSession, clock: Clock, batch_id: UUID) -> VoucherBatch:
    """Cancel a batch: its codes cannot be redeemed any more. Raises VoucherBatchNotFound."""
    batch = await session.get(VoucherBatch, batch_id)
    if batch is None:
        raise VoucherBatchNotFound("There is no such voucher batch.", param="batch")
    batch.canceled_at = batch.canceled_at or clock.now()
    await session.flush()
    return batch


async def report_vouchers(session: AsyncSession, now: datetime) -> Sequence[VoucherReport]:
    """Return all batches, newest first, with what was redeemed and is outstanding."""
    query = (
        select(VoucherBatch, func.count(), func.sum(Voucher.uses))
        .join(Voucher, col(Voucher.batch_id) == col(VoucherBatch.id))
        .group_by(col(VoucherBatch.id))
        .order_by(col(VoucherBatch.id).desc())
    )
    return [
        VoucherReport(
            batch,
            codes,
            int(uses),
            0
            if batch.canceled_at is not None or batch.expires_at <= now
            else codes * batch.max_uses - int(uses),
        )
        for batch, codes, uses in (await session.execute(query)).all()
    ]


async def _find_pack(session: AsyncSession, name: str, currency: str) -> UUID:
    """Return the id of the offered pack with this name. Raises PackNotFound."""
    query = select(Pack.id).where(
        col(Pack.name) == name, col(Pack.currency) == currency, col(Pack.withdrawn_at).is_(None)
    )
    pack_id = (await session.scalars(query)).one_or_none()
    if pack_id is None:
        raise pack_not_found(name)
    return pack_id


def _validate(new: NewBatch, now: datetime) -> None:
    """Raise VoucherBatchInvalid if a field is out of range or inconsistent."""
    try:
        require_currency(new.currency)
    except ValueError as error:
        raise VoucherBatchInvalid(f"currency: {error}.", param="currency") from None
    _require(0 < len(new.name.strip()) <= 100, "name", "must have 1 to 100 characters")
    _require((new.minor is None) != (new.pack is None), "amount", "give an amount or a pack")
    is_amount = new.minor is None or 0 < new.minor <= _MAX_MINOR
    _require(is_amount, "amount", "must be more than zero and not above the maximum")
    _require(0 < new.codes <= MAX_CODES, "codes", f"must be from 1 to {MAX_CODES}")
    _require(0 < new.max_uses <= 10**6, "max_uses", "must be from 1 to 1000000")
    _require(0 < new.per_account <= 1000, "per_account", "must be from 1 to 1000")
    _require(new.expires_at > now, "expires_at", "must be in the future")
    is_days = new.credit_days is None or 0 < new.credit_days <= 3660
    _require(is_days, "credit_days", "must be from 1 to 3660")


def _require(condition: bool, field: str, message: str) -> None:
    """Raise VoucherBatchInvalid for the field, with the message, if the condition is false."""
    if not condition:
        raise VoucherBatchInvalid(f"{field}: {message}.", param=field)
