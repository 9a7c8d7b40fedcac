"""Parties of invoices: a change of address affects new invoices, not final ones."""

import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.parties import Party
from billing.invoice_documents.builder import build_invoice_document, build_invoice_preview
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.export import export_invoice
from billing.invoice_documents.invoice_list import list_final_invoice_ids
from billing.tables import Invoice
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

PLAN = """
plan = "plan"
names = { en = "Plan", zh = "计划" }
currency = "CNY"
fixed_fee = "310.00"
list_prices = true
"""
BUYER = {"billing_name": "Acme Ltd.", "address": "上海市", "tax_number": "9131"}
MOVED = {
    "billing_name": "Bcme Ltd.",
    "address": "北京市",
    "tax_number": "9111",
    "email": "new@bcme.cn",
    "locale": "en",
    "collection": "stripe_invoice",
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
async def firm(story: Story) -> AsyncIterator[Firm]:
    """October on a plan, with usage; the invoices with the fees of both months are final. Legal
    entities outlive a test, so the seller is restored afterwards."""
    firm = await story.firm()
    await firm.billed(**BUYER, email="old@acme.cn")
    await firm.subscribe(await story.plan(PLAN))
    await firm.use("vib", rows=1_234, tags={"order": "A-17"})
    await story.until(2026, 11, 1, 1)
    yield firm
    await sql(story.database, "update legal_entity set name = 'MaaS', address = ''")


async def moves(firm: Firm) -> None:
    await firm.billed(**MOVED)
    await sql(firm.story.database, "update legal_entity set name = 'MaaS 2', address = 'Shenzhen'")
    await sql(firm.story.database, "update account set name = 'Renamed'")


async def documented(firm: Firm, invoice: Invoice) -> InvoiceDocument:
    async with firm.story.database.transaction() as session:
        return await build_invoice_document(session, firm.account.id, invoice.id)


async def exported(firm: Firm, folder: Path) -> dict[str, bytes]:
    async with firm.story.database.transaction() as session:
        for invoice_id in await list_final_invoice_ids(session, firm.account.id):
            await export_invoice(session, firm.account.id, invoice_id, folder)
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


class TestPartiesAfterMove:
    async def test_exported_files_of_old_invoices_are_unchanged(
        self, firm: Firm, tmp_path: Path
    ) -> None:
        before = await exported(firm, tmp_path / "before")
        await moves(firm)
        assert await exported(firm, tmp_path / "after") == before
        kinds = {Path(name).name for name in before}
        assert kinds >= {"invoice.json", "lines.csv", "invoice.pdf", "calls.csv"}
        said = json.loads(before["MAAS-000002/invoice.json"])
        assert said["buyer"] == {
            "name": "Acme Ltd.",
            "address": "上海市",
            "tax_number": "9131",
            "email": "old@acme.cn",
        }
        assert said["seller"]["name"] == "MaaS"

    async def test_next_invoice_has_new_parties(self, firm: Firm) -> None:
        await moves(firm)
        await firm.billed(time_zone="Asia/Shanghai")
        await firm.story.until(2026, 12, 1, 1)
        old, _, new = [await documented(firm, one) for one in await firm.invoices()]
        assert (old.buyer.name, new.buyer.name) == ("Acme Ltd.", "Bcme Ltd.")
        assert new.buyer == Party("Bcme Ltd.", "北京市", "9111", "new@bcme.cn")
        assert new.seller == Party("MaaS 2", "Shenzhen", "")
        assert (old.locale, new.locale) == ("zh", "en")
        assert (old.collection, new.collection) == ("manual", "stripe_invoice")

    async def test_draft_and_preview_have_current_buyer(self, firm: Firm) -> None:
        await firm.story.until(2026, 12, 1, 0, 30)
        await firm.billed(billing_name="", address="北京市")
        await sql(firm.story.database, "update account set name = 'Renamed'")
        *_, draft = await firm.invoices()
        assert draft.status == "draft"
        async with firm.story.database.transaction() as session:
            preview = await build_invoice_preview(session, firm.story.clock, firm.account.id)
        expected = Party("Renamed", "北京市", "9131", "old@acme.cn")
        assert (await documented(firm, draft)).buyer == preview.buyer == expected

    async def test_credit_note_keeps_parties_of_its_invoice(self, firm: Firm) -> None:
        first, _ = await firm.invoices()
        await moves(firm)
        await firm.is_credited(first, "10.00")
        document = await documented(firm, first)
        assert [note.number for note in document.notes] == ["MAAS-CN-000001"]
        assert (document.buyer.name, document.seller.name) == ("Acme Ltd.", "MaaS")

    async def test_resubscribing_keeps_share_of_earlier_fee_credit(self, story: Story) -> None:
        """A part of October's fee is credited on the 11th. On the 16th the firm subscribes to the
        same plan again until the same day, for another amount."""
        firm = await story.firm()
        plan = await story.plan(PLAN)
        await firm.subscribe(plan)
        story.clock.set(2026, 10, 11)
        await firm.change(await story.plan(PLAN.replace('"plan"', '"more"').replace("31", "62")))
        _, change = await firm.invoices()
        before = await documented(firm, change)
        assert before.lines[0].base == 310_00
        await firm.cancel(at_end=False)
        story.clock.set(2026, 10, 16)
        await firm.subscribe(plan)
        assert (await documented(firm, change)).lines == before.lines


class TestStoredParties:
    async def test_parties_of_final_invoice_are_immutable(self, firm: Firm) -> None:
        with pytest.raises(DBAPIError, match="keeps its amounts and its parties"):
            await sql(firm.story.database, "update invoice set parties = '{}'")
        with pytest.raises(DBAPIError, match="keeps its amounts and its parties"):
            await sql(firm.story.database, "update invoice set parties = null")

    async def test_draft_cannot_store_parties(self, firm: Firm) -> None:
        await firm.story.until(2026, 12, 1, 0, 30)
        drafted = "update invoice set parties = '{}' where status = 'draft'"
        with pytest.raises(DBAPIError, match="final_says_between_whom"):
            await sql(firm.story.database, drafted)

    async def test_finalising_stores_parties_without_extra_query(self, firm: Firm) -> None:
        """The update that assigns the number also stores and returns the parties."""
        dearer = await firm.story.plan(PLAN.replace("310", "620"))
        said: list[str] = []

        def hears(*told: Any) -> None:
            said.append(told[2])

        event.listen(Engine, "before_cursor_execute", hears)
        change = await firm.change(dearer)
        event.remove(Engine, "before_cursor_execute", hears)
        asked = [one for one in said if "jsonb_build_object" in one]
        assert [one.split()[0].lower() for one in asked] == ["update"]
        (invoice,) = change.invoices
        assert invoice.parties is not None
        assert invoice.parties["buyer"]["name"] == "Acme Ltd."


class TestInvoiceMonth:
    async def test_invoice_month_ignores_later_time_zone_change(self, firm: Firm) -> None:
        """October starts in China while it is still September in Berlin."""
        october, september = date(2026, 10, 1), date(2026, 9, 1)
        async with firm.story.database.transaction() as session:
            before = await found(session, firm, october), await found(session, firm, september)
        await firm.billed(time_zone="Europe/Berlin")
        async with firm.story.database.transaction() as session:
            after = await found(session, firm, october), await found(session, firm, september)
        assert before == after == (2, 0)


async def found(session: AsyncSession, firm: Firm, month: date) -> int:
    return len(await list_final_invoice_ids(session, firm.account.id, month))
