"""Credit notes: validation of the amount, idempotency and booking."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from billing.invoices.credit_notes import (
    CreditNoteConflict,
    CreditNoteInvalid,
    CreditNoteRequest,
    create_credit_note,
    list_credit_notes,
)
from billing.invoices.lifecycle import InvalidInvoiceState, InvoiceNotFound
from billing.ledger.ledger import Book
from billing.tables import CreditNote, Invoice
from tests.support.billing.making import sql
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


async def invoiced(story: Story) -> tuple[Firm, Invoice]:
    """100.00 of usage in October and 6.00 of tax."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    return firm, (await firm.invoices())[-1]


async def write(firm: Firm, invoice: Invoice, minor: int, key: str = "k") -> CreditNote:
    story = firm.story
    async with story.database.transaction() as session:
        place = (session, story.clock, firm.account.id, invoice.id)
        return await create_credit_note(*place, key, CreditNoteRequest(minor, "  a dispute  "))


async def notes(firm: Firm, invoice: Invoice) -> list[CreditNote]:
    async with firm.story.database.transaction() as session:
        return await list_credit_notes(session, firm.account.id, invoice.id)


class TestCreditNoteValidation:
    @pytest.mark.parametrize("minor", [0, -1, 106_01, 10**15])
    async def test_amount_outside_invoice_total_is_rejected(self, story: Story, minor: int) -> None:
        firm, invoice = await invoiced(story)
        with pytest.raises(CreditNoteInvalid, match=r"^106\.00 CNY of this invoice") as raised:
            await write(firm, invoice, minor)
        assert raised.value.param == "amount"
        assert await notes(firm, invoice) == []

    async def test_amount_over_remaining_creditable_total_is_rejected(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await write(firm, invoice, 100_00)
        with pytest.raises(CreditNoteInvalid, match=r"^6\.00 CNY"):
            await write(firm, invoice, 6_01, "l")
        await write(firm, invoice, 6_00, "l")
        with pytest.raises(CreditNoteInvalid, match=r"^0\.00 CNY"):
            await write(firm, invoice, 1, "m")

    @pytest.mark.parametrize("key", ["", "k" * 201])
    async def test_reference_of_invalid_length_is_rejected(self, story: Story, key: str) -> None:
        firm, invoice = await invoiced(story)
        with pytest.raises(CreditNoteInvalid, match="1 to 200 characters") as raised:
            await write(firm, invoice, 1, key)
        assert raised.value.param == "reference"
        assert await notes(firm, invoice) == []

    async def test_zero_invoice_cannot_be_credited(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH.replace("310.00", "0")))
        await firm.use("llm", output_tokens=1)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        with pytest.raises(CreditNoteInvalid):
            await write(firm, invoice, 1)

    async def test_invoice_of_another_account_raises_not_found(self, story: Story) -> None:
        _, invoice = await invoiced(story)
        other = await story.firm("B")
        with pytest.raises(InvoiceNotFound):
            await write(other, invoice, 1)

    async def test_draft_cannot_be_credited(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 0, 10)
        with pytest.raises(InvalidInvoiceState, match="is draft, so nothing can be credited"):
            await write(firm, (await firm.invoices())[0], 1)

    async def test_void_and_uncollectible_invoices_cannot_be_credited(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await story.gives_up(invoice)
        with pytest.raises(InvalidInvoiceState, match="is uncollectible"):
            await write(firm, invoice, 1)
        await firm.use("vib", rows=1_000)
        await story.until(2026, 12, 1, 1)
        second = (await firm.invoices())[-1]
        await story.voids(second)
        with pytest.raises(InvalidInvoiceState, match="is void"):
            await write(firm, second, 1)


class TestCreditNoteIdempotency:
    async def test_repeated_key_returns_first_note(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        first, again = await write(firm, invoice, 50_00), await write(firm, invoice, 50_00)
        assert (first.id, first.number) == (again.id, 1)
        assert await firm.owes(invoice) == "56.00"

    async def test_concurrent_requests_create_one_note(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        made = await asyncio.gather(*(write(firm, invoice, 50_00) for _ in range(4)))
        assert len({note.id for note in made}) == 1
        assert await firm.owes(invoice) == "56.00"

    async def test_reused_key_with_another_amount_raises_conflict(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await write(firm, invoice, 50_00)
        with pytest.raises(CreditNoteConflict):
            await write(firm, invoice, 50_01)
        assert len(await notes(firm, invoice)) == 1

    @pytest.mark.parametrize("unique", ["business_key", "number"])
    async def test_duplicate_row_violates_unique_constraint(
        self, story: Story, unique: str
    ) -> None:
        firm, invoice = await invoiced(story)
        await write(firm, invoice, 50_00)
        values = {"number": "number + 1", "business_key": "business_key || '2'"}
        values[unique] = unique
        with pytest.raises(IntegrityError, match=unique):
            await sql(
                story.database,
                "insert into credit_note select gen_random_uuid(), account_id, legal_entity_id,"
                f" invoice_id, {values['number']}, {values['business_key']}, reason, net, tax,"
                " total, refund, to_wallet, refunded, created_at from credit_note",
            )


class TestCreditNoteBooking:
    async def test_note_keeps_reason_time_and_legal_entity(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        note = await write(firm, invoice, 53_00)
        assert (note.reason, note.created_at) == ("a dispute", story.clock.now())
        assert note.legal_entity_id == invoice.legal_entity_id
        assert [one.id for one in await notes(firm, invoice)] == [note.id]

    async def test_revenue_of_usage_and_fees_is_reduced_proportionally(self, story: Story) -> None:
        """10.00 of usage and a fee of 310.00: a credit of 32.00 takes 1.00 and 31.00 of them."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("vib", rows=10_000)
        await story.until(2026, 11, 1, 1)
        invoice = (await firm.invoices())[-1]
        await write(firm, invoice, 32_00)
        assert await firm.balance(Book.REVENUE_USAGE) == -9_00
        assert await firm.balance(Book.REVENUE_FEES) == -(310_00 + 310_00 - 31_00)
        assert await story.differences() == ()

    async def test_full_credit_settles_unpaid_invoice(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await write(firm, invoice, 106_00)
        (invoice,) = await firm.invoices()
        assert (invoice.status, await firm.wallet()) == ("paid", "0.00")
        assert [await firm.balance(book) for book in Book] == [0] * len(Book)
        assert await story.differences() == ()

    async def test_refund_returns_wallet_payment_to_wallet(self, story: Story) -> None:
        """A free wallet grant paid 40.00, a bank transfer 66.00. A refund of the whole invoice
        returns 66.00 by bank and 40.00 to the wallet."""
        firm = await story.firm(tax_ppm=60_000)
        await firm.tops_up("40.00", "gift", paid=False)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "66.00")
        note = await firm.is_credited(invoice, "106.00", refund=True)
        assert (note.refunded, note.to_wallet) == (66_00, 40_00)
        assert (await firm.balance(Book.CASH), await firm.wallet()) == (0, "40.00")
        assert await story.differences() == ()
