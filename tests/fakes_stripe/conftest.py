"""The stand-in with a client of the official SDK, and the same client for Stripe's own test mode.

`fake` and `client` go together. `side` runs a test on the stand-in and, where the environment has
MAAS_TEST_STRIPE_KEY, on Stripe itself as well: for behaviour that needs no switch of the stand-in.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.receiving import Receiver, run_receiver
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe

KEY = "MAAS_TEST_STRIPE_KEY"
# The SDK hands httpx its forms as `data`; httpx wants texts as `content`, and says so.
SDK_WARNING = "ignore:Use 'content=:DeprecationWarning"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(SDK_WARNING))


@dataclass(frozen=True)
class Side:
    """A Stripe to test: the stand-in or the real one."""

    client: stripe.StripeClient
    real: bool

    async def customer(self, card: str = "pm_card_visa") -> stripe.Customer:
        """A customer whose invoices are charged to the card."""
        customers, methods = self.client.v1.customers, self.client.v1.payment_methods
        customer = await customers.create_async({"name": "Acme 精密"})
        method = await methods.attach_async(card, {"customer": customer.id})
        settings: stripe.params.CustomerUpdateParams = {
            "invoice_settings": {"default_payment_method": method.id}
        }
        return await customers.update_async(customer.id, settings)

    async def draft(self, customer: str, *amounts: int) -> stripe.Invoice:
        """A draft of the customer with these lines."""
        v1 = self.client.v1
        draft = await v1.invoices.create_async({"customer": customer, "currency": "usd"})
        for amount in amounts:
            await v1.invoice_items.create_async(
                {"customer": customer, "invoice": draft.id, "amount": amount, "currency": "usd"}
            )
        return await v1.invoices.retrieve_async(draft.id)

    async def opened(self, customer: str, *amounts: int) -> stripe.Invoice:
        draft = await self.draft(customer, *amounts)
        return await self.client.v1.invoices.finalize_invoice_async(draft.id)


def make_client(key: str, url: str | None, http: stripe.HTTPXClient) -> stripe.StripeClient:
    addresses: Any = {} if url is None else {"api": url}
    return stripe.StripeClient(
        key, base_addresses=addresses, max_network_retries=2, http_client=http
    )


@pytest.fixture
async def http(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[stripe.HTTPXClient]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made: Any = stripe.HTTPXClient(timeout=10, allow_sync_methods=True)
    yield made
    made.close()
    await made.close_async()


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    async with run_fake_stripe() as running:
        yield running


@pytest.fixture
async def client(fake: FakeStripe, http: stripe.HTTPXClient) -> stripe.StripeClient:
    return make_client(fake.key, fake.url, http)


@pytest.fixture
async def on_fake(client: stripe.StripeClient) -> Side:
    """The stand-in alone, with the helpers of `Side`."""
    return Side(client, real=False)


@pytest.fixture(params=["stand-in", "stripe"])
async def side(request: pytest.FixtureRequest, http: stripe.HTTPXClient) -> AsyncIterator[Side]:
    if request.param == "stand-in":
        async with run_fake_stripe() as running:
            yield Side(make_client(running.key, running.url, http), real=False)
        return
    key = os.environ.get(KEY, "")
    if not key:
        pytest.skip(f"{KEY} is not set")
    if not key.startswith("sk_test_"):
        pytest.fail(f"{KEY} must be a test key: these tests make invoices and charges")
    yield Side(make_client(key, None, http), real=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with run_receiver() as running:
        yield running
