"""Check that outcome settlements agree with their evidence bundles and charges.

Each settlement is recomputed from its bundle. For operators: reads across accounts (account_id).
"""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.outcomes.settlement.amounts import current_price, load_settlement_charges
from billing.outcomes.settlement.bundle import bundle_digest, parse_bundle
from billing.outcomes.settlement.replay import compute_result
from billing.tables import OutcomeSettlement
from infra import ids

BUNDLE_DIGEST_CHECK = "Evidence bundles match their stored digest"
SETTLEMENT_AMOUNT_CHECK = "Settlements equal the result of their evidence bundle"
SETTLEMENT_CHARGE_CHECK = "Charges of a settlement equal its amount"
OutcomeDifference = tuple[str, str, int, int]  # check, subject, recorded, expected


async def recompute_settlements(session: AsyncSession) -> list[OutcomeDifference]:
    """Recompute all settlements and return the differences. Reads across accounts (account_id)."""
    differences: list[OutcomeDifference] = []
    rows = await session.stream_scalars(
        select(OutcomeSettlement).order_by(col(OutcomeSettlement.id))
    )
    async for settlement in rows:
        differences += await _recompute_settlement(session, settlement)
    return differences


async def _recompute_settlement(
    session: AsyncSession, settlement: OutcomeSettlement
) -> list[OutcomeDifference]:
    """Recompute a settlement from its bundle; return differences of digest, amount and charge."""
    subject = ids.format_id(SETTLEMENT_PREFIX, settlement.id)
    if bundle_digest(settlement.bundle) != settlement.digest:
        return [(BUNDLE_DIGEST_CHECK, subject, 0, 1)]
    result = compute_result(parse_bundle(settlement.bundle))
    differences: list[OutcomeDifference] = []
    if result.minor != settlement.minor:
        differences.append((SETTLEMENT_AMOUNT_CHECK, subject, settlement.minor, result.minor))
    if result.micro != settlement.micro:
        differences.append((SETTLEMENT_AMOUNT_CHECK, subject, settlement.micro, result.micro))
    charged = (await load_settlement_charges(session, settlement)).total
    accepted = settlement.accepted_at is not None
    expected = (await current_price(session, settlement)).minor if accepted else 0
    if charged != expected:
        differences.append((SETTLEMENT_CHARGE_CHECK, subject, charged, expected))
    return differences
