"""Stripe client against a fake Stripe: requests, lookups, error mapping and webhooks."""

import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import stripe

from billing.collection.collector import (
    ExternalInvoice,
    InvalidNotification,
    InvoiceItem,
    PaymentDeclined,
)
from billing.collection.stripe.client import API_VERSION, StripeClient, parse_signed_event
from billing.collection.stripe.values import StoredMethod, StripeCreditNote, StripeCreditNoteRequest
from billing.outbox import PermanentFailure, RetryLater
from tests.support.fakes.stripe.deliveries import signature
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")

OURS = "0" * 31 + "1"
DECLINED, ASKS = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_authenticationRequired"


@pytest.fixture
async def payments(fake: FakeStripe) -> AsyncIterator[StripeClient]:
    made = StripeClient(fake.key, fake.url)
    yield made
    await made.close()


async def opened(
    payments: StripeClient, minor: int = 3000, days: int | None = None
) -> ExternalInvoice:
    """A final invoice of a new customer."""
    customer = await payments.create_customer("customer", "a" * 32, "Acme 精密", "pay@acme.example")
    made = await payments.create_invoice("make", customer, OURS, "MAAS-000001", "CNY", days)
    await payments.add_line_items("lines", made, [InvoiceItem("rows", minor)])
    return await payments.finalize_invoice("final", made.id)


async def leave_card(fake: FakeStripe, payments: StripeClient, customer: str, card: str) -> str:
    """Add a card on Checkout as the customer's default. Returns the id of the setup intent."""
    pages = "https://acme.example/done", "https://acme.example/back"
    await payments.create_setup_page(f"setup:{len(fake.requests)}", customer, "CNY", *pages)
    session = fake.objects("checkout.session")[-1]
    method = fake.complete_checkout(session["id"], card)
    await payments.set_default_payment_method(f"default:{method}", customer, method)
    return str(session["setup_intent"])


