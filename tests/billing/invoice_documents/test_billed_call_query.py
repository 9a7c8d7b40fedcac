"""Calls of an invoice: exactly the calls in its usage totals, in pages."""

from typing import Any
from uuid import UUID

import pytest

from billing.invoice_documents.billed_call import BilledCall
from billing.invoice_documents.billed_call_query import (
    InvoiceLineNotFound,
    iterate_call_pages,
    list_invoice_calls,
    load_period_calls,
)
from billing.invoice_documents.sources import load_invoice_lines
from billing.tables import Invoice
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.billing.project_rows import add_project, use_in
from tests.support.stories.story import Firm, Story

CACHED = """
plan = "cached"
names = { en = "Cached", zh = "缓存" }
currency = "CNY"
fixed_fee = "10.00"
list_prices = true
"""


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(database)


async def calls(firm: Firm, invoice: Invoice, **choice: Any) -> list[BilledCall]:
    async with firm.story.database.transaction() as session:
        values = {"limit": 1000, **choice}
        return await list_invoice_calls(session, firm.account.id, invoice.id, **values)


async def agrees(firm: Firm) -> None:
    """Assert that the listed calls of each period sum to its usage totals."""
    database = firm.story.database
    for (period,) in await sql(database, "select id from billing_period order by starts_at"):
        expected = await sql(
            database,
            "select coalesce(sum(calls), 0), coalesce(sum(cost_nano), 0), "
            "coalesce(sum(calls) filter (where late), 0) "
            "from usage_total where period_id = :period and settlement in "
            "('complete', 'client_abort')",
            period=period,
        )
        async with database.transaction() as session:
            counted = await load_period_calls(session, firm.account.id, period)
            found = [
                call async for page in iterate_call_pages(session, counted, 3) for call in page
            ]
        late = sum(call.late for call in found)
        assert [(len(found), sum(call.cost_nano for call in found), late)] == list(expected)
        assert len({call.request_id for call in found}) == len(found)


async def test_late_calls_are_listed_once_in_the_next_open_period(story: Story) -> None:
    """October is closed on 1 November at 01:00; its later calls are billed late in November. A call
    of October recorded in December is billed in December, because November is closed by then."""
    firm = await story.firm()
    await firm.use("llm", story.clock.at(2026, 10, 3), output_tokens=10)
    story.clock.set(2026, 10, 31, 23, 59)
    await firm.use("llm", output_tokens=20)
    await story.counts()
    await agrees(firm)
    story.clock.set(2026, 11, 1, 0, 20)
    await firm.use("llm", story.clock.at(2026, 10, 31), output_tokens=1_000_000)
    await firm.use("llm", output_tokens=40)
    await story.until(2026, 11, 1, 1)
    await agrees(firm)
    story.clock.set(2026, 11, 9)
    await firm.use("llm", story.clock.at(2026, 10, 30), output_tokens=2_000_000)
    await story.counts()
    await agrees(firm)
    await story.until(2026, 12, 1, 2)
    story.clock.set(2026, 12, 2)
    await firm.use("llm", story.clock.at(2026, 10, 30), output_tokens=80)
    await firm.use("llm", story.clock.at(2026, 11, 30), output_tokens=160)
    await story.counts()
    await agrees(firm)
    october, november = await firm.invoices()
    assert [call.output_tokens for call in await calls(firm, october)] == [10, 1_000_000, 20]
    late, on_time = await calls(firm, november)
    assert (late.output_tokens, late.late) == (2_000_000, True)
    assert (on_time.output_tokens, on_time.late) == (40, False)
    assert not await story.differences()


async def test_calls_of_two_open_periods_are_separate(story: Story) -> None:
    """In the hour after midnight, calls of October and of November are in separate periods."""
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 23)
    await firm.use("llm", output_tokens=10)
    story.clock.set(2026, 11, 1, 0, 10)
    await firm.use("llm", output_tokens=20)
    await firm.use("llm", story.clock.at(2026, 9, 1), output_tokens=40)
    await story.counts()
    await agrees(firm)


