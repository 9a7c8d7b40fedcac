"""Cards of the fake Stripe: attachment, setup intents, Checkout, and charges of test cards."""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.refusals import Refusal
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")

NEVER: Any = {"enabled": True, "allow_redirects": "never"}


class TestCardAttachment:
    async def test_attached_card_belongs_to_the_customer(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        made = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
        assert made.id != "pm_card_visa"
        listed = await v1.customers.payment_methods.list_async(customer.id)
        assert [each.id for each in listed.data] == [made.id]
        assert listed.data[0].card is not None
        assert listed.data[0].card.last4 == "4242"

    async def test_attached_card_is_not_the_default_payment_method(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
        found = await v1.customers.retrieve_async(customer.id)
        assert found.invoice_settings is not None
        assert found.invoice_settings.default_payment_method is None

    async def test_attaching_a_declined_card_raises_card_error(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        with pytest.raises(stripe.CardError) as caught:
            await v1.payment_methods.attach_async(
                "pm_card_chargeDeclined", {"customer": customer.id}
            )
        assert (caught.value.code, caught.value.http_status) == ("card_declined", 402)

    async def test_card_of_one_customer_is_rejected_for_another(self, side: Side) -> None:
        v1, owner = side.client.v1, await side.customer()
        other = await v1.customers.create_async()
        assert owner.invoice_settings is not None
        method: Any = owner.invoice_settings.default_payment_method
        with pytest.raises(stripe.InvalidRequestError):
            await v1.payment_methods.attach_async(method, {"customer": other.id})
        with pytest.raises(stripe.InvalidRequestError):
            await v1.customers.update_async(
                other.id, {"invoice_settings": {"default_payment_method": method}}
            )

    async def test_detached_card_cannot_be_attached_again(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        assert customer.invoice_settings is not None
        method: Any = customer.invoice_settings.default_payment_method
        assert (await v1.payment_methods.detach_async(method)).customer is None
        with pytest.raises(stripe.InvalidRequestError):
            await v1.payment_methods.attach_async(method, {"customer": customer.id})
        found = await v1.customers.retrieve_async(customer.id)
        assert found.invoice_settings is not None
        assert found.invoice_settings.default_payment_method is None


class TestSetupIntents:
    async def test_confirmed_setup_intent_attaches_the_card(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        intent = await v1.setup_intents.create_async(
            {"customer": customer.id, "automatic_payment_methods": NEVER}
        )
        assert intent.status == "requires_payment_method"
        done = await v1.setup_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
        assert done.status == "succeeded"
        method: Any = done.payment_method
        assert (await v1.payment_methods.retrieve_async(method)).customer == customer.id

    async def test_declined_card_leaves_the_setup_intent_without_a_payment_method(
        self, side: Side
    ) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        intent = await v1.setup_intents.create_async(
            {"customer": customer.id, "automatic_payment_methods": NEVER}
        )
        with pytest.raises(stripe.CardError):
            await v1.setup_intents.confirm_async(
                intent.id, {"payment_method": "pm_card_chargeDeclined"}
            )
        found = await v1.setup_intents.retrieve_async(intent.id)
        assert (found.status, found.payment_method) == ("requires_payment_method", None)
        assert found.last_setup_error is not None

    async def test_card_with_required_authentication_sets_requires_action(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        intent = await v1.setup_intents.create_async(
            {
                "customer": customer.id,
                "automatic_payment_methods": NEVER,
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
            }
        )
        assert intent.status == "requires_action"

    async def test_authenticated_setup_intent_succeeds(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        v1, customer = on_fake.client.v1, await on_fake.client.v1.customers.create_async()
        intent = await v1.setup_intents.create_async(
            {
                "customer": customer.id,
                "automatic_payment_methods": NEVER,
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
            }
        )
        fake.authenticate(intent.id)
        assert (await v1.setup_intents.retrieve_async(intent.id)).status == "succeeded"

    async def test_redirecting_payment_methods_require_a_return_url(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="return_url"):
            await side.client.v1.setup_intents.create_async(
                {
                    "automatic_payment_methods": {"enabled": True},
                    "payment_method": "pm_card_visa",
                    "confirm": True,
                }
            )


class TestCheckoutSession:
    async def test_completed_session_in_setup_mode_saves_the_card(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        v1, customer = on_fake.client.v1, await on_fake.client.v1.customers.create_async()
        session = await v1.checkout.sessions.create_async(
            {
                "mode": "setup",
                "currency": "usd",
                "customer": customer.id,
                "success_url": "https://example.com/done",
                "setup_intent_data": {"metadata": {"account": "7"}},
            }
        )
        assert session.url is not None
        assert session.url.startswith("https://checkout.stripe.com/")
        method = fake.complete_checkout(session.id)
        done = await v1.checkout.sessions.retrieve_async(session.id, {"expand": ["setup_intent"]})
        intent: Any = done.setup_intent
        assert (done.status, intent.status, intent.payment_method) == (
            "complete",
            "succeeded",
            method,
        )
        assert intent.metadata["account"] == "7"
        assert (await v1.payment_methods.retrieve_async(method)).customer == customer.id
        assert fake.events("checkout.session.completed")
        assert fake.events("setup_intent.succeeded")

    async def test_session_accepts_another_card_after_a_declined_card(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        v1 = on_fake.client.v1
        session = await v1.checkout.sessions.create_async(
            {"mode": "setup", "currency": "usd", "success_url": "https://example.com/done"}
        )
        with pytest.raises(Refusal):
            fake.complete_checkout(session.id, "pm_card_chargeDeclined")
        assert fake.complete_checkout(session.id, "pm_card_authenticationRequired")

    async def test_session_expires_after_one_day(self, fake: FakeStripe, on_fake: Side) -> None:
        session = await on_fake.client.v1.checkout.sessions.create_async(
            {"mode": "setup", "currency": "usd", "success_url": "https://example.com/done"}
        )
        fake.clock.advance(timedelta(days=1))
        with pytest.raises(Refusal):
            fake.complete_checkout(session.id)

    async def test_session_without_currency_or_types_is_rejected(self, side: Side) -> None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.checkout.sessions.create_async(
                {"mode": "setup", "success_url": "https://example.com/done"}
            )
        assert caught.value.param == "currency"

    async def test_session_is_expired_on_request_once(self, side: Side) -> None:
        sessions = side.client.v1.checkout.sessions
        session = await sessions.create_async(
            {"mode": "setup", "currency": "usd", "success_url": "https://example.com/done"}
        )
        assert (await sessions.expire_async(session.id)).status == "expired"
        with pytest.raises(stripe.InvalidRequestError):
            await sessions.expire_async(session.id)


class TestCardCharge:
    async def test_declined_charge_leaves_the_invoice_open_for_another_card(
        self, side: Side
    ) -> None:
        v1, customer = side.client.v1, await side.customer("pm_card_chargeCustomerFail")
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.CardError) as caught:
            await v1.invoices.pay_async(invoice.id)
        assert (caught.value.code, caught.value.http_status) == ("card_declined", 402)
        found = await v1.invoices.retrieve_async(invoice.id)
        assert (found.status, found.attempted, found.attempt_count) == ("open", True, 1)
        other = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
        paid = await v1.invoices.pay_async(invoice.id, {"payment_method": other.id})
        assert paid.status == "paid"

    async def test_charge_that_needs_authentication_leaves_the_invoice_open(
        self, side: Side
    ) -> None:
        v1, customer = side.client.v1, await side.customer("pm_card_authenticationRequired")
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.CardError) as caught:
            await v1.invoices.pay_async(invoice.id)
        assert caught.value.http_status == 402
        assert (await v1.invoices.retrieve_async(invoice.id)).status == "open"

    @pytest.mark.parametrize(
        ("card", "more"),
        [
            ("pm_card_chargeCustomerFail", []),
            ("pm_card_authenticationRequired", ["invoice.payment_action_required"]),
        ],
    )
    async def test_failed_charge_creates_payment_failed_events(
        self, fake: FakeStripe, on_fake: Side, card: str, more: list[str]
    ) -> None:
        customer = await on_fake.customer(card)
        invoice = await on_fake.opened(customer.id, 1000)
        with pytest.raises(stripe.CardError):
            await on_fake.client.v1.invoices.pay_async(invoice.id)
        for kind in ("invoice.payment_failed", *more):
            assert [e["data"]["object"]["id"] for e in fake.events(kind)] == [invoice.id]
        assert not fake.events("invoice.paid")

    async def test_invoice_is_paid_on_its_hosted_page(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        customer = await on_fake.customer("pm_card_authenticationRequired")
        invoice = await on_fake.opened(customer.id, 1000)
        with pytest.raises(Refusal):
            fake.pay_hosted_invoice(invoice.id, "pm_card_chargeDeclined")
        fake.pay_hosted_invoice(invoice.id)
        assert fake.objects("invoice", id=invoice.id)[0]["status"] == "paid"

    @pytest.mark.parametrize("succeeds", [True, False])
    async def test_authentication_result_decides_whether_the_invoice_is_paid(
        self, fake: FakeStripe, on_fake: Side, succeeds: bool
    ) -> None:
        customer = await on_fake.customer("pm_card_authenticationRequired")
        invoice = await on_fake.opened(customer.id, 1000)
        with pytest.raises(stripe.CardError):
            await on_fake.client.v1.invoices.pay_async(invoice.id)
        fake.authenticate(fake.objects("payment_intent")[0]["id"], succeeds)
        assert (fake.objects("invoice")[0]["status"] == "paid") is succeeds


class TestAutomaticCollection:
    """Stripe's time-based collection with `auto_advance`."""

    async def test_draft_is_finalized_and_charged_after_one_hour(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        v1, customer = on_fake.client.v1, await on_fake.customer()
        draft = await on_fake.draft(customer.id, 1000)
        await v1.invoices.update_async(draft.id, {"auto_advance": True})
        fake.collect_due()
        assert fake.objects("invoice")[0]["status"] == "draft"
        fake.clock.advance(timedelta(hours=1, seconds=1))
        fake.collect_due()
        assert fake.objects("invoice")[0]["status"] == "paid"

    async def test_failed_charge_is_retried_for_some_days(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        customer = await on_fake.customer("pm_card_chargeCustomerFail")
        draft = await on_fake.draft(customer.id, 1000)
        await on_fake.client.v1.invoices.finalize_invoice_async(draft.id, {"auto_advance": True})
        for _ in range(30):
            fake.collect_due()
            fake.clock.advance(timedelta(days=1))
        invoice = fake.objects("invoice")[0]
        assert (invoice["status"], invoice["attempt_count"]) == ("open", 4)
        assert invoice["next_payment_attempt"] is None
        assert len(fake.events("invoice.payment_failed")) == 4
