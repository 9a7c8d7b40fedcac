"""Reconciliation of a settlement's charges with its current price.

A shortfall becomes new charges for the next invoice. An excess is withdrawn if no final invoice
contains it, else credited, up to the amount charged. Idempotent.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.lifecycle import get_invoice
from billing.outcomes.contracts.pricing import AttesterPart, MonthPrice, divide_amount
from billing.outcomes.contracts.terms import parse_outcome_terms
from billing.outcomes.settlement.amounts import (
    SettlementCharges,
    current_price,
    load_settlement_charges,
)
from billing.outcomes.settlement.credits import CreditReason, credit_settlement_lines
from billing.outcomes.settlement.wording import charge_descriptions
from billing.tables import Charge, OutcomeSettlement, OutcomeVersion
from infra import ids
from infra.clock import Clock


async def reconcile_charges(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    due_at: datetime,
    reason: CreditReason,
) -> None:
    """Charge or credit the difference between a settlement's current price and its charges.

    Does nothing before the settlement is accepted. The caller must hold the profile lock.
    """
    if settlement.accepted_at is None:
        return
    priced = await current_price(session, settlement)
    charged = await load_settlement_charges(session, settlement)
    if priced.minor == charged.total:
        return
    if priced.minor < charged.total:
        due_at = min([due_at, *(charge.due_at for charge in charged.pending)])
        for charge in charged.pending:
            charge.withdrawn_at = clock.now()
        charged = replace(charged, pending=())
    missing = priced.minor - charged.total
    if missing > 0:
        await _add_charges(
            session, settlement, charged, _divide_uncharged_amount(priced, charged, missing), due_at
        )
    await session.flush()
    if missing < 0:
        await _credit_invoices(session, clock, settlement, charged, -missing, reason)


def _divide_uncharged_amount(
    priced: MonthPrice, charged: SettlementCharges, missing: int
) -> list[AttesterPart]:
    """Divide uncharged minor units among attester kinds by each one's price less its charges."""
    charged_parts: dict[str, tuple[int, int]] = {}
    for one in (*charged.finalized, *charged.pending):
        micro, minor = charged_parts.get(one.attested_by, (0, 0))
        charged_parts[one.attested_by] = micro + one.micro, minor + one.minor
    parts = [
        AttesterPart(one.attested_by, one.micro - micro, one.minor - minor)
        for one in priced.parts
        for micro, minor in [charged_parts.get(one.attested_by, (0, 0))]
    ]
    is_exact = sum(part.minor for part in parts) == missing
    if is_exact and all(part.minor >= 0 and part.micro >= 0 for part in parts):
        return [part for part in parts if part.minor]
    return divide_amount(priced, missing)


async def _add_charges(
    session: AsyncSession,
    settlement: OutcomeSettlement,
    charged: SettlementCharges,
    parts: Sequence[AttesterPart],
    due_at: datetime,
) -> None:
    """Store a pending charge for each part, to be invoiced from `due_at` on."""
    query = select(OutcomeVersion).where(
        col(OutcomeVersion.account_id) == settlement.account_id,
        col(OutcomeVersion.id) == settlement.version_id,
    )
    version = (await session.scalars(query)).one()
    terms = parse_outcome_terms(version.terms.encode())
    assert version.plan_version_id is not None  # noqa: S101  # it was agreed
    for number, part in enumerate(parts, len(charged.all_charges) + 1):
        charge = Charge(
            id=ids.new_id(),
            account_id=settlement.account_id,
            business_key=f"settlement:{settlement.id.hex}:{number:03d}",
            settlement_id=settlement.id,
            plan_version_id=version.plan_version_id,
            minor=part.minor,
            micro=part.micro,
            attested_by=part.attested_by,
            words=charge_descriptions(terms, part),
            starts_at=settlement.starts_at,
            ends_at=settlement.ends_at,
            due_at=due_at,
        )
        session.add(charge)


async def _credit_invoices(
    session: AsyncSession,
    clock: Clock,
    settlement: OutcomeSettlement,
    charged: SettlementCharges,
    minor: int,
    reason: CreditReason,
) -> None:
    """Credit an amount (minor units) on the invoices of a settlement, newest first."""
    charge_by_invoice = {
        one.invoice_id: one for one in charged.finalized if one.invoice_id is not None
    }
    for invoice_id in sorted(charge_by_invoice, reverse=True):
        creditable = min(minor, charged.remaining_on_invoice(invoice_id))
        if creditable <= 0:
            continue
        minor -= creditable
        invoice = await get_invoice(session, settlement.account_id, invoice_id)
        version_id = charge_by_invoice[invoice_id].plan_version_id
        await credit_settlement_lines(
            session, clock, settlement, invoice, version_id, creditable, reason
        )
