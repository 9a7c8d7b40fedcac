"""Reversing: an outcome that was there, and after all is not: the customer came back, the machine
failed.

Not yet settled it is not counted; charged, but on no final invoice, its charge gives way; invoiced,
it is credited, also in a later period, never more than was charged.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.outcomes.contracts.attribution import can_be_reversed
from billing.outcomes.evidence.statements import Says, read_statement, require_about
from billing.outcomes.settlement.charges import put_right
from billing.outcomes.settlement.claims import OutcomeStateWrong, get_outcome, terms_of_outcome
from billing.outcomes.settlement.credits import Reason
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import Outcome
from infra.clock import Clock


async def reverse(
    session: AsyncSession, clock: Clock, account_id: UUID, outcome_id: UUID, evidence_id: UUID
) -> Outcome:
    """Take an outcome back, on the word of any attester of the contract; the same again changes
    nothing.

    Raises OutcomeNotFound, OutcomeStateWrong, StatementNotFound, StatementInvalid.
    """
    await lock_profile(session, account_id)
    outcome = await get_outcome(session, account_id, outcome_id)
    place = (session, account_id, outcome.contract_id, evidence_id)
    statement = await read_statement(*place, Says.REVERSAL)
    require_about(statement, outcome.business_key)
    if outcome.reversed_at is not None:
        return outcome
    if outcome.refused_for is not None:
        raise OutcomeStateWrong("The outcome was refused: there is nothing to reverse.")
    terms, now = await terms_of_outcome(session, outcome), clock.now()
    if not can_be_reversed(terms.deadlines, outcome.happened_at, now):
        days = terms.deadlines.reversal_days
        raise OutcomeStateWrong(f"An outcome can be reversed within {days} days; they are over.")
    outcome.reversal_id, outcome.reversed_at = evidence_id, now
    await session.flush()
    if outcome.settlement_id is not None:
        settlement = await get_settlement(session, account_id, outcome.settlement_id)
        await put_right(session, clock, settlement, now, Reason("reversed", outcome.business_key))
    return outcome
