"""The ledger record that a claim cites under prediction rules: support, and use by one outcome."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms
from billing.outcomes.evidence.statements import ClaimDetails
from billing.outcomes.predictions.support import record_calls, require_supporting_record
from billing.tables import Outcome, OutcomeContract


async def cite_prediction(
    session: AsyncSession, contract: OutcomeContract, terms: OutcomeTerms, details: ClaimDetails
) -> ClaimDetails:
    """Return the claim with the calls of the record that it cites, if the contract has such rules.

    A contract without prediction rules, as all from before them, needs no record, and a cited one
    is not kept. Raises PredictionRecordRejected.
    """
    if terms.predictions is None or not isinstance(terms.kind, EventEffect):
        return replace(details, prediction=None)
    payload = await require_supporting_record(
        session,
        contract.account_id,
        terms.predictions,
        terms.kind,
        details.prediction,
        details.subject,
        details.happened_at,
    )
    return details if details.calls else replace(details, calls=record_calls(payload))


async def is_record_taken(session: AsyncSession, outcome: Outcome) -> bool:
    """Return whether another outcome that is neither refused nor reversed cites the record."""
    query = select(Outcome.id).where(
        col(Outcome.account_id) == outcome.account_id,
        col(Outcome.prediction_id) == outcome.prediction_id,
        col(Outcome.id) != outcome.id,
        col(Outcome.refused_for).is_(None),
        col(Outcome.reversed_at).is_(None),
    )
    return (await session.scalars(query.limit(1))).first() is not None
