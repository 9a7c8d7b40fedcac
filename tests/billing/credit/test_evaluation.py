"""Evaluation: one decision per day and event, and its effect on the credit limit."""

import asyncio

from billing.credit.evaluation import evaluate_credit, find_last_decision
from billing.cycle import dun_accounts
from billing.invoices.payment_failures import record_chargeback, record_declined_charge
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from tests.support.billing.credit import (
    assign,
    bill_rows,
    decide_all,
    decisions,
    granted,
    next_day,
    publish,
)
from tests.support.stories.story import Firm, Story


async def with_policy(story: Story, credit: str = "200") -> Firm:
    """A firm in October 2026 with the policy `standard`, and no decision yet."""
    firm = await story.firm(credit=credit, net_days=10)
    await publish(story)
    await assign(firm)
    return firm


class TestLimit:
    async def test_account_without_policy_keeps_its_fixed_limit(self, story: Story) -> None:
        firm = await story.firm(credit="200")
        await publish(story)
        assert await decide_all(story) == 0
        assert await firm.credit() == "200"

    async def test_first_decision_sets_the_starting_limit(self, story: Story) -> None:
        firm = await with_policy(story)
        assert await decide_all(story) == 1
        assert await firm.credit() == "500"
        (row,) = await decisions(firm)
        assert (row.previous, row.decided, row.granted) == (200_00, 500_00, 500_00)
        assert row.reasons == [{"code": "starting", "limit": 500_00}]

    async def test_a_day_is_decided_once_however_often_the_job_runs(self, story: Story) -> None:
        firm = await with_policy(story)
        for _ in range(3):
            await decide_all(story)
        await next_day(story)
        assert [row.business_key for row in await decisions(firm)] == [
            "day:2026-09-30",
            "day:2026-10-01",
        ]

    async def test_two_evaluations_at_once_give_one_decision(self, story: Story) -> None:
        firm = await with_policy(story)
        await asyncio.gather(decide_all(story), decide_all(story))
        assert len(await decisions(firm)) == 1

    async def test_two_invoices_paid_on_time_raise_the_limit(self, story: Story) -> None:
        """Two months of 40.00 each, paid on the day they are due: 500.00 becomes 1,000.00."""
        firm = await with_policy(story)
        await decide_all(story)
        for month in (11, 12):
            await bill_rows(firm, 40_000, 2026, month, 1)
            await firm.pays_all()
            await decide_all(story)
        assert await firm.credit() == "1000"
        last = (await decisions(firm))[-1]
        assert last.business_key.startswith("payment:")
        assert last.reasons == [{"code": "step", "step": 1, "limit": 1000_00}]

    async def test_dunning_step_lowers_and_payment_restores(self, story: Story) -> None:
        """Due on 11 November: on the 21st half of 500.00 is taken off, on payment it returns."""
        firm = await with_policy(story)
        await bill_rows(firm, 40_000, 2026, 11, 1)
        await next_day(story, 20)
        await dun_accounts(story.database, story.clock)
        await decide_all(story)
        assert (await granted(firm))[-1] == "250.00"
        assert await firm.credit() == "210"
        await firm.pays_all()
        await decide_all(story)
        assert await firm.credit() == "500"

    async def test_clock_that_goes_back_decides_by_the_time_before(self, story: Story) -> None:
        firm = await with_policy(story)
        await next_day(story, 5)
        story.clock.pass_(days=-3)
        await decide_all(story)
        first, second = await decisions(firm)
        assert second.decided_at == first.decided_at
        assert await decide_all(story) == 0

    async def test_error_of_one_account_does_not_stop_others(self, story: Story) -> None:
        """The deposit of one account is negative, as by an error in the ledger."""
        firm = await with_policy(story)
        other = await story.firm("Other")
        await assign(other)
        async with story.database.transaction() as session:
            postings = [Posting(Book.DEPOSIT, 1), Posting(Book.CASH, -1)]
            place = (session, story.clock, other.account.id, TransactionKind.DEPOSIT)
            await post_transaction(*place, "by hand", "CNY", postings)
        assert await decide_all(story) == 1
        assert (len(await decisions(firm)), await decisions(other)) == (1, [])


class TestFailedPayments:
    async def test_chargeback_after_a_raise_freezes_and_takes_it_back(self, story: Story) -> None:
        """The reversed invoice is unpaid, so one paid on time is left: the first step is lost."""
        firm = await with_policy(story)
        for month in (11, 12):
            await bill_rows(firm, 40_000, 2026, month, 1)
            await firm.pays_all()
            await decide_all(story)
        assert await firm.credit() == "1000"
        async with story.database.transaction() as session:
            reference = "bank-Acme 精密-2"
            invoice = await record_chargeback(session, story.clock, firm.account.id, reference)
            await record_chargeback(session, story.clock, firm.account.id, reference)
        assert (invoice.status, await firm.owes(invoice)) == ("open", "40.00")
        await decide_all(story)
        assert await firm.credit() == "460"
        codes = [reason["code"] for reason in (await decisions(firm))[-1].reasons]
        assert codes == ["starting", "frozen"]
        assert await story.differences() == ()

    async def test_declined_charges_freeze_the_limit(self, story: Story) -> None:
        firm = await with_policy(story)
        await decide_all(story)
        for month in (11, 12):
            await bill_rows(firm, 40_000, 2026, month, 1)
        invoices = await firm.invoices()
        async with story.database.transaction() as session:
            for name in ("a", "b", "c", "c"):
                place = (session, story.clock, firm.account.id, invoices[0].id)
                await record_declined_charge(*place, name)
        await decide_all(story)
        frozen = (await decisions(firm))[-1].reasons[-1]
        assert frozen == {"code": "frozen", "rule": "failed_payments", "value": 3}


class TestDirectEvaluation:
    async def test_event_of_account_without_policy_gives_none(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            assert await evaluate_credit(session, story.clock, firm.account.id, "x") is None
            assert await find_last_decision(session, firm.account.id) is None
