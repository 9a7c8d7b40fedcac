"""Payment orders: creation, the one active order of an invoice, codes, cancellation and expiry."""

import asyncio

import pytest

from billing.collection.payments.orders import (
    PaymentMethodUnavailable,
    PaymentOrderNotFound,
    TooManyPaymentOrders,
    get_order,
    list_all_orders,
    list_orders,
)
from billing.collection.payments.results import OrderState
from billing.invoices.lifecycle import InvalidInvoiceState
from billing.ledger.wallets import TopUpInvalid
from billing.outbox import PermanentFailure, RetryLater
from tests.support.stories.payment_story import METHODS, PaymentStory

each_method = pytest.mark.parametrize("method", METHODS)


class TestCreation:
    @each_method
    async def test_order_of_an_invoice_asks_for_what_it_owes(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm, invoice = await paying.invoiced()
        await firm.pays(invoice, "6.00")
        order = await paying.orders(firm, method, invoice)
        assert (order.state, order.minor, order.currency) == ("pending", 10_000, "CNY")
        trade = paying.stand_in(method).ledger.trades[order.number]
        assert (trade.minor, trade.expires_at) == (10_000, order.expires_at)
        path = f"https://maas.example/collectors/{method}/notifications"
        assert paying.stand_in(method).notify_urls == [path]
        assert paying.stand_in(method).descriptions == ["支付账单 MAAS-000001"]
        scheme = "weixin://wxpay/" if method == "wechat_pay" else "https://qr.alipay.com/"
        assert (order.code or "").startswith(scheme)

    async def test_second_order_of_an_invoice_is_the_first_also_by_another_method(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        both = await asyncio.gather(
            paying.orders(firm, "wechat_pay", invoice), paying.orders(firm, "wechat_pay", invoice)
        )
        third = await paying.orders(firm, "alipay", invoice)
        assert {one.id for one in (*both, third)} == {third.id}
        assert third.method == "wechat_pay"

    async def test_invoice_gets_a_new_order_once_the_first_has_ended(
        self, paying: PaymentStory
    ) -> None:
        firm, invoice = await paying.invoiced()
        first = await paying.orders(firm, "wechat_pay", invoice)
        paying.story.clock.pass_(minutes=30)
        second = await paying.orders(firm, "alipay", invoice)
        assert (await paying.reads(first)).state == "expired"
        await paying.checkout.cancel(firm.account.id, second.id)
        third = await paying.orders(firm, "alipay", invoice)
        assert len({first.id, second.id, third.id}) == 3

    @pytest.mark.parametrize("amount", ["0.99", "50000.01"])
    async def test_top_up_outside_of_the_limits_is_refused(
        self, paying: PaymentStory, amount: str
    ) -> None:
        firm = await paying.story.firm()
        with pytest.raises(TopUpInvalid, match=r"from 1\.00 to 50000\.00 CNY"):
            await paying.opens(firm, "alipay", amount=amount)

    async def test_other_currency_settled_invoice_and_unknown_method_are_refused(
        self, paying: PaymentStory
    ) -> None:
        dollars = await paying.story.firm("Dollar", currency="USD")
        with pytest.raises(PaymentMethodUnavailable, match="does not take USD"):
            await paying.opens(dollars, "wechat_pay", amount="10.00")
        firm, invoice = await paying.invoiced()
        await firm.pays(invoice, "106.00")
        with pytest.raises(InvalidInvoiceState, match="paid"):
            await paying.opens(firm, "wechat_pay", invoice)
        with pytest.raises(PaymentMethodUnavailable, match="'cash'"):
            paying.checkout.require_provider("cash")

    async def test_eleventh_waiting_order_is_refused(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        for _ in range(10):
            last = await paying.opens(firm, "alipay", amount="5.00")
        with pytest.raises(TooManyPaymentOrders):
            await paying.opens(firm, "alipay", amount="5.00")
        await paying.checkout.cancel(firm.account.id, last.id)
        await paying.opens(firm, "alipay", amount="5.00")

    async def test_orders_are_listed_by_account_and_for_operators(
        self, paying: PaymentStory
    ) -> None:
        ours, theirs = await paying.story.firm("Ours"), await paying.story.firm("Theirs")
        first = await paying.opens(ours, "alipay", amount="5.00")
        second = await paying.orders(ours, "wechat_pay", amount="6.00")
        third = await paying.opens(theirs, "alipay", amount="7.00")
        async with paying.database.transaction() as session:
            listed = await list_orders(session, ours.account.id, 5)
            after = await list_orders(session, ours.account.id, 5, second.id)
            everything = await list_all_orders(session, 5)
            created = await list_all_orders(session, 5, OrderState.CREATED, third.id)
            with pytest.raises(PaymentOrderNotFound):
                await get_order(session, theirs.account.id, first.id)
        assert [one.id for one in listed] == [second.id, first.id]
        assert [one.id for one in after] == [first.id]
        assert [one.id for one in everything] == [third.id, second.id, first.id]
        assert [one.id for one in created] == [first.id]


class TestCodes:
    @each_method
    async def test_order_without_an_answer_gets_its_code_later(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.opens(firm, method, amount="20.00")
        ledger = paying.stand_in(method).ledger
        ledger.status = 503
        with pytest.raises(RetryLater):
            await paying.checkout.request_code(firm.account.id, order.id)
        assert (await paying.reads(order)).state == "created"
        ledger.status = 200
        coded = await paying.checkout.request_code(firm.account.id, order.id)
        again = await paying.checkout.request_code(firm.account.id, order.id)
        assert (coded.state, coded.code) == ("pending", again.code)

    @each_method
    async def test_order_that_the_provider_rejects_has_failed(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        paying.stand_in(method).ledger.rejection = "NO_AUTH"
        order = await paying.opens(firm, method, amount="20.00")
        with pytest.raises(PermanentFailure, match="NO_AUTH"):
            await paying.checkout.request_code(firm.account.id, order.id)
        assert (await paying.reads(order)).state == "failed"


class TestEnd:
    @each_method
    async def test_cancelled_order_is_closed_at_the_provider(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        if method == "alipay":
            paying.alipay.scans(order.number)
        cancelled = await paying.checkout.cancel(firm.account.id, order.id)
        again = await paying.checkout.cancel(firm.account.id, order.id)
        assert (cancelled.state, again.state) == ("closed", "closed")
        closed = "CLOSED" if method == "wechat_pay" else "TRADE_CLOSED"
        assert paying.stand_in(method).ledger.trades[order.number].status == closed

    @each_method
    async def test_order_paid_before_its_cancellation_is_paid(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        paying.stand_in(method).pays(order.number)
        assert (await paying.checkout.cancel(firm.account.id, order.id)).state == "paid"
        assert await firm.wallet() == "20.00"

    @each_method
    async def test_unpaid_order_expires_after_half_an_hour(
        self, paying: PaymentStory, method: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, method, amount="20.00")
        assert await paying.polls(minutes=29) == (1, 0)
        assert (await paying.reads(order)).state == "pending"
        assert await paying.polls(minutes=1) == (1, 0)
        assert (await paying.reads(order)).state == "expired"
        assert await firm.wallet() == "0.00"

    async def test_order_closed_at_the_provider_is_closed(self, paying: PaymentStory) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm, "wechat_pay", amount="20.00")
        paying.wechat_pay.ledger.trades[order.number].status = "CLOSED"
        await paying.polls(seconds=10)
        assert (await paying.reads(order)).state == "closed"
