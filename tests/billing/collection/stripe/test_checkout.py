"""Stripe Checkout in payment mode: top-ups by webhook and polling, methods, refunds.

Every order is credited once, whichever way its payment is heard of, and however often.
"""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from billing.collection.collector import InvalidNotification
from billing.collection.payments.checkout import Checkout
from billing.collection.payments.notifications import receive_notification
from billing.collection.payments.orders import NewOrder, TopUpLimits, open_order
from billing.collection.payments.poller import PaymentPoller
from billing.collection.payments.provider import RefundRequest, RefundState, TradeState
from billing.collection.payments.providers import create_payment_providers
from billing.collection.payments.recording import RecordedAs
from billing.collection.stripe.checkout import StripeCheckout, create_stripe_checkout
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.info import STRIPE_CHECKOUT
from billing.collection.stripe.payment_methods import parse_payment_methods
from billing.outbox import PermanentFailure
from billing.tables import PaymentOrder
from infra.clock import SystemClock
from infra.settings import Settings, SettingsInvalid
from tests.support import builders
from tests.support.fakes.stripe.account import Obj
from tests.support.fakes.stripe.clock import SteppedClock
from tests.support.fakes.stripe.deliveries import signature
from tests.support.fakes.stripe.refusals import Refusal
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.stories.story import Firm, Story

SECRET = "whsec_test"  # the stand-in's
LIMITS = TopUpLimits.from_settings(Settings(), "CNY")


@dataclass
class Paying:
    """A story whose customers pay at Stripe's stand-in."""

    story: Story
    fake: FakeStripe
    checkout: Checkout
    provider: StripeCheckout
    settings: Settings

    async def orders(self, firm: Firm, amount: str = "100.00") -> PaymentOrder:
        new = NewOrder(STRIPE_CHECKOUT, None, firm.minor(amount))
        async with self.story.database.transaction() as session:
            clock = self.story.clock
            order = await open_order(session, clock, firm.account.id, new, LIMITS)
        return await self.checkout.request_code(firm.account.id, order.id)

    def session(self, order: PaymentOrder) -> Obj:
        (found,) = self.fake.objects("checkout.session", client_reference_id=order.number)
        return found

    async def hears(self, kind: str, session: Obj) -> RecordedAs:
        """A gateway receives an event about a session."""
        event = {"id": "evt_1", "type": kind, "data": {"object": session}}
        return await receive_notification(
            self.story.database,
            self.story.clock,
            self.checkout.providers,
            "stripe_checkout",
            *signed(event),
        )


