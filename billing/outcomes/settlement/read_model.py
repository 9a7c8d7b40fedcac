"""Read model of settlements for the API, the CLI and the dashboard.

Joins a settlement with its bundle, charges and disputes, and derives the status of settlements,
disputes and outcomes. Read-only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.terms import OutcomeTerms, parse_outcome_terms
from billing.outcomes.settlement.amounts import (
    SettlementCharges,
    list_settlement_disputes,
    load_settlement_charges,
)
from billing.outcomes.settlement.bundle import EvidenceBundle, parse_bundle
from billing.tables import Dispute, Outcome, OutcomeSettlement
from infra.database.paging import page_of


@dataclass(frozen=True, slots=True)
class SettlementDetails:
    """A settlement with its bundle, charges and disputes."""

    row: OutcomeSettlement
    bundle: EvidenceBundle
    charged: SettlementCharges
    disputes: Sequence[Dispute]

    @property
    def status(self) -> str:
        """Return `disputed`, `open` (can still be disputed) or `accepted`."""
        if any(one.decided_at is None for one in self.disputes):
            return "disputed"
        return "open" if self.row.accepted_at is None else "accepted"

    @property
    def terms(self) -> OutcomeTerms:
        """Return the terms of the contract version whose floor and cap apply to the month."""
        terms_text = next(
            one.terms for one in self.bundle.versions if one.id == self.bundle.version
        )
        return parse_outcome_terms(terms_text.encode())

    @property
    def waiting(self) -> int:
        """Return the amount that is not on a final invoice yet, in minor units."""
        return sum(one.minor for one in self.charged.pending)

    @property
    def invoiced(self) -> int:
        """Return the amount on final invoices before credits, in minor units."""
        return sum(one.minor for one in self.charged.finalized)

    @property
    def credited(self) -> int:
        """Return the amount credited, in minor units."""
        return sum(one.minor for one in self.charged.credits)


async def load_settlement_details(
    session: AsyncSession, row: OutcomeSettlement
) -> SettlementDetails:
    """Load a settlement's bundle, charges and disputes; `row` is of the caller's own account."""
    charged = await load_settlement_charges(session, row)
    return SettlementDetails(
        row, parse_bundle(row.bundle), charged, await list_settlement_disputes(session, row)
    )


async def list_contract_settlements(
    session: AsyncSession, account_id: UUID, contract_id: UUID, limit: int
) -> list[SettlementDetails]:
    """List a contract's latest settlements with details, newest first."""
    query = (
        select(OutcomeSettlement)
        .where(
            col(OutcomeSettlement.account_id) == account_id,
            col(OutcomeSettlement.contract_id) == contract_id,
        )
        .order_by(col(OutcomeSettlement.starts_at).desc())
        .limit(limit)
    )
    return [
        await load_settlement_details(session, one) for one in (await session.scalars(query)).all()
    ]


async def list_contract_outcomes(
    session: AsyncSession, account_id: UUID, contract_id: UUID, limit: int
) -> Sequence[Outcome]:
    """List a contract's latest outcomes, including refused ones, newest first."""
    query = (
        select(Outcome)
        .where(col(Outcome.account_id) == account_id, col(Outcome.contract_id) == contract_id)
        .order_by(col(Outcome.id).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def list_account_disputes(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[Dispute]:
    """List up to `limit` disputes of the account older than `after`, newest first."""
    query = select(Dispute).where(col(Dispute.account_id) == account_id)
    return (await session.scalars(page_of(query, col(Dispute.id), limit, after))).all()


def outcome_status(outcome: Outcome) -> str:
    """Return `claimed`, `confirmed`, `settled`, `refused` or `reversed`."""
    if outcome.refused_for is not None:
        return "refused"
    if outcome.reversed_at is not None:
        return "reversed"
    if outcome.confirmed_at is None:
        return "claimed"
    return "confirmed" if outcome.settlement_id is None else "settled"


def dispute_status(dispute: Dispute) -> str:
    """Return which step a dispute waits for, or `decided`."""
    if dispute.decided_at is not None:
        return "decided"
    if dispute.answered_at is None:
        return "waits_for_answer"
    return "waits_for_reply" if dispute.replied_at is None else "waits_for_decision"
