"""Reversal of outcomes that did not last (the customer came back, the machine failed).

If not settled yet, the outcome is not counted; if charged but on no final invoice, its charge is
withdrawn; if invoiced, it is credited, also in a later period, up to the amount charged.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.attribution import is_reversible
from billing.outcomes.evidence.statements import StatementType, get_statement, require_about_outcome
from billing.outcomes.settlement.charges import reconcile_charges
from billing.outcomes.settlement.claims import OutcomeStateInvalid, get_outcome, outcome_terms
from billing.outcomes.settlement.credits import CreditReason
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import Outcome
from infra.clock import Clock


async def reverse_outcome(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Reverse an outcome on a statement of any attester; credits it if already charged.

    Reversing again changes nothing. Raises OutcomeNotFound, OutcomeStateInvalid,
    StatementNotFound, StatementInvalid.
    """
    await lock_profile(session, account_id)
    outcome = await get_outcome(session, account_id, outcome_id)
    statement = await get_statement(
        session, account_id, outcome.contract_id, evidence_id, StatementType.REVERSAL
    )
    require_about_outcome(statement, outcome.business_key)
    if outcome.reversed_at is not None:
        return outcome
    if outcome.refused_for is not None:
        raise OutcomeStateInvalid("The outcome was refused and cannot be reversed.")
    terms, now = await outcome_terms(session, outcome), clock.now()
    if not is_reversible(terms.deadlines, outcome.happened_at, now):
        days = terms.deadlines.reversal_days
        raise OutcomeStateInvalid(
            f"An outcome can be reversed within {days} days. This period is over."
        )
    outcome.reversal_id, outcome.reversed_at = evidence_id, now
    await session.flush()
    if outcome.settlement_id is not None:
        settlement = await get_settlement(session, account_id, outcome.settlement_id)
        await reconcile_charges(
            session, clock, settlement, now, CreditReason("reversed", outcome.business_key)
        )
    return outcome