async def test_project_selects_its_calls_of_an_invoice_and_of_a_line(story: Story) -> None:
    firm = await story.firm()
    line_3 = await add_project(story.database, firm.account.id, created_at=story.clock.now())
    await firm.use("llm", output_tokens=10)
    await use_in(firm, line_3, "llm", output_tokens=20)
    await story.until(2026, 11, 1, 1)
    invoice = (await firm.invoices())[0]
    for project, tokens in ((line_3, 20), (firm.account.id, 10)):
        for choice in ({}, {"number": 1}):
            found = await calls(firm, invoice, project_ids=[project], **choice)
            assert [call.output_tokens for call in found] == [tokens]
    assert await calls(firm, invoice, project_ids=[]) == []
    assert len(await calls(firm, invoice)) == 2


class TestInvoiceCalls:
    @pytest.fixture
    async def firm(self, story: Story) -> Firm:
        firm = await story.firm()
        await firm.subscribe(await story.plan(CACHED))
        story.clock.set(2026, 10, 5)
        for at in range(4):
            cached = 100_000 if at == 3 else 0
            await firm.use("llm", input_tokens=100_000, cached_input_tokens=cached)
        await firm.use("vib", rows=7)
        await firm.use("vib", rows=0)
        await story.until(2026, 11, 1, 1)
        return firm

    async def test_pages_together_list_every_call_once(self, firm: Firm) -> None:
        invoice = (await firm.invoices())[1]
        every = await calls(firm, invoice)
        assert len(every) == 6
        first = await calls(firm, invoice, limit=4)
        mark = {"after": first[-1].request_id}
        assert [*first, *await calls(firm, invoice, **mark)] == every  # type: ignore[arg-type]
        unknown = {"after": ids.new_id()}
        assert await calls(firm, invoice, **unknown) == []  # type: ignore[arg-type]

    async def test_line_number_selects_calls_of_the_line(self, firm: Firm) -> None:
        """Cached tokens have a separate price, so the fully cached call is not among the calls of
        the line of fresh input tokens."""
        invoice = (await firm.invoices())[1]
        async with firm.story.database.transaction() as session:
            lines, _ = await load_invoice_lines(session, firm.account.id, invoice.id)
        found = {
            lines[at].meter or lines[at].kind.value: [
                (call.input_tokens, call.cached_input_tokens, call.rows)
                for call in await calls(firm, invoice, number=at + 1)
            ]
            for at in range(len(lines))
        }
        assert found == {
            "cached_input_tokens": [(100_000, 100_000, None)],
            "input_tokens": [(100_000, 0, None)] * 3,
            "rows": [(None, None, 7)],
            "fixed_fee": [],
        }

    async def test_late_calls_have_a_separate_line(self, firm: Firm) -> None:
        story = firm.story
        story.clock.set(2026, 11, 5)
        await firm.use("vib", story.clock.at(2026, 10, 5), rows=3)
        await firm.use("vib", rows=4)
        await story.until(2026, 12, 1, 1)
        invoice = (await firm.invoices())[2]
        async with story.database.transaction() as session:
            lines, _ = await load_invoice_lines(session, firm.account.id, invoice.id)
        assert [line.kind.value for line in lines[:2]] == ["usage", "late_usage"]
        for number, rows in ((1, 4), (2, 3)):
            assert [call.rows for call in await calls(firm, invoice, number=number)] == [rows]

    @pytest.mark.parametrize("number", [0, 5, -1])
    async def test_unknown_line_number_raises_not_found(self, firm: Firm, number: int) -> None:
        with pytest.raises(InvoiceLineNotFound):
            await calls(firm, (await firm.invoices())[1], number=number)

    async def test_invoice_without_period_has_no_calls(self, firm: Firm) -> None:
        assert await calls(firm, (await firm.invoices())[0]) == []

    async def test_call_is_serialised_with_prefixed_id_and_cost(self, firm: Firm) -> None:
        call = (await calls(firm, (await firm.invoices())[1]))[0]
        shown = call.to_json()
        assert UUID(hex=shown["request_id"].removeprefix("req_")) == call.request_id
        assert shown["plan_version"] == call.version_id.hex
        assert (shown["key_id"], shown["tags"], shown["late"]) == (None, {}, False)
        assert shown["cost"] == "0.050000000"
