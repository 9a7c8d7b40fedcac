"""Charging: what is charged for a settlement is brought to what it comes to now.

What is missing becomes charges, which the next invoice takes; what is too much is withdrawn where
no final invoice has it yet, else credited, never more than was charged. Called again it changes
nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.lifecycle import get_invoice
from billing.outcomes.contracts.pricing import Part, Priced, divided
from billing.outcomes.contracts.terms import read_outcome_terms
from billing.outcomes.settlement.amounts import Charged, charged_for, price_now
from billing.outcomes.settlement.credits import Reason, credit_invoice
from billing.outcomes.settlement.wording import charge_words
from billing.tables import Charge, OutcomeSettlement, OutcomeVersion
from infra import ids
from infra.clock import Clock


async def put_right(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    due_at: datetime,
    reason: Reason,
) -> None:
    """Charge or credit what is missing or too much; nothing before the settlement is accepted.

    The profile is locked.
    """
    if settlement.accepted_at is None:
        return
    priced = await price_now(session, settlement)
    charged = await charged_for(session, settlement)
    if priced.minor == charged.total:
        return
    if priced.minor < charged.total:
        due_at = min([due_at, *(charge.due_at for charge in charged.waiting)])
        for charge in charged.waiting:
            charge.withdrawn_at = clock.now()
        charged = replace(charged, waiting=())
    missing = priced.minor - charged.total
    if missing > 0:
        await _charge(session, settlement, charged, _missing(priced, charged, missing), due_at)
    await session.flush()
    if missing < 0:
        await _credit(session, clock, settlement, charged, -missing, reason)


def _missing(priced: Priced, charged: Charged, missing: int) -> list[Part]:
    """By who attested, what has not been charged yet."""
    had: dict[str, tuple[int, int]] = {}
    for one in (*charged.fixed, *charged.waiting):
        micro, minor = had.get(one.attested_by, (0, 0))
        had[one.attested_by] = micro + one.micro, minor + one.minor
    parts = [
        Part(one.attested_by, one.micro - micro, one.minor - minor)
        for one in priced.parts
        for micro, minor in [had.get(one.attested_by, (0, 0))]
    ]
    exact = sum(part.minor for part in parts) == missing
    if exact and all(part.minor >= 0 and part.micro >= 0 for part in parts):
        return [part for part in parts if part.minor]
    return divided(priced, missing)


async def _charge(
    session: AsyncSession,
    settlement: OutcomeSettlement,
    charged: Charged,
    parts: Sequence[Part],
    due_at: datetime,
) -> None:
    query = select(OutcomeVersion).where(
        col(OutcomeVersion.account_id) == settlement.account_id,
        col(OutcomeVersion.id) == settlement.version_id,
    )
    version = (await session.scalars(query)).one()
    terms = read_outcome_terms(version.terms.encode())
    assert version.plan_version_id is not None  # noqa: S101  # it was agreed
    for number, part in enumerate(parts, len(charged.made) + 1):
        charge = Charge(
            id=ids.new_id(),
            account_id=settlement.account_id,
            business_key=f"settlement:{settlement.id.hex}:{number:03d}",
            settlement_id=settlement.id,
            plan_version_id=version.plan_version_id,
            minor=part.minor,
            micro=part.micro,
            attested_by=part.attested_by,
            words=charge_words(terms, part),
            starts_at=settlement.starts_at,
            ends_at=settlement.ends_at,
            due_at=due_at,
        )
        session.add(charge)


async def _credit(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    charged: Charged,
    minor: int,
    reason: Reason,
) -> None:
    """Off the newest invoices first."""
    named = {one.invoice_id: one for one in charged.fixed if one.invoice_id is not None}
    for invoice_id in sorted(named, reverse=True):
        given = min(minor, charged.left_on(invoice_id))
        if given <= 0:
            continue
        minor -= given
        invoice = await get_invoice(session, settlement.account_id, invoice_id)
        version_id = named[invoice_id].plan_version_id
        await credit_invoice(session, clock, settlement, invoice, version_id, given, reason)
