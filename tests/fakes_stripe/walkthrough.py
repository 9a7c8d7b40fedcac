"""Calls every endpoint of the fake Stripe, including its errors, to collect all its responses.

`test_definitions` and `test_spec` validate the responses.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.account import Obj
from tests.support.fakes.stripe.running import FakeStripe

ADDRESS: Any = {"line1": "1 Main St", "city": "Springfield", "country": "US"}


async def walk(fake: FakeStripe, side: Side) -> list[Obj]:
    """All response objects and error envelopes."""
    await _customers(fake, side)
    await _cards(fake, side)
    await _invoices(fake, side)
    await _endings(side)
    await _returns(side)
    await _webhooks(fake, side)
    answers = [seen.body for seen in fake.requests]
    return [each for answer in answers for each in objects(answer)]


def objects(value: Any) -> Iterator[Obj]:
    """All objects with a kind at any depth, and errors."""
    if isinstance(value, dict):
        if isinstance(value.get("object"), str) or "error" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from objects(each)


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(stripe.StripeError):
        yield


async def _customers(fake: FakeStripe, side: Side) -> None:
    customers = side.client.v1.customers
    made = await customers.create_async(
        {
            "name": "Acme",
            "email": "a@example.com",
            "address": ADDRESS,
            "shipping": {"name": "Acme", "address": ADDRESS},
            "balance": -10,
            "business_name": "Acme Inc",
        }
    )
    await customers.retrieve_async(made.id, {"expand": ["invoice_settings.default_payment_method"]})
    await customers.list_async({"email": "a@example.com"})
    await customers.balance_transactions.list_async(made.id)
    await customers.delete_async(made.id)
    await customers.retrieve_async(made.id)
    with refused():
        await customers.update_async(made.id, {"name": "gone"})


async def _cards(fake: FakeStripe, side: Side) -> None:
    v1, customer = side.client.v1, await side.customer()
    method = await v1.payment_methods.retrieve_async("pm_card_mastercard")
    await v1.payment_methods.attach_async(method.id, {"customer": customer.id})
    await v1.payment_methods.list_async({"customer": customer.id, "type": "card"})
    await v1.customers.payment_methods.list_async(customer.id)
    await v1.payment_methods.detach_async(method.id)
    for card in ("pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"):
        intent = await v1.setup_intents.create_async(
            {"customer": customer.id, "allowed_payment_method_types": ["card"]}
        )
        try:
            await v1.setup_intents.confirm_async(intent.id, {"payment_method": card})
        except stripe.CardError:
            await v1.setup_intents.retrieve_async(intent.id, {"expand": ["customer"]})
    await v1.setup_intents.list_async({"customer": customer.id})
    sessions = v1.checkout.sessions
    for _ in range(2):
        session = await sessions.create_async(
            {
                "mode": "setup",
                "currency": "usd",
                "customer": customer.id,
                "success_url": "https://example.com/done",
            }
        )
    fake.complete_checkout(session.id)
    await sessions.retrieve_async(session.id, {"expand": ["setup_intent", "customer"]})
    for each in (await sessions.list_async({"status": "open"})).data:
        await sessions.expire_async(each.id)
    await v1.billing_portal.sessions.create_async(
        {"customer": customer.id, "return_url": "https://example.com"}
    )
    await _off_session(side)


async def _off_session(side: Side) -> None:
    """A payment from a saved card, and one that needs the customer and is cancelled."""
    v1 = side.client.v1
    for card in ("pm_card_visa", "pm_card_authenticationRequired"):
        customer = await side.customer()
        method = await v1.payment_methods.attach_async(card, {"customer": customer.id})
        params: Any = {"amount": 900, "currency": "usd", "customer": customer.id}
        params |= {"payment_method": method.id, "off_session": True, "confirm": True}
        with suppress(stripe.CardError):
            await v1.payment_intents.create_async(params)
    (intent,) = (await v1.payment_intents.list_async({"customer": customer.id})).data
    await v1.payment_intents.cancel_async(intent.id)


async def _invoices(fake: FakeStripe, side: Side) -> None:
    v1, customer = side.client.v1, await side.customer()
    items = v1.invoice_items
    for amount in (100, 200):
        item = await items.create_async(
            {"customer": customer.id, "amount": amount, "currency": "usd", "description": "x"}
        )
    await items.update_async(item.id, {"metadata": {"a": "1"}})
    await items.retrieve_async(item.id)
    await items.list_async({"customer": customer.id})
    await items.delete_async(item.id)
    draft = await v1.invoices.create_async(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )
    lines: Any = [{"amount": amount} for amount in range(100, 112)]
    await v1.invoices.add_lines_async(draft.id, {"lines": lines})
    await v1.invoices.line_items.list_async(draft.id)
    await v1.invoices.update_async(draft.id, {"footer": "thanks", "auto_advance": True})
    await v1.invoices.finalize_invoice_async(draft.id)
    await v1.invoices.pay_async(draft.id)
    expanded: Any = ["payments", "payments.data.payment.payment_intent", "confirmation_secret"]
    await v1.invoices.retrieve_async(draft.id, {"expand": expanded})
    await v1.invoices.list_async({"customer": customer.id, "status": "paid"})
    listed = await v1.invoice_payments.list_async({"invoice": draft.id})
    await v1.invoice_payments.retrieve_async(listed.data[0].id)
    intents = await v1.payment_intents.list_async({"customer": customer.id})
    await v1.payment_intents.retrieve_async(intents.data[0].id, {"expand": ["latest_charge"]})
    charges = await v1.charges.list_async({"customer": customer.id})
    await v1.charges.retrieve_async(charges.data[0].id)
    thrown = await side.draft(customer.id, 100)
    await v1.invoices.delete_async(thrown.id)


async def _endings(side: Side) -> None:
    v1, customer = side.client.v1, await side.customer()
    voided = await side.opened(customer.id, 1000)
    await v1.invoices.void_invoice_async(voided.id)
    with refused():
        await v1.invoices.void_invoice_async(voided.id)
    lost = await side.opened(customer.id, 1000)
    await v1.invoices.mark_uncollectible_async(lost.id)
    elsewhere = await side.opened(customer.id, 1000)
    await v1.invoices.pay_async(elsewhere.id, {"paid_out_of_band": True})
    await side.opened(customer.id, -100)
    await v1.customers.balance_transactions.list_async(customer.id)
    sent = await v1.invoices.create_async(
        {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 3}
    )
    lines: Any = {"lines": [{"amount": 500}]}
    await v1.invoices.add_lines_async(sent.id, lines)
    await v1.invoices.send_invoice_async(sent.id)
    for card in ("pm_card_chargeCustomerFail", "pm_card_authenticationRequired"):
        poor = await side.customer(card)
        unpaid = await side.opened(poor.id, 1000)
        with refused():
            await v1.invoices.pay_async(unpaid.id)
        await v1.payment_intents.list_async({"customer": poor.id})
        await v1.charges.list_async({"customer": poor.id})


async def _returns(side: Side) -> None:
    v1, customer = side.client.v1, await side.customer()
    opened = await side.opened(customer.id, 1000)
    first = await v1.credit_notes.create_async({"invoice": opened.id, "amount": 100})
    await v1.credit_notes.update_async(first.id, {"memo": "sorry"})
    await v1.credit_notes.void_credit_note_async(first.id)
    await v1.invoices.pay_async(opened.id)
    line: Any = {"type": "custom_line_item", "unit_amount": 100, "quantity": 3, "description": "x"}
    note = await v1.credit_notes.create_async(
        {"invoice": opened.id, "lines": [line], "refund_amount": 200, "credit_amount": 100}
    )
    name = opened.lines.data[0].id
    part: Any = {"type": "invoice_line_item", "invoice_line_item": name, "amount": 50}
    await v1.credit_notes.create_async(
        {"invoice": opened.id, "lines": [part], "out_of_band_amount": 50}
    )
    await v1.credit_notes.retrieve_async(note.id, {"expand": ["invoice", "refunds.refund"]})
    await v1.credit_notes.list_async({"invoice": opened.id})
    await v1.credit_notes.line_items.list_async(note.id)
    listed = await v1.invoice_payments.list_async({"invoice": opened.id})
    intent: Any = listed.data[0].payment.payment_intent
    refund = await v1.refunds.create_async(
        {"payment_intent": intent, "amount": 10, "reason": "requested_by_customer"}
    )
    await v1.refunds.retrieve_async(refund.id)
    await v1.refunds.list_async({"payment_intent": intent})
    with refused():
        await v1.refunds.create_async({"payment_intent": intent, "amount": 10**6})


async def _webhooks(fake: FakeStripe, side: Side) -> None:
    endpoints = side.client.v1.webhook_endpoints
    made = await endpoints.create_async(
        {
            "url": "https://example.com/hook",
            "enabled_events": ["invoice.paid"],
            "api_version": "2026-10-28.endive",
        }
    )
    await endpoints.retrieve_async(made.id)
    await endpoints.update_async(made.id, {"disabled": True})
    await endpoints.list_async()
    await endpoints.delete_async(made.id)
    page = await side.client.v1.events.list_async({"limit": 100})
    await side.client.v1.events.retrieve_async(page.data[0].id)
    assert [event async for event in page.auto_paging_iter()]
    with refused():
        await side.client.v1.events.retrieve_async("evt_0000")
