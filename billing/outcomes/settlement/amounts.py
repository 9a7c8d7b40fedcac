"""Standing: what a settlement comes to now, and what has been charged and credited of it.

    it comes to = its price without the effects that were reversed, lost in a dispute or disputed

Changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.pricing import Priced
from billing.outcomes.settlement.bundle import read_bundle
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.replay import priced_without
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
class Charged:
    """What a settlement has been charged: on final invoices, still changeable, and credited."""

    made: Sequence[Charge]
    fixed: Sequence[Charge]
    waiting: Sequence[Charge]
    credits: Sequence[OutcomeCredit]

    @property
    def invoiced(self) -> int:
        """What final invoices have, less what was credited of it."""
        credited = sum(credit.minor for credit in self.credits)
        return sum(charge.minor for charge in self.fixed) - credited

    @property
    def total(self) -> int:
        return self.invoiced + sum(charge.minor for charge in self.waiting)

    def left_on(self, invoice_id: UUID) -> int:
        """What of these charges an invoice still has."""
        charged = sum(one.minor for one in self.fixed if one.invoice_id == invoice_id)
        return charged - self.credited_on(invoice_id)

    def credited_on(self, invoice_id: UUID) -> int:
        return sum(one.minor for one in self.credits if one.invoice_id == invoice_id)


async def price_now(session: AsyncSession, settlement: OutcomeSettlement) -> Priced:
    """What a settlement comes to without what is removed or frozen."""
    gone = await removed_effects(session, settlement) | await frozen_effects(session, settlement)
    return priced_without(read_bundle(settlement.bundle), gone)


async def removed_effects(session: AsyncSession, settlement: OutcomeSettlement) -> frozenset[str]:
    """The effects of a settlement that were reversed, or lost in a dispute, by name."""
    back = select(Outcome.id).where(
        col(Outcome.account_id) == settlement.account_id,
        col(Outcome.settlement_id) == settlement.id,
        col(Outcome.reversed_at).is_not(None),
    )
    names = {ids.show(OUTCOME_PREFIX, one) for one in (await session.scalars(back)).all()}
    for dispute in await disputes_of(session, settlement):
        if dispute.decided_for == CUSTOMER:
            names.update(dispute.outcomes)
    return frozenset(names)


async def frozen_effects(session: AsyncSession, settlement: OutcomeSettlement) -> frozenset[str]:
    """The effects that an open dispute is about."""
    disputes = await disputes_of(session, settlement)
    return frozenset(name for one in disputes if one.decided_at is None for name in one.outcomes)


async def disputes_of(session: AsyncSession, settlement: OutcomeSettlement) -> Sequence[Dispute]:
    """The disputes about a settlement, the oldest first."""
    query = select(Dispute).where(
        col(Dispute.account_id) == settlement.account_id,
        col(Dispute.settlement_id) == settlement.id,
    )
    return (await session.scalars(query.order_by(col(Dispute.id)))).all()


async def charged_for(session: AsyncSession, settlement: OutcomeSettlement) -> Charged:
    """What has been charged for a settlement."""
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
    loose = (None, InvoiceStatus.DRAFT.value)
    return Charged(
        made=[one for one, _ in rows],
        fixed=[one for one, status in live if status not in loose],
        waiting=[one for one, status in live if status in loose],
        credits=await credits_of(session, settlement),
    )


async def credits_of(
    session: AsyncSession, settlement: OutcomeSettlement
) -> Sequence[OutcomeCredit]:
    query = select(OutcomeCredit).where(
        col(OutcomeCredit.account_id) == settlement.account_id,
        col(OutcomeCredit.settlement_id) == settlement.id,
    )
    return (await session.scalars(query.order_by(col(OutcomeCredit.id)))).all()
