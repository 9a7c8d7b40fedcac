"""Checks of payment orders: each planted fault is reported, what is consistent is not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.reconciliation.payment_orders import CHECKS
from tests.support.stories.payment_story import PaymentStory, run_stand_ins
from tests.support.stories.story import Story

# By the check that finds it: what is planted, with triggers disabled.
FAULTS = {
    "Paid payment orders are in the ledger once": "update payment_order set minor = minor + 1",
    "Payments by QR code belong to one paid order": """
        update payment_order set transaction_id = 'another' where invoice_id is not null
    """,
    "Refunds of payment orders are in the ledger": "update payment_refund set state = 'failed'",
    "Refunds do not exceed their payment": "update payment_refund set minor = 30000",
    "Payment discrepancies are resolved": """
        insert into payment_discrepancy
            (id, account_id, order_id, kind, reference, minor, currency, recorded_at)
        select id, account_id, id, 'amount', 't', 1, 'CNY', created_at from payment_order limit 1
    """,
}


@pytest.fixture
async def paying(story: Story, tmp_path: Path) -> AsyncIterator[PaymentStory]:
    """An invoice of 106.00 paid by one method; a top-up of 20.00 by the other, 5.00 refunded."""
    async with run_stand_ins(tmp_path) as stand_ins:
        told = stand_ins.tell(story)
        firm = await story.firm(tax_ppm=60_000)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await told.is_paid(await told.orders(firm, "wechat_pay", invoice))
        top_up = await told.orders(firm, "alipay", amount="20.00")
        await told.is_paid(top_up)
        await told.refunds(top_up, 500)
        await told.polls()
        yield told


async def test_planted_faults_are_found_each_by_its_check(paying: PaymentStory) -> None:
    assert set(FAULTS) == set(CHECKS)
    assert await paying.story.differences() == ()
    for check, statement in FAULTS.items():
        async with paying.database.transaction() as session:
            await session.execute(text("set local session_replication_role = replica"))
            await session.execute(text(statement))
            rows = (await session.execute(text(CHECKS[check]))).all()
            await session.rollback()
        assert rows, check


async def test_differences_from_the_provider_are_found(paying: PaymentStory) -> None:
    assert await paying.compared() == ()
    for ledger in (paying.wechat_pay.ledger, paying.alipay.ledger):
        for trade in ledger.trades.values():
            trade.transaction_id = "another"
            for refund in trade.refunds.values():
                refund.minor = 400
    found = sorted((one.check, one.recorded, one.expected) for one in await paying.compared())
    assert found == [
        ("Payment orders have one payment at the provider", 1, 2),
        ("Payment orders have one payment at the provider", 1, 2),
        ("Refunds of payment orders equal the provider's refunds", 500, 400),
    ]
    paying.wechat_pay.ledger.rejection = paying.alipay.ledger.rejection = "NO_AUTH"
    found = sorted((one.check, one.recorded, one.expected) for one in await paying.compared())
    assert found == [
        ("Payment orders equal the provider's payments", 2000, 0),
        ("Payment orders equal the provider's payments", 10_600, 0),
        ("Refunds of payment orders equal the provider's refunds", 500, 0),
    ]
