"""Refunds: in the ledger at once and at the provider later, never above the payment.

100,000 rows at 0.001 are 100.00, with 6 % tax 106.00.
"""

import pytest

from billing.collection.payments.recording import RecordedAs
from billing.collection.payments.refund_results import record_refund_refusal
from billing.collection.payments.refunds import RefundConflict, RefundInvalid, retry_refund
from billing.ledger.ledger import Book
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.payment_story import METHODS, PaymentStory

each_method = pytest.mark.parametrize("method", METHODS)


class TestLedger:
    @each_method
    async def test_top_up_is_refunded_in_parts_up_to_its_amount(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500, "r-1")
        assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("15.00", 1500)
        await paying.refunds(order, 1500, "r-2")
        with pytest.raises(RefundInvalid, match=r"0\.00 CNY of this payment"):
            await paying.refunds(order, 1, "r-3")
        assert await paying.polls() == (0, 2)
        assert [one.state for one in await paying.refunds_of(order)] == ["succeeded"] * 2
        assert paying.stand_in(method).ledger.trades[order.number].refunded == 2000
        assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("0.00", 0)
        assert await paying.story.differences() == ()
        assert await paying.compared() == ()

    @each_method
    async def test_payment_of_an_invoice_is_refunded_by_a_credit_note(
        self, paying: PaymentStory, method: str
    ) -> None:
        """26.50 are 25.00 and 1.50 tax."""
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, method, invoice)
        await paying.is_paid(order)
        refund = await paying.refunds(order, 2650)
        assert refund.credit_note_id is not None
        assert await firm.balance(Book.REVENUE_USAGE) == -7500
        assert (await firm.balance(Book.TAX), await firm.balance(Book.CASH)) == (-450, 7950)
        await paying.refunds(order, 7950, "rest")
        assert await firm.balance(Book.CASH) == 0
        with pytest.raises(RefundInvalid):
            await paying.refunds(order, 1, "more")
        await paying.polls()
        assert await paying.story.differences() == ()

    async def test_surplus_in_the_wallet_is_refunded_first(self, paying: PaymentStory) -> None:
        """Of 106.00, 46.00 pay the invoice and 60.00 go to the wallet."""
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "alipay", invoice)
        await firm.pays(invoice, "60.00")
        await paying.is_paid(order)
        refund = await paying.refunds(order, 7000)
        assert (await firm.wallet(), refund.credit_note_id is not None) == ("0.00", True)
        assert await firm.balance(Book.CASH) == 6000 + 10_600 - 7000
        assert await paying.story.differences() == ()

    async def test_spent_top_up_cannot_be_refunded(self, paying: PaymentStory) -> None:
        """Of 20.00, 5.30 are used but not invoiced, so 14.70 can be refunded."""
        firm = await paying.story.firm(tax_ppm=60_000)
        order = await paying.orders(firm, "alipay", amount="20.00")
        await paying.is_paid(order)
        await firm.use("vib", rows=5_000)
        await paying.story.counts()
        with pytest.raises(RefundInvalid, match=r"14\.70 CNY"):
            await paying.refunds(order, 1471)
        await paying.refunds(order, 1470)
        assert await firm.wallet() == "5.30"

    async def test_invoice_that_is_credited_elsewhere_cannot_be_refunded_again(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "alipay", invoice)
        await paying.is_paid(order)
        await firm.is_credited(invoice, "100.00", refund=True)
        with pytest.raises(RefundInvalid, match=r"6\.00 CNY"):
            await paying.refunds(order, 601)

    async def test_only_cash_of_the_invoice_is_refunded(self, paying: PaymentStory) -> None:
        """The wallet paid 56.00 of the invoice, so 50.00 were paid in cash."""
        firm = await paying.story.firm(tax_ppm=60_000)
        await firm.tops_up("56.00", "first")
        await firm.use("vib", rows=100_000)
        await paying.story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        order = await paying.orders(firm, "alipay", invoice)
        assert order.minor == 5000
        await paying.is_paid(order)
        await firm.is_credited(invoice, "20.00", refund=True)
        with pytest.raises(RefundInvalid, match=r"30\.00 CNY"):
            await paying.refunds(order, 4000)

    async def test_repeated_reference_refunds_once_and_another_amount_conflicts(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(order)
        first = await paying.refunds(order, 500, "r-1")
        assert (await paying.refunds(order, 500, "r-1")).id == first.id
        with pytest.raises(RefundConflict):
            await paying.refunds(order, 600, "r-1")
        assert await firm.wallet() == "15.00"

    async def test_unpaid_order_missing_reason_and_empty_amount_are_refused(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        with pytest.raises(RefundInvalid, match="pending"):
            await paying.refunds(order, 500)
        await paying.is_paid(order)
        with pytest.raises(RefundInvalid, match="needs a reason"):
            await paying.refunds(order, 500, reason=" ")
        with pytest.raises(RefundInvalid, match=r"20\.00 CNY"):
            await paying.refunds(order, 0)


class TestProvider:
    @each_method
    async def test_refund_waits_for_a_provider_that_does_not_answer(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500)
        paying.stand_in(method).ledger.status = 503
        await paying.polls()
        paying.stand_in(method).ledger.status = 200
        await paying.polls(minutes=1)
        (refund,) = await paying.refunds_of(order)
        assert (refund.state, refund.last_error) == ("succeeded", None)

    async def test_notification_ends_a_refund_once(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(order)
        paying.wechat_pay.refund_status = "PROCESSING"
        refund = await paying.refunds(order, 500)
        await paying.polls()
        assert [one.state for one in await paying.refunds_of(order)] == ["pending"]
        paying.wechat_pay.ledger.trades[order.number].refunds[refund.number].status = "SUCCESS"
        told = paying.wechat_pay.refund_notification(order.number, refund.number)
        assert await paying.receives("wechat_pay", told) is RecordedAs.ENDED
        assert await paying.receives("wechat_pay", told) is RecordedAs.UNCHANGED
        assert await paying.polls(days=1) == (0, 0)

    async def test_abnormal_refund_waits_for_the_operator(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(order)
        paying.wechat_pay.refund_status = "ABNORMAL"
        await paying.refunds(order, 500)
        await paying.polls()
        (refund,) = await paying.refunds_of(order)
        assert (refund.state, refund.last_error) == ("pending", "ABNORMAL")

    async def test_refund_that_the_provider_closes_returns_to_the_wallet(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "wechat_pay", invoice)
        await paying.is_paid(order)
        paying.wechat_pay.refund_status = "CLOSED"
        await paying.refunds(order, 2650)
        await paying.polls()
        assert [one.state for one in await paying.refunds_of(order)] == ["failed"]
        assert (await firm.wallet(), await firm.balance(Book.CASH)) == ("26.50", 10_600)
        assert await paying.story.differences() == ()
        assert await paying.compared() == ()

    @each_method
    async def test_rejected_refund_is_tried_for_a_week_then_returns_to_the_wallet(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500)
        paying.stand_in(method).ledger.rejection = "NOT_ENOUGH"
        await paying.polls()
        (refund,) = await paying.refunds_of(order)
        assert (refund.state, "NOT_ENOUGH" in str(refund.last_error)) == ("pending", True)
        await paying.polls(days=7)
        assert [one.state for one in await paying.refunds_of(order)] == ["failed"]
        assert await firm.wallet() == "20.00"
        async with paying.database.transaction() as session:
            clock = paying.story.clock
            await record_refund_refusal(session, clock, method, refund.number, "late")
            await record_refund_refusal(session, clock, method, "unknown", "late")
        assert await paying.story.differences() == ()

    async def test_retry_makes_pending_refunds_due(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 500)
        paying.alipay.ledger.rejection = "NOT_ENOUGH"
        await paying.polls()
        paying.alipay.ledger.rejection = ""
        assert await paying.polls(seconds=1) == (0, 0)
        async with paying.database.transaction() as session:
            await retry_refund(session, paying.story.clock, firm.account.id, order.id)
        assert await paying.polls() == (0, 1)
        async with paying.database.transaction() as session:
            await retry_refund(session, paying.story.clock, firm.account.id, order.id)
        assert await paying.polls() == (0, 0)

    async def test_refund_of_another_amount_is_a_discrepancy(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(order)
        paying.wechat_pay.refund_status = "PROCESSING"
        refund = await paying.refunds(order, 500)
        await paying.polls()
        theirs = paying.wechat_pay.ledger.trades[order.number].refunds[refund.number]
        theirs.minor, theirs.status = 400, "SUCCESS"
        told = paying.wechat_pay.refund_notification(order.number, refund.number)
        assert await paying.receives("wechat_pay", told) is RecordedAs.DISCREPANCY
        assert await paying.discrepancies() == [("refund_amount", 400, "CNY")]
        names = {one.check for one in await paying.compared()}
        assert names == {"Refunds of payment orders equal the provider's refunds"}

    async def test_refund_of_another_system_is_acknowledged(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(order)
        refund = await paying.refunds(order, 500)
        await paying.polls()
        await sql(
            paying.database, "update payment_refund set number = :number", number=ids.new_id().hex
        )
        told = paying.wechat_pay.refund_notification(order.number, refund.number)
        assert await paying.receives("wechat_pay", told) is RecordedAs.UNKNOWN_ORDER
