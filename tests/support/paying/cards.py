"""A customer stores a card on Stripe's page, and the gateway hears of it."""

from billing.collection.collector import PaymentMethodPage
from billing.collection.customers import ensure_customer
from tests.support.paying.messages import stripe_message
from tests.support.paying.service import PayingService
from tests.support.stories.story import Firm


async def stores_card(service: PayingService, firm: Firm) -> None:
    """Store a Visa card; the worker makes it the default one."""
    collector = service.worker.collector
    assert collector is not None
    customer = await ensure_customer(service.database, collector, firm.account.id)
    page = PaymentMethodPage(customer, "CNY", "https://maas.example")
    await collector.payment_method_page(f"page:{firm.account.id.hex}", page)
    session = service.stripe.objects("checkout.session", customer=customer)[-1]
    service.stripe.complete_checkout(session["id"])
    event = service.stripe.events("setup_intent.succeeded")[-1]
    stored = stripe_message("/stripe/webhook", event, service.stripe_secret)
    assert await service.receives(stored) == 200
    await service.exchanges()
