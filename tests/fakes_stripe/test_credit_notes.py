"""Credit notes and refunds: what lowers an invoice, and how money goes back."""

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


class TestOpenInvoices:
    async def test_owe_less(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        note = await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300})
        assert (note.type, note.pre_payment_amount, note.status) == ("pre_payment", 300, "issued")
        found = await v1.invoices.retrieve_async(invoice.id)
        assert (found.amount_remaining, found.pre_payment_credit_notes_amount) == (700, 300)
        assert (await v1.invoices.pay_async(invoice.id)).amount_paid == 700

    async def test_are_paid_when_nothing_is_left(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 1000})
        assert (await v1.invoices.retrieve_async(invoice.id)).status == "paid"
        charges = await v1.charges.list_async({"customer": customer.id})
        assert charges.data == []

    async def test_owe_again_when_it_is_voided(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        note = await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300})
        assert (await v1.credit_notes.void_credit_note_async(note.id)).status == "void"
        assert (await v1.invoices.retrieve_async(invoice.id)).amount_remaining == 1000

    async def test_take_no_more_than_they_owe(self, side: Side) -> None:
        v1, customer = side.client.v1, await side.customer()
        invoice = await side.opened(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.create_async({"invoice": invoice.id, "amount": 1001})

    async def test_drafts_take_none(self, side: Side) -> None:
        customer = await side.customer()
        draft = await side.draft(customer.id, 1000)
        with pytest.raises(stripe.InvalidRequestError):
            await side.client.v1.credit_notes.create_async({"invoice": draft.id, "amount": 1})


class TestPaidInvoices:
    async def test_are_refunded(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 400, "refund_amount": 400}
        )
        assert (note.type, note.post_payment_amount) == ("post_payment", 400)
        refund = await v1.refunds.retrieve_async(str(note.refunds[0].refund))
        assert (refund.amount, refund.status) == (400, "succeeded")
        found = await v1.invoices.retrieve_async(invoice.id)
        assert (found.status, found.post_payment_credit_notes_amount) == ("paid", 400)

    async def test_are_credited_to_the_customer(self, side: Side) -> None:
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

    async def test_are_credited_by_line(self, side: Side) -> None:
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

    async def test_say_where_all_of_it_goes(self, side: Side) -> None:
        invoice = await paid(side)
        with pytest.raises(stripe.InvalidRequestError, match=r"[Ss]um"):
            await side.client.v1.credit_notes.create_async(
                {"invoice": invoice.id, "amount": 400, "refund_amount": 300}
            )

    async def test_keep_their_credit_notes(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 400, "refund_amount": 400}
        )
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.void_credit_note_async(note.id)

    async def test_credit_no_more_than_was_paid(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        await v1.refunds.create_async(
            {"payment_intent": await intent_of(side, invoice), "amount": 700}
        )
        with pytest.raises(stripe.InvalidRequestError):
            await v1.credit_notes.create_async(
                {"invoice": invoice.id, "amount": 400, "credit_amount": 400}
            )

    async def test_link_a_refund_that_was_made(self, side: Side) -> None:
        v1, invoice = side.client.v1, await paid(side)
        refund = await v1.refunds.create_async(
            {"payment_intent": await intent_of(side, invoice), "amount": 700}
        )
        note = await v1.credit_notes.create_async(
            {"invoice": invoice.id, "amount": 700, "refunds": [{"refund": refund.id}]}
        )
        assert [str(each.refund) for each in note.refunds] == [refund.id]


class TestRefunds:
    async def test_in_parts_until_all_is_back(self, side: Side) -> None:
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

    async def test_are_no_more_than_was_paid(self, side: Side) -> None:
        invoice = await paid(side)
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await side.client.v1.refunds.create_async(
                {"payment_intent": await intent_of(side, invoice), "amount": 1001}
            )
        assert caught.value.param == "amount"