def signed(event: dict[str, Any], secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    body, at = json.dumps(event).encode(), int(time.time())
    return body, {"stripe-signature": f"t={at},v1={signature(body, secret, at)}"}


def configured(tmp_path: Path, **values: Any) -> Settings:
    return builders.settings("postgresql://x/y", tmp_path, "http://127.0.0.1:9", **values)


@pytest.fixture
async def paying(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Paying]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # An order's number tells Stripe's side when it was made, by the machine's clock.
    async with run_fake_stripe(SteppedClock(SystemClock().now())) as fake:
        settings = configured(
            tmp_path,
            stripe_secret_key=fake.key,
            stripe_api_base=fake.url,
            stripe_checkout_webhook_secret=SECRET,
            public_url="https://maas.example",
            stripe_payment_methods="CNY=card,alipay,wechat_pay",
        )
        providers = create_payment_providers(settings, story.clock)
        checkout = Checkout(story.database, story.clock, providers)
        provider = providers.find("stripe_checkout")
        assert isinstance(provider, StripeCheckout)
        yield Paying(story, fake, checkout, provider, settings)
        await checkout.close()


class TestTopUp:
    async def test_page_offers_the_configured_methods_and_names_the_order(
        self, paying: Paying
    ) -> None:
        order = await paying.orders(await paying.story.firm())
        session = paying.session(order)
        assert order.code == session["url"]
        assert session["amount_total"] == 10_000
        assert session["payment_method_types"] == ["card", "alipay", "wechat_pay"]
        assert session["success_url"] == "https://maas.example/dashboard/wallet"
        assert paying.provider.info is STRIPE_CHECKOUT
        again = await paying.checkout.request_code(order.account_id, order.id)
        assert (again.code, len(paying.fake.objects("checkout.session"))) == (order.code, 1)

    async def test_payment_is_credited_once_by_event_repetition_and_query(
        self, paying: Paying
    ) -> None:
        firm = await paying.story.firm(credit="0")
        order = await paying.orders(firm)
        assert await paying.checkout.query(order) is RecordedAs.UNCHANGED
        paying.fake.complete_checkout(paying.session(order)["id"])
        session = paying.session(order)
        kind = "checkout.session.completed"
        assert await paying.hears(kind, session) is RecordedAs.CREDITED
        assert await paying.hears(kind, session) is RecordedAs.UNCHANGED
        assert await paying.checkout.query(order) is RecordedAs.UNCHANGED
        assert (await firm.wallet(), await firm.credit()) == ("100.00", "100")
        paid = await paying.checkout.get(firm.account.id, order.id)
        assert (paid.state, paid.transaction_id) == ("paid", session["payment_intent"])
        assert await paying.story.differences() == ()

    async def test_payer_that_stripe_does_not_tell_is_asked_for_once(
        self, paying: Paying, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order = await paying.orders(await paying.story.firm())
        paying.fake.complete_checkout(paying.session(order)["id"])
        await paying.hears("checkout.session.completed", paying.session(order))

        async def refuse(*_: object) -> None:
            raise PermanentFailure("forbidden")

        monkeypatch.setattr(StripeCheckout, "query_order", refuse)
        poller = PaymentPoller(paying.story.database, paying.story.clock, paying.checkout)
        assert await poller.poll_orders() == 1
        paying.story.clock.pass_(minutes=2)
        assert await poller.poll_orders() == 0

    async def test_lost_event_is_found_by_polling(self, paying: Paying) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm)
        paying.fake.complete_checkout(paying.session(order)["id"])
        paying.story.clock.pass_(seconds=11)
        poller = PaymentPoller(paying.story.database, paying.story.clock, paying.checkout)
        assert await poller.poll_orders() == 1
        assert await firm.wallet() == "100.00"

    @pytest.mark.parametrize(("succeeds", "wallet"), [(True, "100.00"), (False, "0.00")])
    async def test_payment_that_takes_days_is_credited_when_the_money_arrives(
        self, paying: Paying, succeeds: bool, wallet: str
    ) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm)
        session_id = paying.session(order)["id"]
        paying.fake.confirm_late_payment(session_id)
        kind = "checkout.session.completed"
        assert await paying.hears(kind, paying.session(order)) is RecordedAs.UNCHANGED
        paying.fake.settle_late_payment(session_id, succeeds)
        if not succeeds:
            failed = paying.session(order)
            kind = "checkout.session.async_payment_failed"
            assert await paying.hears(kind, failed) is RecordedAs.ENDED
        await paying.checkout.query(order)
        assert await firm.wallet() == wallet
        state = (await paying.checkout.get(firm.account.id, order.id)).state
        assert state == ("paid" if succeeds else "failed")

    async def test_session_created_long_after_its_order_is_found(self, paying: Paying) -> None:
        order = await paying.orders(await paying.story.firm())
        (session,) = paying.fake.account.all("checkout.session", client_reference_id=order.number)
        session["created"] += 1800
        assert (await paying.provider.query_order(order.number)).state is TradeState.PENDING

    async def test_declined_card_leaves_the_page_open(self, paying: Paying) -> None:
        order = await paying.orders(await paying.story.firm())
        session_id = paying.session(order)["id"]
        with pytest.raises(Refusal):
            paying.fake.complete_checkout(session_id, "pm_card_chargeDeclined")
        assert await paying.checkout.query(order) is RecordedAs.UNCHANGED

    async def test_canceled_order_ends_the_page(self, paying: Paying) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm)
        canceled = await paying.checkout.cancel(firm.account.id, order.id)
        assert (canceled.state, paying.session(order)["status"]) == ("closed", "expired")
        result = await paying.provider.query_order(order.number)
        assert result.state is TradeState.CLOSED

    async def test_paid_page_is_not_closed(self, paying: Paying) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm)
        paying.fake.complete_checkout(paying.session(order)["id"])
        canceled = await paying.checkout.cancel(firm.account.id, order.id)
        assert (canceled.state, await firm.wallet()) == ("paid", "100.00")
        await paying.provider.close_order("0" * 32)
        await paying.provider._client.expire_session(paying.session(order)["id"])

    async def test_part_of_a_payment_is_refunded_once(self, paying: Paying) -> None:
        firm = await paying.story.firm()
        order = await paying.orders(firm)
        refund = RefundRequest(order.number, "r1", 4_000, 10_000, "CNY", "goodwill")
        with pytest.raises(PermanentFailure, match="no payment"):
            await paying.provider.refund(refund)
        paying.fake.complete_checkout(paying.session(order)["id"])
        assert await paying.provider.query_refund(refund) is None
        made = await paying.provider.refund(refund)
        assert (made.state, made.minor) == (RefundState.SUCCEEDED, 4_000)
        assert await paying.provider.refund(refund) == made
        assert len(paying.fake.objects("refund")) == 1
        assert await paying.provider.fetch_keys() == ()

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("pending", RefundState.PENDING),
            ("requires_action", RefundState.PENDING),
            ("failed", RefundState.FAILED),
            ("canceled", RefundState.FAILED),
        ],
    )
    async def test_refund_that_stripe_did_not_pay_out_is_pending_or_has_failed(
        self, paying: Paying, status: str, state: RefundState
    ) -> None:
        """A canceled refund is not paid out later: its amount returns to the wallet."""
        order = await paying.orders(await paying.story.firm())
        refund = RefundRequest(order.number, "r1", 4_000, 10_000, "CNY", "goodwill")
        paying.fake.complete_checkout(paying.session(order)["id"])
        await paying.provider.refund(refund)
        (theirs,) = paying.fake.account.all("refund")
        theirs["status"] = status
        for found in (
            await paying.provider.query_refund(refund),
            await paying.provider.refund(refund),
        ):
            assert found is not None
            assert (found.state, found.detail) == (state, status)


