"""Invoice lists: pages, list items and lookup by number or id."""

from datetime import date

import pytest

from billing.invoice_documents.invoice_list import (
    InvoiceListItem,
    find_invoice,
    list_final_invoice_ids,
    list_invoices,
)
from billing.invoices.balances import sum_postings_by_invoice
from billing.invoices.lifecycle import InvoiceNotFound
from infra import ids
from infra.database.database import Database
from tests.support.stories.story import Firm, Story

PLAN = """
plan = "plan"
names = { en = "Plan", zh = "计划" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""


@pytest.fixture
async def firm(database: Database) -> Firm:
    """Invoices of October, November and December, and a draft."""
    story = Story(database)
    firm = await story.firm()
    await firm.subscribe(await story.plan(PLAN))
    await story.until(2026, 11, 1, 1)
    await story.until(2026, 12, 1, 1)
    await story.until(2027, 1, 1, 0, 30)
    return firm


async def page(firm: Firm, limit: int, after: str | None = None) -> list[InvoiceListItem]:
    mark = ids.parse_id("inv", after) if after else None
    async with firm.story.database.transaction() as session:
        return await list_invoices(session, firm.account.id, limit, mark)


async def test_invoice_list_is_newest_first_in_pages(firm: Firm) -> None:
    first = await page(firm, 2)
    assert [one.number for one in first] == [None, "MAAS-000003"]
    rest = await page(firm, 9, first[-1].to_json()["id"])
    assert [one.number for one in rest] == ["MAAS-000002", "MAAS-000001"]
    assert await page(await firm.story.firm("Other"), 9) == []


async def test_list_item_has_number_status_amounts_and_dates(firm: Firm) -> None:
    await firm.pays((await firm.invoices())[0], "10.00")
    draft, *_, oldest = (one.to_json() for one in await page(firm, 9))
    assert (oldest["number"], oldest["status"], oldest["total"], oldest["owed"]) == (
        "MAAS-000001",
        "open",
        "310.00",
        "300.00",
    )
    assert oldest["issued_at"] < oldest["due_at"]
    assert (draft["number"], draft["status"], draft["owed"], draft["issued_at"]) == (
        None,
        "draft",
        "0.00",
        None,
    )


async def test_list_item_has_kinds_of_its_lines(firm: Firm) -> None:
    """The first invoice has a fee in advance; the newest has usage and the next fee."""
    await firm.use("llm", output_tokens=1000)
    await firm.story.until(2027, 2, 1, 1)
    newest, *rest = await page(firm, 9)
    assert newest.to_json()["kinds"] == ["usage", "fixed_fee"]
    assert {one.kinds for one in rest} == {("fixed_fee",)}


async def test_invoice_is_found_by_number_or_id_of_its_account(firm: Firm) -> None:
    oldest = (await firm.invoices())[0]
    other = await firm.story.firm("Other")
    async with firm.story.database.transaction() as session:
        for name in ("MAAS-000001", "MAAS-1", ids.format_id("inv", oldest.id)):
            assert (await find_invoice(session, firm.account.id, name)).id == oldest.id
            with pytest.raises(InvoiceNotFound):
                await find_invoice(session, other.account.id, name)
        for name in ("MAAS-000009", "OTHER-000001", "1", "MAAS-x", f"MAAS-{'9' * 30}", "inv_1"):
            with pytest.raises(InvoiceNotFound):
                await find_invoice(session, firm.account.id, name)


async def test_final_invoices_are_selected_by_month_in_account_time_zone(firm: Firm) -> None:
    """Months are in the account's time zone: October starts on 30 September UTC. The invoice of
    October's fee and the invoice at the end of October both belong to October."""
    invoices = [one.id for one in await firm.invoices()]
    async with firm.story.database.transaction() as session:
        account = firm.account.id
        assert await list_final_invoice_ids(session, account) == invoices[:3]
        assert await list_final_invoice_ids(session, account, date(2026, 10, 1)) == invoices[:2]
        assert await list_final_invoice_ids(session, account, date(2026, 11, 1)) == invoices[2:3]
        assert await list_final_invoice_ids(session, account, date(2026, 9, 1)) == []


async def test_postings_of_no_invoices_are_empty(firm: Firm) -> None:
    async with firm.story.database.transaction() as session:
        assert await sum_postings_by_invoice(session, firm.account.id, []) == {}
