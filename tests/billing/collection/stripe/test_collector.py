"""Stripe collector: creation from settings, webhooks, events and hosted pages."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from billing.collection.collector import (
    CollectorEvent,
    CustomerRequest,
    InvalidNotification,
    InvoiceChanged,
    PaymentMethodPage,
)
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.collector import (
    StripeCollector,
    create_stripe_collector,
    read_stripe_notification,
)
from tests.support import builders
from tests.support.fakes.stripe.deliveries import signature
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")

EVENT: dict[str, Any] = {"id": "evt_1", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}


@pytest.fixture
async def collector(fake: FakeStripe) -> AsyncIterator[StripeCollector]:
    made = StripeCollector(StripeClient(fake.key, fake.url))
    yield made
    await made.close()


class TestStripeCollectorCreation:
    async def test_secret_key_creates_collector(self, tmp_path: Path) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", stripe_secret_key="sk_test_1"
        )
        collector = create_stripe_collector(settings)
        assert collector is not None
        assert collector.info.name == "stripe"
        await collector.close()

    def test_missing_secret_key_creates_no_collector(self, tmp_path: Path) -> None:
        settings = builders.settings("postgresql://x/y", tmp_path, "http://127.0.0.1:9")
        assert create_stripe_collector(settings) is None


class TestStripeNotifications:
    @pytest.mark.parametrize("secret", ["whsec_right", None])
    def test_notification_requires_configured_webhook_secret(
        self, tmp_path: Path, secret: str | None
    ) -> None:
        settings = builders.settings(
            "postgresql://x/y", tmp_path, "http://127.0.0.1:9", stripe_webhook_secret=secret
        )
        body, at = json.dumps(EVENT).encode(), int(time.time())
        headers = {"stripe-signature": f"t={at},v1={signature(body, 'whsec_right', at)}"}
        if secret is None:
            with pytest.raises(InvalidNotification, match="MAAS_STRIPE_WEBHOOK_SECRET"):
                read_stripe_notification(settings, body, headers)
        else:
            event = read_stripe_notification(settings, body, headers)
            assert event == CollectorEvent("stripe", "evt_1", "invoice.paid", EVENT)


class TestEventInterpretation:
    async def test_invoice_event_returns_invoice_id(self, collector: StripeCollector) -> None:
        event = CollectorEvent("stripe", "evt_1", "invoice.paid", EVENT)
        assert await collector.interpret(event) == InvoiceChanged("in_1")

    async def test_event_of_object_without_id_is_ignored(self, collector: StripeCollector) -> None:
        payload = {"data": {"object": {"object": "balance"}}}
        event = CollectorEvent("stripe", "evt_1", "balance.available", payload)
        assert await collector.interpret(event) is None


class TestHostedPages:
    async def test_setup_and_portal_urls_come_from_stripe(
        self, collector: StripeCollector, fake: FakeStripe
    ) -> None:
        request = CustomerRequest(UUID(int=1), "Acme", "pay@acme.example", fake.clock.now())
        customer = await collector.register_customer("customer", request)
        back = "https://acme.example/billing"
        setup = await collector.payment_method_page(
            "setup", PaymentMethodPage(customer, "CNY", back)
        )
        assert setup == fake.objects("checkout.session")[-1]["url"]
        portal = await collector.portal_page(customer, back)
        assert portal.startswith("https://billing.stripe.com/")
