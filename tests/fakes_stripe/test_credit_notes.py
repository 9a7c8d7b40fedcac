"""Credit notes and refunds of the fake Stripe."""

from typing import Any

import pytest
import stripe

from tests.fakes_stripe.side import Side

pytestmark = pytest.mark.usefixtures("network")


async def paid(side: Side, amount: int = 1000) -> stripe.Invoice:
    customer = await side.customer()
    draft = await side.draft(customer.id, amount)
    return await side.client.v1.invoices.pay_async(draft.id)


async def intent_of(side: Side, invoice: stripe.Invoice) -> str:
    listed = await side.client.v1.invoice_payments.list_async({"invoice": invoice.id})
    intent: Any = listed.data[0].payment.payment_intent
    assert isinstance(intent, str)
    return intent


class TestCreditNotesOnOpenInvoices:
    async def test_credit_note_reduces_the_remaining_amount(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        note = await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300})
        assert (note.type, note.pre_payment_amount, note.status) == ("pre_payment", 300, "issued")
        found = await v1.invoices.retrieve_async(invoice.id)
        assert (found.amount_remaining, found.pre_payment_credit_notes_amount) == (700, 300)
        assert (await v1.invoices.pay_async(invoice.id)).amount_paid == 700

    async def test_full_credit_note_marks_the_invoice_paid_without_a_charge(
        self, side: Side
    ) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 1000})
        assert (await v1.invoices.retrieve_async(invoice.id)).status == "paid"
        charges = await v1.charges.list_async({"customer": customer.id})
        assert charges.data == []

    async def test_voided_credit_note_restores_the_remaining_amount(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        note = await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300})
        assert (await v1.credit_notes.void_credit_note_async(note.id)).status == "void"
        assert (await v1.invoices.retrieve_async(invoice.id)).amount_remaining == 1000

    async def test_credit_note_above_the_remaining_amount_is_rejected(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 1001})

    async def test_credit_note_on_a_draft_is_rejected(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.credit_notes.create_async({"invoice": draft.id, "amount": 1})


class TestCreditNotesOnPaidInvoices:
    async def test_refund_amount_creates_a_refund(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 400, "refund_amount": 400}
        )
        assert (note.type, note.post_payment_amount) == ("post_payment", 400)
        refund = await v1.refunds.retrieve_async(str(note.refunds[0].refund))
        assert (refund.amount, refund.status) == (400, "succeeded")
        found = await v1.invoices.retrieve_async(invoice.id)
        assert (found.status, found.post_payment_credit_notes_amount) == ("paid", 400)

    async def test_credit_amount_is_added_to_the_customer_balance(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {
                "invoice": invoice.id,
                "lines": [
                    {
                        "type": "custom_line_item",
                        "description": "sorry",
                        "unit_amount": 100,
                        "quantity": 4,
                    }
                ],
                "credit_amount": 400,
            }
        )
        assert note.total == 400
        found = await v1.customers.retrieve_async(str(invoice.customer))
        assert found.balance == -400

    async def test_credit_note_for_an_invoice_line_has_its_amount(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {
                "invoice": invoice.id,
                "lines": [
                    {
                        "type": "invoice_line_item",
                        "invoice_line_item": invoice.lines.data[0].id,
                        "amount": 250,
                    }
                ],
                "out_of_band_amount": 250,
            }
        )
        assert (note.total, note.out_of_band_amount) == (250, 250)

    async def test_amounts_that_do_not_sum_to_the_total_are_rejected(self, side: Side) -> None:
        invoice = await paid(side)
        with pytest.raises(stripe.InvalidRequestError, match=r"[Ss]um"):
            await side.client.v1.credit_notes.create_async(
                {"invoice": invoice.id, "amount": 400, "refund_amount": 300}
            )

    async def test_voiding_a_credit_note_is_rejected(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 400, "refund_amount": 400}
        )
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.void_credit_note_async(note.id)

    async def test_credit_above_the_unrefunded_payment_is_rejected(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        await v1.refunds.create_async(
            {"payment_intent": await intent_of(side, invoice), "amount": 700}
        )
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.create_async(
                {"invoice": invoice.id, "amount": 400, "credit_amount": 400}
            )

    async def test_existing_refund_is_linked_to_the_credit_note(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        refund = await v1.refunds.create_async(
            {"payment_intent": await intent_of(side, invoice), "amount": 700}
        )
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 700, "refunds": [{"refund": refund.id}]}
        )
        assert [str(each.refund) for each in note.refunds] == [refund.id]


class TestRefunds:
    async def test_partial_refunds_are_accepted_until_the_charge_is_refunded(
        self, side: Side
    ) -> None:
        v1, invoice = side.client.v1, await paid(side)
        intent = await intent_of(side, invoice)
        part = await v1.refunds.create_async({"payment_intent": intent, "amount": 300})
        rest = await v1.refunds.create_async({"payment_intent": intent})
        assert (part.amount, rest.amount) == (300, 700)
        assert (await v1.charges.retrieve_async(str(rest.charge))).refunded
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await v1.refunds.create_async({"payment_intent": intent})
        assert caught.value.code == "charge_already_refunded"
        assert (await v1.invoices.retrieve_async(invoice.id)).status == "paid"

    async def test_refund_above_the_payment_is_rejected(self, side: Side) -> None:
        invoice = await paid(side)
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.refunds.create_async(
                {"payment_intent": await intent_of(side, invoice), "amount": 1001}
            )
        assert caught.value.param == "amount"
