"""Responses of the fake Stripe, compared with the SDK version that the product uses."""

from types import NoneType
from typing import Any, get_args

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.fakes_stripe.walkthrough import objects, walk
from tests.support.fakes.stripe.account import Obj
from tests.support.fakes.stripe.routes import ROUTES
from tests.support.fakes.stripe.running import FakeStripe
from tests.support.nightly import nightly

pytestmark = nightly


pytestmark = pytest.mark.usefixtures("network")

CLASSES = (
    stripe.billing_portal.Session,
    stripe.Charge,
    stripe.checkout.Session,
    stripe.CreditNote,
    stripe.CreditNoteLineItem,
    stripe.Customer,
    stripe.CustomerBalanceTransaction,
    stripe.Event,
    stripe.Invoice,
    stripe.InvoiceItem,
    stripe.InvoiceLineItem,
    stripe.InvoicePayment,
    stripe.PaymentIntent,
    stripe.PaymentMethod,
    stripe.Refund,
    stripe.SetupIntent,
    stripe.WebhookEndpoint,
)
BY_NAME: dict[str, Any] = {each.OBJECT_NAME: each for each in CLASSES}


def faults(obj: Obj) -> list[str]:
    """Members unknown to the SDK, and members missing for the SDK."""
    known = BY_NAME[obj["object"]].__annotations__
    unknown = [f"{name} is unknown" for name in obj.keys() - known.keys()]
    required = [name for name, hint in known.items() if NoneType not in get_args(hint)]
    missing = [name for name in required if name != "OBJECT_NAME" and obj.get(name) is None]
    return [*unknown, *(f"{name} is missing" for name in missing)]


class TestSdkObjects:
    async def test_walkthrough_calls_every_endpoint(self, fake: FakeStripe, on_fake: Side) -> None:
        await walk(fake, on_fake)
        assert {route.name for route in ROUTES} - {seen.route for seen in fake.requests} == set()

    async def test_every_object_matches_the_sdk_definition(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        walked = await walk(fake, on_fake)
        assert BY_NAME.keys() - {obj.get("object") for obj in walked} == set()
        for obj in [*walked, *objects(fake.events())]:
            if obj.get("object", "list") == "list" or obj.get("deleted"):
                continue
            assert not faults(obj), obj["object"]


class TestEventTypes:
    async def test_every_event_type_is_accepted_by_a_webhook_endpoint(
        self, fake: FakeStripe, on_fake: Side
    ) -> None:
        await walk(fake, on_fake)
        made = sorted({event["type"] for event in fake.events()})
        endpoint: Any = {"url": "https://example.com/hook", "enabled_events": made}
        assert (await on_fake.client.v1.webhook_endpoints.create_async(endpoint)).id
