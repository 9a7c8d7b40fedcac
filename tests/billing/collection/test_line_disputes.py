"""Line disputes: which lines can be disputed, until when, and how an answer changes balances."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.collection.line_disputes import (
    DisputeAnswer,
    InvalidLineDisputeState,
    LineDisputeInvalid,
    LineDisputeNotFound,
    answer_line_dispute,
    get_line_dispute,
    line_dispute_status,
    list_line_disputes,
    list_open_line_disputes,
)
from billing.invoices.credit_notes import CreditNoteInvalid
from billing.invoices.lifecycle import InvoiceNotFound
from billing.ledger.ledger import Book
from billing.tables import Invoice, LineDispute, OutboxItem
from infra import ids
from tests.support.billing.line_disputes import REASON, disputed
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm, Story


async def invoiced(story: Story) -> tuple[Firm, Invoice]:
    """100.00 of usage in October and 6.00 of tax."""
    firm = await story.firm(tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    return firm, (await firm.invoices())[-1]


async def answered(
    firm: Firm, dispute: LineDispute, minor: int = 0, text: str = "Li"
) -> LineDispute:
    story, said = firm.story, DisputeAnswer("Li Na", text, minor)
    async with story.database.transaction() as session:
        return await answer_line_dispute(session, story.clock, firm.account.id, dispute.id, said)


async def mailed(story: Story) -> list[str]:
    async with story.database.transaction() as session:
        query = select(OutboxItem).where(col(OutboxItem.business_key).contains("line_dispute"))
        return [str(one.payload["subject"]) for one in await session.scalars(query)]


class TestDisputeCreation:
    async def test_new_dispute_is_open_and_listed(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        made = await disputed(firm, invoice, reason=f"  {REASON} ")
        assert (line_dispute_status(made), made.reason) == ("open", REASON)
        async with story.database.transaction() as session:
            assert await list_line_disputes(session, firm.account.id, invoice.id) == [made]
            assert await list_open_line_disputes(session) == [made]
            assert await list_open_line_disputes(session, firm.account.id) == [made]
            assert await list_open_line_disputes(session, ids.new_id()) == []
        assert await firm.owes(invoice) == "106.00"

    async def test_second_dispute_of_line_is_rejected(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await disputed(firm, invoice)
        with pytest.raises(InvalidLineDisputeState, match="already been disputed"):
            await disputed(firm, invoice)

    @pytest.mark.parametrize("line", [0, 2, -1])
    async def test_unknown_line_is_rejected(self, story: Story, line: int) -> None:
        firm, invoice = await invoiced(story)
        with pytest.raises(LineDisputeInvalid, match="no such line"):
            await disputed(firm, invoice, line)

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 4001])
    async def test_empty_or_too_long_reason_is_rejected(self, story: Story, reason: str) -> None:
        firm, invoice = await invoiced(story)
        with pytest.raises(LineDisputeInvalid, match="1 to 4000") as raised:
            await disputed(firm, invoice, reason=reason)
        assert raised.value.param == "reason"

    async def test_dispute_after_90_days_is_rejected(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        assert invoice.finalised_at is not None
        story.clock._now = invoice.finalised_at + timedelta(days=90)
        with pytest.raises(InvalidLineDisputeState, match="for 90 days"):
            await disputed(firm, invoice)
        story.clock._now -= timedelta(seconds=1)
        await disputed(firm, invoice)

    async def test_line_of_void_invoice_cannot_be_disputed(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await story.voids(invoice)
        with pytest.raises(InvalidLineDisputeState):
            await disputed(firm, invoice)

    async def test_outcome_line_is_rejected_and_refers_to_settlement(self, story: Story) -> None:
        firm = await story.firm()
        of = await contract(firm)
        await of.use("M1", 2026, 10, 11, 6)
        story.clock.set(2026, 10, 20)
        await of.claims("W-1", "M1", 2026, 10, 11, 12, by="customer_system")
        for at in ((2026, 11, 4), (2026, 11, 14), (2026, 12, 1, 1)):
            await of.until(*at)
        invoice = (await firm.invoices())[-1]
        with pytest.raises(LineDisputeInvalid, match="its settlement"):
            await disputed(firm, invoice, len(await firm.lines(invoice)))

    async def test_another_account_cannot_create_or_read_dispute(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        made, other = await disputed(firm, invoice), await story.firm("Other")
        with pytest.raises(InvoiceNotFound):
            await disputed(other, invoice)
        async with story.database.transaction() as session:
            with pytest.raises(LineDisputeNotFound):
                await get_line_dispute(session, other.account.id, made.id)


class TestDisputeAnswer:
    async def test_credit_for_paid_invoice_goes_to_wallet(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await firm.pays(invoice, "106.00")
        done = await answered(firm, await disputed(firm, invoice), 53_00, "Half of it was ours.")
        assert (line_dispute_status(done), done.answered_by) == ("credited", "Li Na")
        assert await firm.wallet() == "53.00"
        assert await firm.balance(Book.RECEIVABLE) == 0
        assert await story.differences() == ()

    async def test_refusal_keeps_amount_due_and_closes_dispute(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        done = await answered(firm, await disputed(firm, invoice), text="They ran, see the calls.")
        assert (line_dispute_status(done), done.answer) == ("refused", "They ran, see the calls.")
        assert await firm.owes(invoice) == "106.00"
        async with story.database.transaction() as session:
            assert await list_open_line_disputes(session) == []

    async def test_answer_sends_email_to_customer(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            profile.email, profile.locale = "wu@plant.example", "en"
        await answered(firm, await disputed(firm, invoice))
        (subject,) = await mailed(story)
        assert subject == "Dispute answered: line 1 of invoice MAAS-000001 unchanged"

    async def test_second_answer_is_rejected(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        dispute = await disputed(firm, invoice)
        await answered(firm, dispute)
        with pytest.raises(InvalidLineDisputeState, match="already been answered"):
            await answered(firm, dispute)

    async def test_empty_answer_or_excessive_credit_is_rejected(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        dispute = await disputed(firm, invoice)
        with pytest.raises(LineDisputeInvalid, match="The answer must have 1 to"):
            await answered(firm, dispute, text=" ")
        with pytest.raises(CreditNoteInvalid):
            await answered(firm, dispute, 106_01)
        async with story.database.transaction() as session:
            found = await get_line_dispute(session, firm.account.id, dispute.id)
        assert line_dispute_status(found) == "open"
