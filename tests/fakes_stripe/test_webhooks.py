"""Webhooks of the fake Stripe: content, signature, retries, and injected delivery faults."""

import json
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.receiving import Receiver
from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
async def secret(client: stripe.StripeClient, receiver: Receiver) -> str:
    """The secret of an endpoint for all events."""
    endpoint = await client.v1.webhook_endpoints.create_async(
        {"url": receiver.url, "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
    )
    assert endpoint.secret is not None
    return endpoint.secret


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for body in receiver.bodies]


class TestWebhookEndpoints:
    async def test_secret_is_returned_only_at_creation(self, side: Side) -> None:
        endpoints = side.client.v1.webhook_endpoints
        made = await endpoints.create_async(
            {"url": "https://example.com/hook", "enabled_events": ["invoice.paid"]}
        )
        assert made.secret is not None
        assert made.secret.startswith("whsec_")
        assert "secret" not in await endpoints.retrieve_async(made.id)
        assert (await endpoints.delete_async(made.id)).deleted

    async def test_unknown_event_type_is_rejected(self, side: Side) -> None:
        wrong: Any = {"url": "https://example.com/hook", "enabled_events": ["invoice.payed"]}
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.webhook_endpoints.create_async(wrong)

    async def test_endpoint_receives_only_its_enabled_events(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver
    ) -> None:
        await client.v1.webhook_endpoints.create_async(
            {"url": receiver.url, "enabled_events": ["customer.deleted"]}
        )
        made = await client.v1.customers.create_async()
        await client.v1.customers.delete_async(made.id)
        await fake.webhooks.settled()
        assert types(receiver) == ["customer.deleted"]


class TestWebhookEvents:
    async def test_events_are_signed_and_contain_the_object(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        made = await client.v1.customers.create_async({"name": "Acme 精密"})
        await client.v1.customers.update_async(made.id, {"name": "Acme"})
        await fake.webhooks.settled()
        created, updated = receiver.events(secret)
        assert (created.type, created.api_version) == ("customer.created", stripe.api_version)
        assert created.data.object["name"] == "Acme 精密"
        assert updated.data.previous_attributes is not None
        assert updated.data.previous_attributes["name"] == "Acme 精密"
        assert created.request is not None
        assert made.last_response is not None
        assert created.request.id == made.last_response.request_id
        with pytest.raises(stripe.SignatureVerificationError):
            receiver.events("whsec_other")

    async def test_paid_and_refunded_invoice_creates_events_in_order(
        self, fake: FakeStripe, on_fake: Side, receiver: Receiver, secret: str
    ) -> None:
        customer = await on_fake.customer()
        invoice = await on_fake.opened(customer.id, 1000)
        await on_fake.client.v1.invoices.pay_async(invoice.id)
        await on_fake.client.v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 100, "refund_amount": 100}
        )
        await fake.webhooks.settled()
        story = [kind for kind in types(receiver) if not kind.endswith(".updated")]
        assert story == [
            "customer.created",
            "payment_method.attached",
            "invoice.created",
            "invoiceitem.created",
            "invoice.finalized",
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "invoice.paid",
            "invoice.payment_succeeded",
            "refund.created",
            "charge.refunded",
            "credit_note.created",
        ]

    async def test_void_uncollectible_and_sent_invoices_create_events(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        v1, customer = on_fake.client.v1, await on_fake.customer()
        voided = await on_fake.opened(customer.id, 1000)
        await v1.invoices.void_invoice_async(voided.id)
        lost = await on_fake.opened(customer.id, 1000)
        await v1.invoices.mark_uncollectible_async(lost.id)
        sent = await v1.invoices.create_async(
            {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 3}
        )
        await v1.invoices.send_invoice_async(sent.id)
        for kind, invoice in (
            ("voided", voided),
            ("marked_uncollectible", lost),
            ("sent", sent),
        ):
            found = await v1.events.list_async({"type": f"invoice.{kind}"})
            assert [each.data.object["id"] for each in found.data] == [invoice.id]

    async def test_event_contains_the_object_at_the_time_of_the_event(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        made = await client.v1.customers.create_async({"name": "before"})
        await client.v1.customers.update_async(made.id, {"name": "after"})
        found = await client.v1.events.list_async({"types": ["customer.created"]})
        event = await client.v1.events.retrieve_async(found.data[0].id)
        assert event.data.object["name"] == "before"


class TestWebhookDelivery:
    async def test_delivery_is_retried_until_it_succeeds(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        receiver.statuses = [500, 302, 404]
        await client.v1.customers.create_async()
        await fake.webhooks.settled()
        assert len({event.id for event in receiver.events(secret)}) == 1
        assert [each.status for each in fake.webhooks.attempts] == [500, 302, 404, 200]
        assert fake.events()[0]["pending_webhooks"] == 0

    async def test_delivery_is_given_up_after_six_attempts(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        receiver.statuses = [500] * 100
        await client.v1.customers.create_async()
        await fake.webhooks.settled()
        assert len(receiver.bodies) == 6
        assert [each.type for each in fake.webhooks.given_up] == ["customer.created"]

    async def test_unreachable_receiver_does_not_fail_the_request(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        await client.v1.webhook_endpoints.create_async(
            {"url": "http://127.0.0.1:1/hook", "enabled_events": ["*"]}
        )
        await client.v1.customers.create_async()
        await fake.webhooks.settled()
        assert {each.status for each in fake.webhooks.attempts} == {None}

    async def test_held_events_are_released_in_reverse_order(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        fake.webhooks.hold()
        made = await client.v1.customers.create_async()
        await client.v1.customers.delete_async(made.id)
        await fake.webhooks.settled()
        assert receiver.bodies == []
        fake.webhooks.release(reverse=True)
        await fake.webhooks.settled()
        assert types(receiver) == ["customer.deleted", "customer.created"]

    async def test_duplicate_deliveries_have_the_same_event_id(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        fake.webhooks.twice = True
        await client.v1.customers.create_async()
        await fake.webhooks.settled()
        first, second = receiver.events(secret)
        assert first.id == second.id

    async def test_dropped_event_is_delivered_after_a_resend(
        self, fake: FakeStripe, client: stripe.StripeClient, receiver: Receiver, secret: str
    ) -> None:
        fake.webhooks.drop(1)
        made = await client.v1.customers.create_async()
        await client.v1.customers.delete_async(made.id)
        await fake.webhooks.settled()
        assert types(receiver) == ["customer.deleted"]
        fake.webhooks.resend(fake.events("customer.created")[0]["id"])
        await fake.webhooks.settled()
        assert types(receiver) == ["customer.deleted", "customer.created"]
