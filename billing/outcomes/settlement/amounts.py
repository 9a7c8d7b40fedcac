"""The current price of a settlement, and what has been charged and credited for it.

    current price = price without the effects that were reversed, lost in a dispute or are disputed

Read-only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.pricing import MonthPrice
from billing.outcomes.settlement.bundle import parse_bundle
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.replay import price_without_effects
from billing.tables import (
    Charge,
    Dispute,
    Invoice,
    InvoiceStatus,
    Outcome,
    OutcomeCredit,
    OutcomeSettlement,
)
from infra import ids

CUSTOMER, OPERATOR = "customer", "operator"


@dataclass(frozen=True, slots=True)
class SettlementCharges:
    """The charges of a settlement.

    `all_charges` includes withdrawn ones; `finalized` are on final invoices; `pending` are on no
    invoice or on a draft; `credits` are credits of finalized charges.
    """

    all_charges: Sequence[Charge]
    finalized: Sequence[Charge]
    pending: Sequence[Charge]
    credits: Sequence[OutcomeCredit]

    @property
    def invoiced(self) -> int:
        """Return the amount on final invoices less credits, in minor units."""
        credited = sum(credit.minor for credit in self.credits)
        return sum(charge.minor for charge in self.finalized) - credited

    @property
    def total(self) -> int:
        """Return the amount charged, invoiced and pending, in minor units."""
        return self.invoiced + sum(charge.minor for charge in self.pending)

    def remaining_on_invoice(self, invoice_id: UUID) -> int:
        """Return the amount on an invoice that has not been credited, in minor units."""
        charged = sum(one.minor for one in self.finalized if one.invoice_id == invoice_id)
        return charged - self.credited_on(invoice_id)

    def credited_on(self, invoice_id: UUID) -> int:
        """Return the amount credited on an invoice, in minor units."""
        return sum(one.minor for one in self.credits if one.invoice_id == invoice_id)


async def current_price(session: AsyncSession, settlement: OutcomeSettlement) -> MonthPrice:
    """Return a settlement's price without effects reversed, in dispute or rejected by one."""
    excluded = await removed_effect_ids(session, settlement) | await frozen_effect_ids(
        session, settlement
    )
    return price_without_effects(parse_bundle(settlement.bundle), excluded)


async def removed_effect_ids(
    session: AsyncSession, settlement: OutcomeSettlement
) -> frozenset[str]:
    """Return the ids of a settlement's effects that were reversed, or lost in a dispute."""
    reversed_ids = select(Outcome.id).where(
        col(Outcome.account_id) == settlement.account_id,
        col(Outcome.settlement_id) == settlement.id,
        col(Outcome.reversed_at).is_not(None),
    )
    names = {
        ids.format_id(OUTCOME_PREFIX, one) for one in (await session.scalars(reversed_ids)).all()
    }
    for dispute in await list_settlement_disputes(session, settlement):
        if dispute.decided_for == CUSTOMER:
            names.update(dispute.outcomes)
    return frozenset(names)


async def frozen_effect_ids(session: AsyncSession, settlement: OutcomeSettlement) -> frozenset[str]:
    """Return the ids of the effects in open disputes."""
    disputes = await list_settlement_disputes(session, settlement)
    return frozenset(name for one in disputes if one.decided_at is None for name in one.outcomes)


async def list_settlement_disputes(
    session: AsyncSession, settlement: OutcomeSettlement
) -> Sequence[Dispute]:
    """List the disputes of a settlement, oldest first."""
    query = select(Dispute).where(
        col(Dispute.account_id) == settlement.account_id,
        col(Dispute.settlement_id) == settlement.id,
    )
    return (await session.scalars(query.order_by(col(Dispute.id)))).all()


async def load_settlement_charges(
    session: AsyncSession, settlement: OutcomeSettlement
) -> SettlementCharges:
    """Load a settlement's charges, by state of their invoices, and its credits."""
    query = (
        select(Charge, Invoice.status)
        .join(Invoice, col(Invoice.id) == col(Charge.invoice_id), isouter=True)
        .where(
            col(Charge.account_id) == settlement.account_id,
            col(Charge.settlement_id) == settlement.id,
        )
        .order_by(col(Charge.id))
    )
    rows = (await session.execute(query)).all()
    live = [(one, status) for one, status in rows if one.withdrawn_at is None]
    not_final = (None, InvoiceStatus.DRAFT.value)
    return SettlementCharges(
        all_charges=[one for one, _ in rows],
        finalized=[one for one, status in live if status not in not_final],
        pending=[one for one, status in live if status in not_final],
        credits=await list_settlement_credits(session, settlement),
    )


async def list_settlement_credits(
    session: AsyncSession, settlement: OutcomeSettlement
) -> Sequence[OutcomeCredit]:
    """List the credits of a settlement, oldest first."""
    query = select(OutcomeCredit).where(
        col(OutcomeCredit.account_id) == settlement.account_id,
        col(OutcomeCredit.settlement_id) == settlement.id,
    )
    return (await session.scalars(query.order_by(col(OutcomeCredit.id)))).all()
