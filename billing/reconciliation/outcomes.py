"""Outcome checks: whether settlements are what their bundles come to, and charged so.

Each is computed again from its evidence bundle, with the measurement that this holds. For
operators: they look across accounts (account_id).
"""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.outcomes.settlement.amounts import charged_for, price_now
from billing.outcomes.settlement.bundle import digest_of, read_bundle
from billing.outcomes.settlement.replay import result_of
from billing.tables import OutcomeSettlement
from infra import ids

BUNDLED = "a settlement's bundle is the one that was digested"
SETTLED = "a settlement is what its bundle comes to"
CHARGED = "what is charged for a settlement is what it comes to"
Found = tuple[str, str, int, int]  # check, subject, recorded, expected


async def recompute(session: AsyncSession) -> list[Found]:
    """What does not agree, of all settlements, across accounts (account_id)."""
    found: list[Found] = []
    rows = await session.stream_scalars(
        select(OutcomeSettlement).order_by(col(OutcomeSettlement.id))
    )
    async for settlement in rows:
        found += await _recompute(session, settlement)
    return found


async def _recompute(session: AsyncSession, settlement: OutcomeSettlement) -> list[Found]:
    subject = ids.show(SETTLEMENT_PREFIX, settlement.id)
    if digest_of(settlement.bundle) != settlement.digest:
        return [(BUNDLED, subject, 0, 1)]
    result = result_of(read_bundle(settlement.bundle))
    found: list[Found] = []
    if result.minor != settlement.minor:
        found.append((SETTLED, subject, settlement.minor, result.minor))
    if result.micro != settlement.micro:
        found.append((SETTLED, subject, settlement.micro, result.micro))
    charged = (await charged_for(session, settlement)).total
    accepted = settlement.accepted_at is not None
    expected = (await price_now(session, settlement)).minor if accepted else 0
    if charged != expected:
        found.append((CHARGED, subject, charged, expected))
    return found
