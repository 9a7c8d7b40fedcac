"""Payments of invoices: each is recorded once; an excess is credited to the wallet."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from billing.invoices.lifecycle import InvalidInvoiceState, InvoiceNotFound
from billing.invoices.payments import (
    IncomingPayment,
    PaymentConflict,
    PaymentInvalid,
    record_payment,
)
from billing.invoices.suspension import suspend_calls
from billing.ledger.ledger import Book
from billing.tables import BillingProfile, Invoice
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

_PAYMENTS = "select reference, minor from payment order by recorded_at, reference"


async def invoiced(story: Story, name: str = "A") -> tuple[Firm, Invoice]:
    """100.00 of usage in October, due on 1 December."""
    firm = await story.firm(name)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    return firm, (await firm.invoices())[-1]


async def receive(firm: Firm, invoice: Invoice, minor: int, reference: str = "bank-1") -> Invoice:
    story = firm.story
    receipt = IncomingPayment("manual", reference, minor, story.clock.now())
    async with story.database.transaction() as session:
        return await record_payment(session, story.clock, firm.account.id, invoice.id, receipt)


class TestPaymentValidation:
    @pytest.mark.parametrize(
        ("minor", "reference"),
        [(0, "bank-1"), (-1, "bank-1"), (10**13 + 1, "bank-1"), (1, ""), (1, "a" * 201)],
    )
    async def test_invalid_amount_or_reference_is_rejected(
        self, story: Story, minor: int, reference: str
    ) -> None:
        firm, invoice = await invoiced(story)
        with pytest.raises(PaymentInvalid):
            await receive(firm, invoice, minor, reference)
        assert await sql(story.database, _PAYMENTS) == []

    async def test_invoice_of_another_account_raises_not_found(self, story: Story) -> None:
        _, invoice = await invoiced(story)
        other = await story.firm("B")
        with pytest.raises(InvoiceNotFound):
            await receive(other, invoice, 100)

    async def test_draft_rejects_payment(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 0, 10)
        (draft,) = await firm.invoices()
        with pytest.raises(InvalidInvoiceState, match="is draft, so nothing is owed"):
            await receive(firm, draft, 100)
        assert await sql(story.database, _PAYMENTS) == []

    async def test_void_invoice_rejects_payment(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await story.voids(invoice)
        with pytest.raises(InvalidInvoiceState, match="is void, so nothing is owed"):
            await receive(firm, invoice, 100)


class TestPaymentReference:
    async def test_repeated_reference_records_one_payment(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        for _ in range(2):
            assert (await receive(firm, invoice, 40_00)).status == "open"
        assert (await firm.owes(invoice), await firm.balance(Book.CASH)) == ("60.00", 40_00)

    async def test_concurrent_requests_record_one_payment(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await asyncio.gather(*(receive(firm, invoice, 40_00) for _ in range(4)))
        assert await firm.owes(invoice) == "60.00"

    async def test_reused_reference_with_another_amount_raises_conflict(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await receive(firm, invoice, 40_00)
        with pytest.raises(PaymentConflict, match="'bank-1' was used for another"):
            await receive(firm, invoice, 40_01)
        assert await firm.owes(invoice) == "60.00"

    async def test_reused_reference_for_another_invoice_raises_conflict(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 12, 1, 1)
        await receive(firm, invoice, 40_00)
        with pytest.raises(PaymentConflict):
            await receive(firm, (await firm.invoices())[-1], 40_00)

    async def test_reference_of_another_account_raises_conflict(self, story: Story) -> None:
        """The error does not reveal the other account."""
        firm, invoice = await invoiced(story)
        other = await story.firm("B")
        await other.use("vib", rows=100_000)
        await story.until(2026, 12, 1, 1)
        await receive(firm, invoice, 40_00)
        with pytest.raises(PaymentConflict):
            await receive(other, (await other.invoices())[0], 40_00)

    async def test_duplicate_row_violates_unique_constraint(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await receive(firm, invoice, 40_00)
        with pytest.raises(IntegrityError, match="uq_payment_method_reference"):
            await sql(
                story.database,
                "insert into payment select gen_random_uuid(), account_id, invoice_id, method,"
                " reference, minor, received_at, recorded_at from payment",
            )


class TestPaymentBooking:
    @pytest.mark.parametrize(
        ("amounts", "owed", "wallet", "status"),
        [
            ((40_00,), "60.00", "0.00", "open"),
            ((100_00,), "0.00", "0.00", "paid"),
            ((99_99, 1), "0.00", "0.00", "paid"),
            ((100_01,), "0.00", "0.01", "paid"),
            ((60_00, 60_00), "0.00", "20.00", "paid"),
            ((100_00, 30_00), "0.00", "30.00", "paid"),  # after it was paid
        ],
    )
    async def test_payment_covers_amount_due_before_wallet(
        self, story: Story, amounts: tuple[int, ...], owed: str, wallet: str, status: str
    ) -> None:
        firm, invoice = await invoiced(story)
        for place, minor in enumerate(amounts):
            invoice = await receive(firm, invoice, minor, f"bank-{place}")
        found = (await firm.owes(invoice), await firm.wallet(), invoice.status)
        assert found == (owed, wallet, status)
        assert await firm.balance(Book.CASH) == sum(amounts)
        assert await story.differences() == ()

    async def test_full_payment_sets_settled_at(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        assert invoice.settled_at is None
        story.clock.pass_(days=3)
        assert (await receive(firm, invoice, 100_00)).settled_at == story.clock.now()


class TestSuspensionAfterPayment:
    async def suspended(self, firm: Firm) -> bool:
        async with firm.story.database.transaction() as session:
            profile = await session.get_one(BillingProfile, firm.account.id)
        return profile.suspended_at is not None

    async def stop(self, story: Story, firm: Firm) -> None:
        story.clock.pass_(days=60)
        async with story.database.transaction() as session:
            await suspend_calls(session, story.clock, firm.account.id)
        assert await self.suspended(firm)

    async def test_suspension_ends_when_no_invoice_is_overdue(self, story: Story) -> None:
        firm, first = await invoiced(story)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 12, 1, 1)
        second = (await firm.invoices())[-1]
        await self.stop(story, firm)
        await receive(firm, first, 100_00, "bank-1")
        assert await self.suspended(firm)
        await receive(firm, second, 99_99, "bank-2")
        assert await self.suspended(firm)
        await receive(firm, second, 1, "bank-3")
        assert not await self.suspended(firm)

    async def test_suspension_ends_when_remaining_amount_is_credited(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await self.stop(story, firm)
        await receive(firm, invoice, 60_00)
        assert await self.suspended(firm)
        await firm.is_credited(invoice, "40.00")
        assert not await self.suspended(firm)

    async def test_suspension_ends_while_later_invoice_is_not_due(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        story.clock.pass_(days=31)
        await firm.use("vib", rows=100_000)
        await story.until(2027, 1, 1, 1)
        async with story.database.transaction() as session:
            await suspend_calls(session, story.clock, firm.account.id)
        await receive(firm, invoice, 100_00)
        assert not await self.suspended(firm)
        later = (await firm.invoices())[-1]
        assert later.due_at == story.clock.now() + timedelta(days=30)
        assert later.status == "open"
