"""Payments by both methods: each is credited once, to the invoice or the wallet, whatever happens.

100,000 rows at 0.001 are 100.00, with 6 % tax 106.00.
"""

import pytest

from billing.collection.payments.discrepancies import (
    DiscrepancyNotFound,
    DiscrepancyStateWrong,
    list_open_discrepancies,
    resolve_discrepancy,
)
from billing.collection.payments.recording import RecordedAs
from billing.ledger.ledger import Book
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.payment_story import METHODS, PaymentStory

each_method = pytest.mark.parametrize("method", METHODS)


class TestPayments:
    @each_method
    async def test_notification_pays_the_invoice_once(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, method, invoice)
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        for _ in range(2):
            assert await paying.is_paid(order) is RecordedAs.UNCHANGED
        paid = await paying.reads(order)
        assert (paid.state, paid.credited_to, paid.poll_at) == ("paid", "invoice", None)
        assert paid.paid_at == paying.story.clock.now()
        (after,) = await firm.invoices()
        assert (after.status, await firm.owes(invoice)) == ("paid", "0.00")
        assert (await firm.balance(Book.CASH), await firm.wallet()) == (10_600, "0.00")
        assert await paying.story.differences() == ()
        assert await paying.compared() == ()

    @each_method
    async def test_lost_notification_is_found_by_polling(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        paying.stand_in(method).pays(order.number)
        assert await paying.polls(seconds=9) == (0, 0)
        assert await paying.polls(seconds=1) == (1, 0)
        assert (await paying.reads(order)).state == "paid"
        assert await paying.polls(days=2) == (0, 0)
        assert await firm.wallet() == "20.00"
        payers = await sql(paying.story.database, "select kind, account_id from account_payer")
        assert payers == [(method, firm.account.id)]

    @each_method
    async def test_payment_after_expiry_is_credited(
        self, paying: PaymentStory, method: str
    ) -> None:
        """Once by its notification, once by the poll ten minutes after the end."""
        firm = await paying.story.firm()
        told = await paying.orders(firm, method, amount="20.00")
        silent = await paying.orders(firm, method, amount="5.00")
        await paying.polls(minutes=30)
        assert (await paying.reads(told)).state == "expired"
        assert await paying.is_paid(told) is RecordedAs.CREDITED
        paying.stand_in(method).pays(silent.number)
        assert await paying.polls(minutes=10) == (1, 0)
        assert await firm.wallet() == "25.00"

    async def test_payment_of_an_invoice_that_is_paid_goes_to_the_wallet(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "alipay", invoice)
        await firm.pays(invoice, "106.00")
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        assert (await paying.reads(order)).credited_to == "wallet"
        assert await firm.wallet() == "106.00"
        assert await paying.story.differences() == ()

    async def test_payment_of_a_void_invoice_goes_to_the_wallet(self, paying: PaymentStory) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "wechat_pay", invoice)
        await paying.story.voids(invoice)
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        assert await firm.wallet() == "106.00"

    async def test_payment_beyond_what_is_owed_now_goes_to_the_wallet(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "wechat_pay", invoice)
        await firm.pays(invoice, "60.00")
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        (after,) = await firm.invoices()
        assert (after.status, await firm.wallet()) == ("paid", "60.00")
        assert await paying.story.differences() == ()

    async def test_payment_of_an_uncollectible_invoice_reduces_the_bad_debt(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        order = await paying.orders(firm, "alipay", invoice)
        await paying.story.gives_up(invoice)
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        assert (await firm.balance(Book.BAD_DEBT), await firm.wallet()) == (0, "0.00")

    async def test_scanned_trade_that_is_not_paid_changes_nothing(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        paying.alipay.scans(order.number)
        waiting = paying.alipay.payment_notification(order.number)
        assert await paying.receives("alipay", waiting) is RecordedAs.UNCHANGED
        await paying.checkout.cancel(firm.account.id, order.id)
        closed = paying.alipay.payment_notification(order.number)
        assert await paying.receives("alipay", closed) is RecordedAs.UNCHANGED

    @each_method
    async def test_order_of_another_system_is_acknowledged(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await sql(paying.database, "update payment_order set number = 'other'")
        assert await paying.is_paid(order) is RecordedAs.UNKNOWN_ORDER


class TestDiscrepancies:
    @each_method
    @pytest.mark.parametrize("minor", [1999, 2001])
    async def test_other_amount_is_recorded_and_not_credited(
        self, paying: PaymentStory, method: str, minor: int
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        for _ in range(2):
            assert await paying.is_paid(order, minor) is RecordedAs.DISCREPANCY
        assert await paying.discrepancies() == [("amount", minor, "CNY")]
        assert ((await paying.reads(order)).state, await firm.wallet()) == ("failed", "0.00")
        found = [(one.check, one.recorded) for one in await paying.story.differences()]
        assert found == [("Payment discrepancies are resolved", minor)]

    async def test_other_currency_is_recorded_and_the_right_payment_still_credited(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        paying.wechat_pay.pays(order.number)
        amount = {"total": 2000, "currency": "USD"}
        foreign = paying.wechat_pay.payment_notification(order.number, amount=amount)
        assert await paying.receives("wechat_pay", foreign) is RecordedAs.DISCREPANCY
        assert await paying.is_paid(order) is RecordedAs.CREDITED
        assert await paying.discrepancies() == [("currency", 2000, "USD")]
        assert await firm.wallet() == "20.00"

    @each_method
    async def test_second_transaction_of_an_order_is_paid_twice(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await paying.is_paid(order)
        paying.stand_in(method).ledger.trades[order.number].transaction_id = "second"
        assert await paying.is_paid(order) is RecordedAs.DISCREPANCY
        assert await paying.discrepancies() == [("paid_twice", 2000, "CNY")]
        assert await firm.wallet() == "20.00"
        names = {one.check for one in await paying.compared()}
        assert names == {"Payment orders have one payment at the provider"}

    async def test_transaction_of_another_order_is_not_credited_again(
        self, paying: PaymentStory
    ) -> None:
        firm = await paying.story.firm()
        first = await paying.orders(firm, "wechat_pay", amount="20.00")
        second = await paying.orders(firm, "wechat_pay", amount="20.00")
        await paying.is_paid(first)
        paid = paying.wechat_pay.pays(first.number).transaction_id
        paying.wechat_pay.pays(second.number).transaction_id = paid
        assert await paying.is_paid(second) is RecordedAs.DISCREPANCY
        assert await firm.wallet() == "20.00"

    @each_method
    async def test_payment_refunded_at_the_provider_before_it_is_recorded_is_not_credited(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        await paying.is_paid(order)
        await paying.refunds(order, 2000)
        await paying.polls()
        unset = "update payment_order set state = 'pending', transaction_id = null, "
        await sql(paying.database, unset + "credited_to = null, poll_at = now()")
        assert await paying.checkout.query(await paying.reads(order)) is RecordedAs.DISCREPANCY
        assert await paying.discrepancies() == [("refunded_elsewhere", 2000, "CNY")]


class TestResolution:
    async def test_operator_credits_what_was_received_once(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "alipay", amount="20.00")
        await paying.is_paid(order, 1500)
        async with paying.database.transaction() as session:
            (found,) = await list_open_discrepancies(session)
        clock = paying.story.clock
        async with paying.database.transaction() as session:
            await resolve_discrepancy(session, clock, found.id, "asked the customer", credit=True)
        assert await firm.wallet() == "15.00"
        assert await paying.story.differences() == ()
        async with paying.database.transaction() as session:
            with pytest.raises(DiscrepancyStateWrong, match="already"):
                await resolve_discrepancy(session, clock, found.id, "again", credit=True)
            with pytest.raises(DiscrepancyNotFound):
                await resolve_discrepancy(session, clock, ids.new_id(), "x", credit=False)

    async def test_foreign_currency_cannot_be_credited(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        paying.wechat_pay.pays(order.number)
        amount = {"total": 2000, "currency": "USD"}
        foreign = paying.wechat_pay.payment_notification(order.number, amount=amount)
        await paying.receives("wechat_pay", foreign)
        async with paying.database.transaction() as session:
            (found,) = await list_open_discrepancies(session)
            with pytest.raises(DiscrepancyStateWrong, match="Nothing was received"):
                await resolve_discrepancy(session, paying.story.clock, found.id, "x", credit=True)
