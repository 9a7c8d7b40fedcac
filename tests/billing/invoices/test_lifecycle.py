"""Invoice lifecycle: states, numbers, changes of drafts and immutability of final invoices."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from billing.accounts.profiles import lock_profile
from billing.invoices.lifecycle import (
    InvalidInvoiceState,
    InvoiceNotFound,
    create_draft,
    finalize_invoice,
    find_period_invoice,
    get_invoice,
    list_invoice_lines,
    mark_uncollectible,
    mark_void,
    next_document_number,
    replace_draft_lines,
)
from billing.ledger.ledger import Book
from billing.rating.statement import LineKind, StatementLine
from billing.tables import Invoice, InvoiceLine
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

_OUTBOX = "select action, business_key from outbox order by id"


async def invoiced(story: Story, **profile: Any) -> tuple[Firm, Invoice]:
    """A firm with 100.00 of usage in October, and its open invoice."""
    firm = await story.firm()
    await firm.billed(**profile)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    return firm, (await firm.invoices())[0]


async def draft(story: Story, firm: Firm, *minors: int) -> Invoice:
    """Create a draft with one fixed fee per amount."""
    growth = await story.plan(GROWTH)
    lines = [StatementLine(LineKind.FIXED_FEE, minor, growth.id) for minor in minors]
    now = story.clock.now()
    async with story.database.transaction() as session:
        profile = await lock_profile(session, firm.account.id)
        invoice = await create_draft(session, profile, now, now + timedelta(days=30), now)
        await replace_draft_lines(session, profile, invoice, lines)
    return invoice


async def act(story: Story, invoice: Invoice, name: str) -> Invoice:
    """Finalise or void the invoice, or mark it uncollectible."""
    async with story.database.transaction() as session:
        profile = await lock_profile(session, invoice.account_id)
        ours = await get_invoice(session, invoice.account_id, invoice.id)
        if name == "finalise":
            await finalize_invoice(session, story.clock, profile, ours)
        else:
            await {"void": mark_void, "give up": mark_uncollectible}[name](
                session, story.clock, ours
            )
    return ours


class TestInvoiceLookup:
    async def test_invoice_of_another_account_raises_not_found(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        other = await story.firm("B")
        async with story.database.transaction() as session:
            assert (await get_invoice(session, firm.account.id, invoice.id)).id == invoice.id
            assert await list_invoice_lines(session, other.account.id, invoice.id) == []
            for account_id, invoice_id in (
                (other.account.id, invoice.id),
                (firm.account.id, ids.new_id()),
            ):
                with pytest.raises(InvoiceNotFound) as raised:
                    await get_invoice(session, account_id, invoice_id)
        assert (raised.value.status, raised.value.param) == (404, "invoice")


class TestInvoiceDraft:
    async def test_find_period_invoice_matches_account_and_period(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        other = await story.firm("B")
        period_id = invoice.period_id
        assert period_id is not None
        async with story.database.transaction() as session:
            found = await find_period_invoice(session, firm.account.id, period_id)
            assert found is not None
            assert found.id == invoice.id
            assert await find_period_invoice(session, firm.account.id, ids.new_id()) is None
            assert await find_period_invoice(session, other.account.id, period_id) is None

    async def test_second_invoice_of_period_violates_unique_constraint(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            span = (invoice.starts_at, invoice.ends_at, story.clock.now())
            await create_draft(session, profile, *span, invoice.period_id)
            with pytest.raises(IntegrityError, match="uq_invoice_period_id"):
                await session.flush()
            await session.rollback()

    async def test_replaced_lines_update_total(self, story: Story) -> None:
        firm = await story.firm()
        made = await draft(story, firm, 100, 200, 300)
        assert (made.net, made.number) == (600, None)
        growth = await story.plan(GROWTH)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            ours = await get_invoice(session, firm.account.id, made.id)
            await replace_draft_lines(
                session, profile, ours, [StatementLine(LineKind.FIXED_FEE, 7, growth.id)]
            )
        assert await firm.lines(made) == [("fixed_fee", None, None, None, 0, "0.07")]
        assert (await firm.invoices())[0].total == 7

    async def test_negative_total_violates_check_constraint(self, story: Story) -> None:
        firm = await story.firm()
        with pytest.raises(IntegrityError, match="not_negative"):
            await draft(story, firm, 100, -200)

    @pytest.mark.parametrize("name", ["void", "give up"])
    async def test_draft_cannot_be_voided_or_marked_uncollectible(
        self, story: Story, name: str
    ) -> None:
        firm = await story.firm()
        made = await draft(story, firm, 100)
        with pytest.raises(
            InvalidInvoiceState, match="The invoice is draft; this action needs status open"
        ):
            await act(story, made, name)

    async def test_draft_can_be_deleted(self, story: Story) -> None:
        firm = await story.firm()
        await draft(story, firm, 100)
        await sql(story.database, "delete from invoice_line")
        await sql(story.database, "delete from invoice")
        assert await firm.invoices() == []


class TestFinalInvoice:
    @pytest.mark.parametrize("status", ["open", "paid", "void", "uncollectible"])
    async def test_amounts_are_immutable_in_database(self, story: Story, status: str) -> None:
        _, invoice = await invoiced(story)
        await sql(story.database, "update invoice set status = :to", to=status)
        for change in (
            "net = net + 1, total = total + 1",
            "tax = tax + 1, total = total + 1",
            "usage = 0",
            "currency = 'USD'",
            "number = 7",
            "starts_at = starts_at - interval '1 day'",
            "ends_at = ends_at + interval '1 day'",
            "finalised_at = now()",
            "account_id = gen_random_uuid()",
            "legal_entity_id = gen_random_uuid()",
            "status = 'draft', number = null, finalised_at = null",
        ):
            with pytest.raises(DBAPIError, match="keeps its amounts"):
                await sql(story.database, f"update invoice set {change}")
        with pytest.raises(DBAPIError, match="never deleted"):
            await sql(story.database, "delete from invoice")
        assert (await sql(story.database, "select total from invoice"))[0][0] == invoice.total

    async def test_lines_are_immutable_in_database(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        growth = await story.plan(GROWTH)
        for statement in ("update invoice_line set minor = 0", "delete from invoice_line"):
            with pytest.raises(DBAPIError, match="lines of a final invoice"):
                await sql(story.database, statement)
        more = InvoiceLine(
            invoice_id=invoice.id,
            position=9,
            account_id=firm.account.id,
            kind="usage",
            minor=1,
            plan_version_id=growth.id,
        )
        with pytest.raises(DBAPIError, match="lines of a final invoice"):
            async with story.database.transaction() as session:
                session.add(more)
        assert len(await firm.lines(invoice)) == 1

    @pytest.mark.parametrize("name", ["finalise", "void", "give up"])
    @pytest.mark.parametrize("before", ["void", "give up"])
    async def test_ended_invoice_rejects_another_state_change(
        self, story: Story, before: str, name: str
    ) -> None:
        _, invoice = await invoiced(story)
        await act(story, invoice, before)
        with pytest.raises(InvalidInvoiceState):
            await act(story, invoice, name)

    async def test_invoice_with_payment_cannot_be_voided(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await firm.pays(invoice, "1.00")
        with pytest.raises(InvalidInvoiceState, match="Create a credit note instead"):
            await act(story, invoice, "void")
        assert (await firm.invoices())[0].status == "open"

    async def test_refunded_and_fully_credited_invoice_cannot_be_voided(self, story: Story) -> None:
        """A credit note of 100.00 refunds the payment of 1.00, so the invoice is paid."""
        firm, invoice = await invoiced(story)
        await firm.pays(invoice, "1.00")
        await firm.is_credited(invoice, "100.00", refund=True)
        assert await firm.balance(Book.CASH) == 0
        with pytest.raises(InvalidInvoiceState, match="is paid; this action needs status open"):
            await act(story, invoice, "void")


class TestDocumentNumbers:
    async def test_rolled_back_number_is_reused(self, story: Story) -> None:
        firm = await story.firm()
        first = await draft(story, firm, 100)
        async with story.database.transaction() as session:
            profile = await lock_profile(session, firm.account.id)
            ours = await get_invoice(session, firm.account.id, first.id)
            assert (await finalize_invoice(session, story.clock, profile, ours)).number == 1
            await session.rollback()
        second = await draft(story, firm, 200)
        assert [(await act(story, one, "finalise")).number for one in (second, first)] == [1, 2]
        assert await story.differences() == ()

    async def test_series_is_per_legal_entity_and_document_type(self, story: Story) -> None:
        rows = await sql(story.database, "select id from legal_entity where code = 'MAAS'")
        entity = rows[0][0]
        async with story.database.transaction() as session:
            given = [
                await next_document_number(session, entity, document)
                for document in ("invoice", "invoice", "credit_note", "invoice")
            ]
        assert given == [1, 2, 1, 3]


class TestInvoiceCollection:
    @pytest.mark.parametrize(
        ("collection", "days"), [("manual", 14), ("stripe_invoice", 14), ("stripe_charge", 0)]
    )
    async def test_due_date_depends_on_collection_method(
        self, story: Story, collection: str, days: int
    ) -> None:
        _, invoice = await invoiced(story, collection=collection, net_days=14)
        assert invoice.finalised_at is not None
        assert invoice.due_at == invoice.finalised_at + timedelta(days=days)

    async def test_manual_collection_creates_no_outbox_item(self, story: Story) -> None:
        firm, invoice = await invoiced(story)
        await firm.is_credited(invoice, "1.00")
        await act(story, invoice, "void")
        assert await sql(story.database, _OUTBOX) == []

    @pytest.mark.parametrize(
        ("do", "action"),
        [
            (lambda story, _firm, invoice: act(story, invoice, "void"), "void"),
            (lambda story, _firm, invoice: act(story, invoice, "give up"), "write_off"),
            (lambda _story, firm, invoice: firm.pays(invoice, "100.00"), "mark_paid"),
            (lambda _story, firm, invoice: firm.is_credited(invoice, "9.00"), "credit"),
        ],
        ids=["void", "give up", "pay by the bank", "credit"],
    )
    async def test_stripe_collection_enqueues_each_later_change(
        self, story: Story, do: Callable[[Story, Firm, Invoice], Awaitable[Any]], action: str
    ) -> None:
        firm, invoice = await invoiced(story, collection="stripe_invoice")
        await do(story, firm, invoice)
        told = await sql(story.database, _OUTBOX)
        assert [name for name, _ in told] == ["collect", action]
        (_, first), (_, second) = told
        # The previous release looks for this key to know whether an invoice is collected.
        assert first == f"invoice:{invoice.id}:stripe_invoice"
        assert second.startswith(f"invoice:{invoice.id}:{action}")

    async def test_invoice_paid_by_wallet_creates_no_outbox_item(self, story: Story) -> None:
        firm = await story.firm()
        await firm.billed(collection="stripe_charge")
        await firm.tops_up("100.00", "topup-1")
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        assert (await firm.invoices())[0].status == "paid"
        assert await sql(story.database, _OUTBOX) == []