class TestNotifications:
    @pytest.mark.parametrize(
        "event",
        [
            {"id": "e", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}},
            {
                "id": "e",
                "type": "checkout.session.completed",
                "data": {
                    "object": {
                        "id": "cs_1",
                        "client_reference_id": None,
                        "payment_intent": None,
                        "status": "complete",
                        "payment_status": "no_payment_required",
                        "amount_total": None,
                        "currency": None,
                    }
                },
            },
        ],
    )
    async def test_other_events_are_ignored(self, paying: Paying, event: dict[str, Any]) -> None:
        assert paying.provider.read_notification(*signed(event)) is None

    async def test_forged_and_malformed_events_are_refused(self, paying: Paying) -> None:
        event = {"id": "e", "type": "checkout.session.completed", "data": {"object": {"id": "x"}}}
        with pytest.raises(InvalidNotification):
            paying.provider.read_notification(*signed(event, "whsec_wrong"))
        with pytest.raises(InvalidNotification, match="no Checkout session"):
            paying.provider.read_notification(*signed(event))

    async def test_event_of_another_wallet_page_names_no_order(self, paying: Paying) -> None:
        order = await paying.orders(await paying.story.firm())
        event = {"id": "e", "type": "checkout.session.expired"}
        event["data"] = {"object": paying.session(order)}  # type: ignore[assignment]
        result = paying.provider.read_notification(*signed(event))
        assert result is not None
        assert result.number == order.number


class TestSettings:
    def test_secret_needs_key_and_address(self, tmp_path: Path) -> None:
        assert create_stripe_checkout(configured(tmp_path), SystemClock()) is None
        settings = configured(tmp_path, stripe_checkout_webhook_secret=SECRET)
        with pytest.raises(SettingsInvalid, match="MAAS_PUBLIC_URL"):
            create_stripe_checkout(settings, SystemClock())

    def test_methods_are_by_currency(self, tmp_path: Path) -> None:
        text = "CNY=card,alipay,card;USD=card"
        methods = parse_payment_methods(configured(tmp_path, stripe_payment_methods=text))
        assert methods == {"CNY": ("card", "alipay"), "USD": ("card",)}
        assert parse_payment_methods(configured(tmp_path)) == {}
        wrong = configured(tmp_path, stripe_payment_methods="MYR=card,wechat_pay")
        with pytest.raises(SettingsInvalid, match="does not take MYR by wechat_pay"):
            parse_payment_methods(wrong)

    async def test_sent_invoice_can_be_paid_by_the_methods_of_its_currency(
        self, paying: Paying
    ) -> None:
        client = StripeClient(paying.fake.key, paying.fake.url)
        customer = await client.create_customer("c", "a", "Acme", "")
        made = await client.create_invoice("i", customer, "1", "M-1", "CNY", 30, ("card", "alipay"))
        (invoice,) = paying.fake.objects("invoice", id=made.id)
        assert invoice["payment_settings"]["payment_method_types"] == ["card", "alipay"]
        with pytest.raises(PermanentFailure, match="currency"):
            await client.create_invoice("j", customer, "2", "M-2", "MYR", 30, ("wechat_pay",))
        await client.close()
