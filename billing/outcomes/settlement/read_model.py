"""Settled: a settlement with its bundle, what was charged of it and what is said against it.

One value from which the API, the command line and the dashboard tell, and the names by which
settlements, disputes and outcomes stand. Changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.terms import OutcomeTerms, read_outcome_terms
from billing.outcomes.settlement.amounts import Charged, charged_for, disputes_of
from billing.outcomes.settlement.bundle import Bundle, read_bundle
from billing.tables import Dispute, Outcome, OutcomeSettlement


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement with all that is known of it."""

    row: OutcomeSettlement
    bundle: Bundle
    charged: Charged
    disputes: Sequence[Dispute]

    @property
    def status(self) -> str:
        """`disputed`, `open` while it can be disputed, `accepted`."""
        if any(one.decided_at is None for one in self.disputes):
            return "disputed"
        return "open" if self.row.accepted_at is None else "accepted"

    @property
    def terms(self) -> OutcomeTerms:
        """Those whose bounds hold."""
        said = next(one.terms for one in self.bundle.versions if one.id == self.bundle.version)
        return read_outcome_terms(said.encode())

    @property
    def waiting(self) -> int:
        """What the next invoice takes, in minor units."""
        return sum(one.minor for one in self.charged.waiting)

    @property
    def invoiced(self) -> int:
        """What final invoices have, credited or not."""
        return sum(one.minor for one in self.charged.fixed)

    @property
    def credited(self) -> int:
        return sum(one.minor for one in self.charged.credits)


async def read_settled(session: AsyncSession, row: OutcomeSettlement) -> Settled:
    """Of a row that the account was asked for."""
    charged = await charged_for(session, row)
    return Settled(row, read_bundle(row.bundle), charged, await disputes_of(session, row))


async def settled_of(
    session: AsyncSession, account_id: UUID, contract_id: UUID, limit: int
) -> list[Settled]:
    """A contract's newest settlements, the newest first."""
    query = (
        select(OutcomeSettlement)
        .where(
            col(OutcomeSettlement.account_id) == account_id,
            col(OutcomeSettlement.contract_id) == contract_id,
        )
        .order_by(col(OutcomeSettlement.starts_at).desc())
        .limit(limit)
    )
    return [await read_settled(session, one) for one in (await session.scalars(query)).all()]


async def outcomes_of(
    session: AsyncSession, account_id: UUID, contract_id: UUID, limit: int
) -> Sequence[Outcome]:
    """A contract's newest outcomes, refused ones too, the newest first."""
    query = (
        select(Outcome)
        .where(col(Outcome.account_id) == account_id, col(Outcome.contract_id) == contract_id)
        .order_by(col(Outcome.id).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def disputes_in(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[Dispute]:
    """The account's disputes, the newest first."""
    query = select(Dispute).where(col(Dispute.account_id) == account_id)
    if after is not None:
        query = query.where(col(Dispute.id) < after)
    return (await session.scalars(query.order_by(col(Dispute.id).desc()).limit(limit))).all()


def outcome_status(outcome: Outcome) -> str:
    """`claimed`, `confirmed`, `settled`, or why it does not count: `refused`, `reversed`."""
    if outcome.refused_for is not None:
        return "refused"
    if outcome.reversed_at is not None:
        return "reversed"
    if outcome.confirmed_at is None:
        return "claimed"
    return "confirmed" if outcome.settlement_id is None else "settled"


def dispute_status(dispute: Dispute) -> str:
    """Whose turn it is, or `decided`."""
    if dispute.decided_at is not None:
        return "decided"
    if dispute.answered_at is None:
        return "waits_for_answer"
    return "waits_for_reply" if dispute.replied_at is None else "waits_for_decision"
