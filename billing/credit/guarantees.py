"""Guarantees of third parties (guarantors) for accounts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.credit.errors import GuaranteeInvalid, GuaranteeNotFound
from billing.credit.evaluation import evaluate_credit
from billing.credit.exposure import check_guarantee
from billing.tables import CreditGuarantee
from infra import ids
from infra.clock import Clock

GUARANTEE_ID_PREFIX = "guar"
_MAX_MINOR = 10**13


async def add_guarantee(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    guarantor: str,
    minor: int,
    valid_until: datetime,
    reference: str,
) -> CreditGuarantee:
    """Record a guarantee in minor units, once per reference, and decide the limit again.

    A guarantee beyond the guarantor's exposure limit is recorded as refused and counts nothing.
    Raises GuaranteeInvalid.
    """
    now = clock.now()
    _require(0 < len(guarantor.strip()) <= 200, "guarantor", "Name the guarantor.")
    _require(0 < minor <= _MAX_MINOR, "amount", "The amount must be greater than zero.")
    _require(0 < len(reference) <= 200, "reference", "A guarantee needs a reference.")
    await lock_profile(session, account_id)
    known = await _find_by_reference(session, account_id, reference)
    if known is not None:
        same = (known.guarantor, known.minor, known.valid_until)
        _require(
            same == (guarantor.strip(), minor, valid_until),
            "reference",
            "The reference was used for another guarantee.",
        )
        return known
    _require(valid_until > now, "valid_until", "The guarantee must be valid in the future.")
    currency = await get_account_currency(session, account_id)
    refusal = await check_guarantee(session, guarantor.strip(), currency, minor, now)
    row = CreditGuarantee(
        id=ids.new_id(),
        account_id=account_id,
        guarantor=guarantor.strip(),
        minor=minor,
        reference=reference,
        valid_until=valid_until,
        created_at=now,
        refusal=None if refusal is None else refusal.to_json(),
    )
    session.add(row)
    await session.flush()
    if refusal is None:
        await evaluate_credit(session, clock, account_id, f"guarantee:{row.id}")
    return row


async def end_guarantee(
    session: AsyncSession, clock: Clock, account_id: UUID, guarantee_id: UUID
) -> CreditGuarantee:
    """End a guarantee now and decide the limit again. Raises GuaranteeNotFound."""
    await lock_profile(session, account_id)
    query = select(CreditGuarantee).where(
        col(CreditGuarantee.account_id) == account_id, col(CreditGuarantee.id) == guarantee_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise GuaranteeNotFound("The account has no such guarantee.", param="guarantee")
    if row.ended_at is None:
        row.ended_at = clock.now()
        await session.flush()
        await evaluate_credit(session, clock, account_id, f"guarantee_ended:{row.id}")
    return row


async def list_guarantees(session: AsyncSession, account_id: UUID) -> Sequence[CreditGuarantee]:
    """List all guarantees of an account, the newest first."""
    query = select(CreditGuarantee).where(col(CreditGuarantee.account_id) == account_id)
    return (await session.scalars(query.order_by(col(CreditGuarantee.id).desc()))).all()


def guarantee_state(row: CreditGuarantee, now: datetime) -> str:
    """Return `refused`, `ended`, `expired` or `valid`."""
    if row.refusal is not None:
        return "refused"
    if row.ended_at is not None:
        return "ended"
    return "valid" if row.valid_until > now else "expired"


async def _find_by_reference(
    session: AsyncSession, account_id: UUID, reference: str
) -> CreditGuarantee | None:
    """Return the account's guarantee with a reference; None if there is none."""
    query = select(CreditGuarantee).where(
        col(CreditGuarantee.account_id) == account_id, col(CreditGuarantee.reference) == reference
    )
    return (await session.scalars(query)).one_or_none()


def _require(condition: bool, field: str, message: str) -> None:
    """Raise GuaranteeInvalid for the field if the condition is false."""
    if not condition:
        raise GuaranteeInvalid(message, param=field)
