"""The fake Stripe with a client of the official SDK, and the same client for Stripe's test mode.

`fake` and `client` go together. `side` runs a test on the fake and, if the environment has
MAAS_TEST_STRIPE_KEY, also on Stripe: for behaviour that needs no fault injection.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.receiving import Receiver, run_receiver
from tests.fakes_stripe.side import Side, make_client
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe

KEY = "MAAS_TEST_STRIPE_KEY"
# The SDK passes forms to httpx as `data`; httpx warns that text belongs in `content`.
SDK_WARNING = "ignore:Use 'content=:DeprecationWarning"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(SDK_WARNING))


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
    """The fake Stripe only, with the helpers of `Side`."""
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
