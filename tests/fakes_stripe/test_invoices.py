"""Invoices on the fake and on Stripe: items, drafts, finalization, payment and final status."""

from decimal import Decimal
from typing import Any

import pytest
import stripe

from tests.fakes_stripe.side import Side
from tests.support.fakes.stripe.running import FakeStripe

pytestmark = pytest.mark.usefixtures("network")


class TestInvoiceItems:
    async def test_pending_items_are_added_only_to_an_invoice_that_includes_them(
        self, side: Side
    ) -> None:
        v1, customer = side.client.v1, await side.customer()
        for amount in (700, 300):
            await v1.invoice_items.create_async(
                {"customer": customer.id, "amount": amount, "currency": "usd"}
            )
        without = await v1.invoices.create_async({"customer": customer.id})
        assert (without.total, len(without.lines.data)) == (0, 0)
        draft = await v1.invoices.create_async(
            {"customer": customer.id, "pending_invoice_items_behavior": "include"}
        )
        assert (draft.status, draft.total, draft.amount_due) == ("draft", 1000, 1000)
        assert draft.auto_advance is False
        pending = await v1.invoice_items.list_async({"customer": customer.id, "pending": True})
        assert pending.data == []

    async def test_item_amount_is_unit_amount_times_quantity(self, side: Side) -> None:
        customer = await side.customer()
        item = await side.client.v1.invoice_items.create_async(
            {
                "customer": customer.id,
                "currency": "usd",
                "unit_amount_decimal": Decimal("0.5"),
                "quantity": 301,
                "description": "tokens",
                "period": {"start": 1793577600, "end": 1793664000},
            }
        )
        assert (item.amount, item.quantity, item.invoice) == (151, 301, None)

    async def test_pending_item_is_updated(self, side: Side) -> None:
        items, customer = side.client.v1.invoice_items, await side.customer()
        item = await items.create_async(
            {
                "customer": customer.id,
                "currency": "usd",
                "unit_amount_decimal": Decimal("100"),
                "quantity": 2,
            }
        )
        assert (await items.update_async(item.id, {"quantity": 3})).amount == 300
        assert (await items.update_async(item.id, {"amount": 50})).amount == 50

    async def test_item_with_amount_and_quantity_is_rejected(self, side: Side) -> None:
        customer = await side.customer()
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.invoice_items.create_async(
                {"customer": customer.id, "amount": 5, "quantity": 2, "currency": "usd"}
            )

    async def test_item_in_another_currency_is_rejected(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.invoice_items.create_async(
                {
                    "customer": customer.id,
                    "invoice": draft.id,
                    "amount": 5,
                    "currency": "eur",
                }
            )

    async def test_pending_item_is_deleted(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        item = await v1.invoice_items.create_async(
            {"customer": customer.id, "amount": 5, "currency": "usd"}
        )
        assert (await v1.invoice_items.delete_async(item.id)).deleted
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await v1.invoice_items.retrieve_async(item.id)
        assert caught.value.code == "resource_missing"

    async def test_invoice_has_at_most_250_items(
        self, fake: FakeStripe, client: stripe.StripeClient
    ) -> None:
        customer = await client.v1.customers.create_async()
        draft = await client.v1.invoices.create_async({"customer": customer.id})
        lines: list[Any] = [{"amount": 1}] * 250
        full = await client.v1.invoices.add_lines_async(draft.id, {"lines": lines})
        assert (full.total, len(full.lines.data), full.lines.has_more) == (250, 10, True)
        every = await client.v1.invoices.line_items.list_async(draft.id, {"limit": 100})
        assert len([line async for line in every.auto_paging_iter()]) == 250
        with pytest.raises(stripe.InvalidRequestError, match="250"):
            await client.v1.invoices.add_lines_async(draft.id, {"lines": [{"amount": 1}]})
        assert len(fake.objects("invoiceitem")) == 250


class TestDraftInvoices:
    async def test_draft_accepts_lines_and_updates(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id)
        invoices = side.client.v1.invoices
        lines: list[Any] = [{"amount": 500, "description": "a"}, {"amount": -100}]
        added = await invoices.add_lines_async(draft.id, {"lines": lines})
        assert (added.total, len(added.lines.data)) == (400, 2)
        changed = await invoices.update_async(draft.id, {"description": "for May"})
        assert changed.description == "for May"

    async def test_draft_is_deleted(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id, 1000)
        invoices = side.client.v1.invoices
        assert (await invoices.delete_async(draft.id)).deleted
        with pytest.raises(stripe.InvalidRequestError):
            await invoices.retrieve_async(draft.id)

    async def test_send_invoice_draft_requires_days_until_due(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        with pytest.raises(stripe.InvalidRequestError, match="days_until_due"):
            await v1.invoices.create_async(
                {"customer": customer.id, "collection_method": "send_invoice"}
            )
        with pytest.raises(stripe.InvalidRequestError, match="send_invoice"):
            await v1.invoices.create_async({"customer": customer.id, "days_until_due": 3})
        draft = await v1.invoices.create_async(
            {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 3}
        )
        assert draft.due_date == draft.created + 3 * 86400

    async def test_default_card_of_another_customer_is_rejected(self, side: Side) -> None:
        customer, other = await side.customer(), await side.customer()
        assert other.invoice_settings is not None
        method: Any = other.invoice_settings.default_payment_method
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.invoices.create_async(
                {"customer": customer.id, "default_payment_method": method}
            )
        assert caught.value.param == "default_payment_method"


class TestInvoiceFinalization:
    async def test_finalized_invoice_is_open_without_a_payment_attempt(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        assert (invoice.status, invoice.amount_remaining) == ("open", 1000)
        assert invoice.number
        assert invoice.hosted_invoice_url
        assert invoice.attempted is False
        payments = await side.client.v1.invoice_payments.list_async({"invoice": invoice.id})
        assert [(p.status, p.amount_requested) for p in payments.data] == [("open", 1000)]

    async def test_second_finalization_is_rejected(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
            await side.client.v1.invoices.finalize_invoice_async(invoice.id)

    async def test_finalized_invoice_accepts_only_metadata_updates(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        v1, line = side.client.v1, {"amount": 1}
        lines: Any = {"lines": [line]}
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await v1.invoices.add_lines_async(invoice.id, lines)
        assert caught.value.code == "invoice_not_editable"
        with pytest.raises(stripe.InvalidRequestError, match="can't be updated"):
            await v1.invoices.update_async(invoice.id, {"description": "no"})
        with pytest.raises(stripe.InvalidRequestError, match="draft"):
            await v1.invoices.delete_async(invoice.id)
        changed = await v1.invoices.update_async(invoice.id, {"metadata": {"a": "1"}})
        assert changed.metadata is not None
        assert changed.metadata["a"] == "1"

    async def test_zero_total_invoice_is_paid_at_finalization(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000, -1000)
        assert (invoice.status, invoice.amount_paid) == ("paid", 0)

    async def test_negative_total_is_added_to_the_customer_balance(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, -700)
        assert (invoice.status, invoice.amount_due, invoice.ending_balance) == ("paid", 0, -700)
        following = await side.opened(customer.id, 1000)
        assert (following.total, following.amount_due, following.starting_balance) == (
            1000,
            300,
            -700,
        )
        found = await side.client.v1.customers.retrieve_async(customer.id)
        assert found.balance == 0

    async def test_total_below_the_minimum_charge_is_moved_to_the_customer_balance(
        self, side: Side
    ) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 30)
        paid = invoice
        if side.real and invoice.status == "open":  # Stripe does this at payment at the latest
            paid = await side.client.v1.invoices.pay_async(invoice.id)
        assert (paid.status, paid.amount_due) == ("paid", 0)
        found = await side.client.v1.customers.retrieve_async(customer.id)
        assert found.balance == 30


class TestInvoicePayment:
    async def test_payment_charges_the_default_card(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        v1 = side.client.v1
        paid = await v1.invoices.pay_async(invoice.id)
        assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
        payments = await v1.invoice_payments.list_async({"invoice": invoice.id})
        assert [(p.status, p.amount_paid) for p in payments.data] == [("paid", 1000)]
        intent: Any = payments.data[0].payment.payment_intent
        assert (await v1.payment_intents.retrieve_async(intent)).status == "succeeded"

    async def test_payment_of_a_draft_finalizes_the_invoice(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id, 1000)
        paid = await side.client.v1.invoices.pay_async(draft.id)
        assert paid.status == "paid"
        assert paid.status_transitions.finalized_at is not None

    async def test_second_payment_is_rejected(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        await side.client.v1.invoices.pay_async(invoice.id)
        with pytest.raises(stripe.InvalidRequestError, match="already paid"):
            await side.client.v1.invoices.pay_async(invoice.id)

    async def test_payment_out_of_band_creates_no_charge(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        paid = await v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
        assert (paid.status, paid.attempted) == ("paid", False)
        charges = await v1.charges.list_async({"customer": customer.id})
        assert charges.data == []

    async def test_payment_without_a_default_card_is_rejected(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.client.v1.customers.create_async()
        await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError, match="default payment method"):
            await v1.invoices.pay_async(invoice.id)
        assert (await v1.invoices.retrieve_async(invoice.id)).status == "open"


class TestInvoiceFinalStatus:
    async def test_open_invoice_is_voided_once_and_cannot_be_paid(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        invoices = side.client.v1.invoices
        assert (await invoices.void_invoice_async(invoice.id)).status == "void"
        with pytest.raises(stripe.InvalidRequestError):
            await invoices.void_invoice_async(invoice.id)
        with pytest.raises(stripe.InvalidRequestError):
            await invoices.pay_async(invoice.id)

    async def test_voiding_restores_the_customer_balance(self, side: Side) -> None:
        customer = await side.customer()
        await side.client.v1.customers.update_async(customer.id, {"balance": -400})
        invoice = await side.opened(customer.id, 1000)
        assert invoice.amount_due == 600
        await side.client.v1.invoices.void_invoice_async(invoice.id)
        found = await side.client.v1.customers.retrieve_async(customer.id)
        assert found.balance == -400

    @pytest.mark.parametrize("paid", [False, True])
    async def test_draft_or_paid_invoice_cannot_be_voided_or_marked_uncollectible(
        self, side: Side, paid: bool
    ) -> None:
        customer = await side.customer()
        invoice = await side.draft(customer.id, 1000)
        if paid:
            await side.client.v1.invoices.pay_async(invoice.id)
        for step in ("void_invoice_async", "mark_uncollectible_async"):
            with pytest.raises(stripe.InvalidRequestError):
                await getattr(side.client.v1.invoices, step)(invoice.id)

    async def test_uncollectible_invoice_can_still_be_paid(self, side: Side) -> None:
        customer = await side.customer()
        invoice = await side.opened(customer.id, 1000)
        invoices = side.client.v1.invoices
        lost = await invoices.mark_uncollectible_async(invoice.id)
        assert lost.status == "uncollectible"
        assert (await invoices.pay_async(invoice.id)).status == "paid"

    async def test_send_invoice_finalizes_and_sends_the_draft(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        draft = await v1.invoices.create_async(
            {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 3}
        )
        lines: Any = {"lines": [{"amount": 1000}]}
        await v1.invoices.add_lines_async(draft.id, lines)
        sent = await v1.invoices.send_invoice_async(draft.id)
        assert (sent.status, sent.amount_due) == ("open", 1000)
