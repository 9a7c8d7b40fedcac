"""Checks of settlements: a fault planted in a settlement or its charges is reported."""

import pytest
from sqlalchemy import text

from billing.reconciliation.outcomes import (
    BUNDLE_DIGEST_CHECK,
    SETTLEMENT_AMOUNT_CHECK,
    SETTLEMENT_CHARGE_CHECK,
    recompute_settlements,
)
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Story

FAULTS = {
    BUNDLE_DIGEST_CHECK: ["update outcome_settlement set bundle = bundle || ' '"],
    SETTLEMENT_AMOUNT_CHECK: [
        "update outcome_settlement set minor = minor + 1",
        "update outcome_settlement set micro = micro + 1",
    ],
    SETTLEMENT_CHARGE_CHECK: [
        "update charge set minor = minor + 1",
        "update charge set withdrawn_at = now()",
        "update outcome_settlement set accepted_at = null",
        "update outcome set reversed_at = now()",
    ],
}


@pytest.mark.parametrize(
    ("check", "statement"), [(check, one) for check, many in FAULTS.items() for one in many]
)
async def test_planted_settlement_or_charge_fault_is_reported(
    story: Story, check: str, statement: str
) -> None:
    spindles = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    await spindles.until(2026, 11, 4)
    await spindles.until(2026, 11, 14)
    assert await story.differences() == ()
    async with story.database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(statement))
    async with story.database.transaction() as session:
        assert {found[0] for found in await recompute_settlements(session)} == {check}
