"""Check the hash chains of the prediction ledger: every record, signature and link.

For operators: reads across accounts (account_id).
"""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.outcomes.predictions.verification import verify_chain
from billing.tables import PredictionChain, PredictionRecord
from infra import ids

CHAIN_CHECK = "Prediction records form a signed chain"
ChainDifference = tuple[str, str, int, int]  # check, account, valid records, expected records


async def verify_prediction_chains(session: AsyncSession) -> list[ChainDifference]:
    """Verify the chains of all accounts; return the broken ones. Reads across accounts."""
    chained = {
        one.account_id: one.position for one in (await session.scalars(select(PredictionChain)))
    }
    recorded = await session.scalars(select(col(PredictionRecord.account_id)).distinct())
    differences: list[ChainDifference] = []
    for account_id in sorted({*chained, *recorded.all()}):
        state = await verify_chain(session, account_id)
        if state.fault is not None:
            subject = f"{ids.format_id(ACCOUNT_ID_PREFIX, account_id)} at {state.fault.position}"
            expected = max(chained.get(account_id, 0), state.fault.position)
            differences.append((CHAIN_CHECK, subject, state.position, expected))
    return differences