class TestStripeRequests:
    async def test_each_post_has_unique_idempotency_key(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        await leave_card(fake, payments, invoice.customer, "pm_card_visa")
        await payments.charge_invoice("pay", invoice.id)
        await payments.create_credit_note(
            "credit", invoice.id, StripeCreditNoteRequest("n", 100, 100, 0, "why")
        )
        keys = [seen.idempotency_key for seen in fake.requests if seen.method == "POST"]
        assert all(key is not None and key.startswith("maas:") for key in keys)
        assert len(set(keys)) == len(keys)

    def test_api_version_equals_library_version(self) -> None:
        assert API_VERSION == stripe.api_version

    async def test_repeated_key_creates_one_object(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        assert await opened(payments) == await opened(payments)
        assert len(fake.objects("invoice")) == len(fake.objects("customer")) == 1

    async def test_created_invoice_has_requested_fields(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments, 3000, days=14)
        (theirs,) = fake.objects("invoice")
        assert invoice == ExternalInvoice(
            id=theirs["id"],
            status="open",
            total=3000,
            due=3000,
            remaining=3000,
            paid=0,
            credited_after_payment=0,
            currency="CNY",
            our_invoice_id=OURS,
            customer=theirs["customer"],
        )
        assert (theirs["number"], theirs["collection_method"]) == ("MAAS-000001", "send_invoice")
        assert (theirs["customer_name"], theirs["customer_email"]) == (
            "Acme 精密",
            "pay@acme.example",
        )
        assert theirs["auto_advance"] is False

    async def test_pending_items_of_customer_are_not_added_to_invoice(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        customer = (await opened(payments)).customer
        async with httpx.AsyncClient(auth=(fake.key, "")) as http:
            item = {"customer": customer, "amount": "777", "currency": "cny"}
            assert (await http.post(f"{fake.url}/v1/invoiceitems", data=item)).is_success
        other = await payments.create_invoice("other", customer, "b" * 32, "X", "CNY", None)
        charged = await payments.add_line_items("others", other, [InvoiceItem("rows", 1000)])
        assert (charged.total, charged.due) == (1000, 1000)

    async def test_portal_page_returns_session_url(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        customer = await payments.create_customer("customer", "a" * 32, "Acme", "")
        page = await payments.create_portal_page(customer, "https://acme.example/back")
        assert page == fake.objects("billing_portal.session")[0]["url"]


class TestStripeLookups:
    async def test_customer_is_found_by_account_and_creation_time(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        began, tomorrow = (
            fake.clock.now() - timedelta(hours=1),
            fake.clock.now() + timedelta(days=1),
        )
        made = [
            await payments.create_customer(f"c{number}", f"{number:032x}", "Acme", "")
            for number in range(3)
        ]
        assert await payments.find_customer(f"{1:032x}", began) == made[1]
        assert await payments.find_customer(f"{9:032x}", began) is None
        assert await payments.find_customer(f"{1:032x}", tomorrow) is None

    async def test_invoice_is_found_by_customer_and_metadata_id(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        other = await payments.create_invoice("other", invoice.customer, "b" * 32, "X", "CNY", None)
        assert await payments.find_invoice(invoice.customer, OURS) == invoice
        assert await payments.find_invoice(other.customer, "c" * 32) is None

    async def test_credit_notes_are_listed_with_wallet_amount(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        await leave_card(fake, payments, invoice.customer, "pm_card_visa")
        await payments.create_credit_note(
            "one", invoice.id, StripeCreditNoteRequest("first", 500, 0, 0, "why")
        )
        await payments.charge_invoice("pay", invoice.id)
        await payments.create_credit_note(
            "two", invoice.id, StripeCreditNoteRequest("second", 700, 300, 400, "why")
        )
        known = await payments.list_credit_notes(invoice.id)
        assert known == [StripeCreditNote("second", 300), StripeCreditNote("first", 0)]
        now = await payments.retrieve_invoice(invoice.id)
        assert (now.total, now.due, now.paid, now.credited_after_payment) == (3000, 2500, 2500, 700)

    async def test_card_payment_is_listed_with_amount(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        assert await payments.list_payments(invoice.id) == []
        await leave_card(fake, payments, invoice.customer, "pm_card_visa")
        await payments.charge_invoice("pay", invoice.id)
        (part,) = await payments.list_payments(invoice.id)
        (payment,) = fake.objects("invoice_payment")
        assert (part.reference, part.minor) == (payment["id"], 3000)
        assert part.payer == "fingerprint4242"

    async def test_out_of_band_payment_is_not_listed(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        await payments.mark_paid_out_of_band("bank", invoice.id)
        assert (await payments.retrieve_invoice(invoice.id)).status == "paid"
        assert await payments.list_payments(invoice.id) == []

    async def test_setup_returns_latest_payment_method(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        customer = await payments.create_customer("customer", "a" * 32, "Acme", "")
        first = await leave_card(fake, payments, customer, "pm_card_visa")
        (method,) = fake.objects("payment_method")
        found = await payments.find_setup_payment_method(first)
        assert found == StoredMethod(customer, method["id"], method["card"]["fingerprint"])
        fake.clock.advance(timedelta(minutes=1))
        second = await leave_card(fake, payments, customer, "pm_card_mastercard")
        assert await payments.find_setup_payment_method(first) is None
        latest = await payments.find_setup_payment_method(second)
        assert latest is not None
        assert (latest.customer, latest.payer) == (customer, "fingerprint4444")
        await payments.create_setup_page(
            "unfinished", customer, "CNY", "https://a.b", "https://a.b"
        )
        unfinished = fake.objects("setup_intent")[-1]["id"]
        assert await payments.find_setup_payment_method(unfinished) is None
        assert await payments.find_setup_payment_method(second) is not None

    async def test_events_are_listed_by_kind_and_time(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        await opened(payments)
        since = fake.clock.now() - timedelta(days=1)
        kinds = ["invoice.finalized", "customer.created"]
        told = await payments.list_events(since, kinds)
        assert [event.kind for event in told] == kinds
        finalized = told[0].payload["data"]["object"]
        assert finalized["id"] == fake.objects("invoice")[0]["id"]
        line = finalized["lines"]["data"][0]
        assert line["pricing"]["unit_amount_decimal"] == "3000"
        assert json.dumps(told[0].payload)
        later = fake.clock.now() + timedelta(days=1)
        assert await payments.list_events(later, ["customer.created"]) == []


class TestStripeErrors:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (lambda fake: fake.down(), "APIConnectionError"),
            (lambda fake: fake.fail_next(3, 500), "APIError"),
            (lambda fake: fake.fail_next(3, 409), "APIError"),
            (lambda fake: fake.rate_limit(1), "RateLimitError"),
        ],
    )
    async def test_temporary_error_raises_retry_later(
        self,
        fake: FakeStripe,
        payments: StripeClient,
        fault: Callable[[FakeStripe], None],
        words: str,
    ) -> None:
        fault(fake)
        with pytest.raises(RetryLater, match=words):
            await payments.create_customer("customer", "a" * 32, "Acme", "")
        assert fake.objects("customer") == []

    async def test_wrong_api_key_raises_retry_later(self, fake: FakeStripe) -> None:
        """The operator must correct the key, so the request is retried, not failed for good."""
        stranger = StripeClient("sk_test_wrong", fake.url)
        with pytest.raises(RetryLater, match="AuthenticationError"):
            await stranger.create_customer("customer", "a" * 32, "Acme", "")
        await stranger.close()

    async def test_reused_idempotency_key_raises_retry_later(self, payments: StripeClient) -> None:
        await payments.create_customer("customer", "a" * 32, "Acme", "")
        with pytest.raises(RetryLater, match="IdempotencyError"):
            await payments.create_customer("customer", "a" * 32, "Acme, renamed", "")

    async def test_missing_invoice_raises_permanent_failure(self, payments: StripeClient) -> None:
        with pytest.raises(PermanentFailure, match="resource_missing: No such invoice"):
            await payments.retrieve_invoice("in_nothing")

    async def test_charge_without_payment_method_raises_permanent_failure(
        self, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        with pytest.raises(PermanentFailure, match="no attached payment source"):
            await payments.charge_invoice("pay", invoice.id)

    @pytest.mark.parametrize(
        ("card", "code"),
        [
            ("pm_card_chargeCustomerFail", "generic_decline"),
            (ASKS, "invoice_payment_intent_requires_action"),
        ],
    )
    async def test_declined_card_raises_payment_declined(
        self, fake: FakeStripe, payments: StripeClient, card: str, code: str
    ) -> None:
        invoice = await opened(payments)
        await leave_card(fake, payments, invoice.customer, card)
        with pytest.raises(PaymentDeclined) as caught:
            await payments.charge_invoice("pay", invoice.id)
        assert caught.value.code == code
        assert (await payments.retrieve_invoice(invoice.id)).status == "open"

    async def test_uncollectible_invoice_cannot_be_voided(
        self, fake: FakeStripe, payments: StripeClient
    ) -> None:
        invoice = await opened(payments)
        await payments.mark_uncollectible("give up", invoice.id)
        assert (await payments.retrieve_invoice(invoice.id)).status == "uncollectible"
        with pytest.raises(PermanentFailure, match="isn't open"):
            await payments.void_invoice("void", invoice.id)


def posted(secret: str, said: Any, at: float = 0.0) -> SimpleNamespace:
    """A webhook request as Stripe signs it, `at` seconds ago."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    moment = int(time.time() - at)
    return SimpleNamespace(body=body, header=f"t={moment},v1={signature(body, secret, moment)}")


EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "data": {"object": {"id": "in_1", "object": "invoice", "total": 3000}},
}


class TestSignedWebhooks:
    def test_signed_event_is_parsed(self) -> None:
        post = posted("whsec_right", EVENT)
        event = parse_signed_event(post.body, post.header, "whsec_right")
        assert (event.collector, event.id, event.kind) == ("stripe", "evt_1", "invoice.paid")
        assert event.payload["data"] == EVENT["data"]

    def test_event_of_object_without_id_is_parsed(self) -> None:
        said = {**EVENT, "type": "balance.available", "data": {"object": {"object": "balance"}}}
        post = posted("whsec_right", said)
        event = parse_signed_event(post.body, post.header, "whsec_right")
        assert event.kind == "balance.available"

    @pytest.mark.parametrize(
        ("secret", "said", "age_s", "header"),
        [
            ("whsec_wrong", EVENT, 0, None),
            ("whsec_right", EVENT, 301, None),
            ("whsec_right", EVENT, 0, ""),
            ("whsec_right", EVENT, 0, "t=,v1="),
            ("whsec_right", EVENT, 0, "nonsense"),
            ("whsec_right", b"not JSON", 0, None),
            ("whsec_right", b"\xff\xfe", 0, None),
            ("whsec_right", {**EVENT, "data": {}}, 0, None),
            ("whsec_right", {"object": "v2.core.event", "id": "evt_1"}, 0, None),
        ],
    )
    def test_invalid_signature_or_event_is_rejected(
        self, secret: str, said: Any, age_s: float, header: str | None
    ) -> None:
        post = posted(secret, said, age_s)
        given = post.header if header is None else header
        with pytest.raises(InvalidNotification):
            parse_signed_event(post.body, given, "whsec_right")

    def test_missing_signature_is_rejected(self) -> None:
        with pytest.raises(InvalidNotification):
            parse_signed_event(posted("whsec_right", EVENT).body, None, "whsec_right")

    def test_changed_body_is_rejected(self) -> None:
        post = posted("whsec_right", EVENT)
        with pytest.raises(InvalidNotification):
            parse_signed_event(post.body.replace(b"3000", b"1"), post.header, "whsec_right")

    def test_unset_secret_rejects_event(self) -> None:
        """An event signed with an empty secret is rejected too."""
        post = posted("", EVENT)
        with pytest.raises(InvalidNotification, match="not set"):
            parse_signed_event(post.body, post.header, "")
