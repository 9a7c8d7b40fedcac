"""Export of an invoice: the files of its folder and their exact contents."""

import csv
import json
from pathlib import Path

import pytest

from billing.invoice_documents.export import export_invoice
from billing.invoices.lifecycle import InvoiceNotFound
from billing.tables import Invoice
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


async def export(firm: Firm, invoice: Invoice, folder: Path) -> Path:
    async with firm.story.database.transaction() as session:
        return await export_invoice(session, firm.account.id, invoice.id, folder)


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
async def growth(story: Story) -> Firm:
    """October on a plan, with three calls of 1,000 rows, one of which has a tag."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    for tags in ({"order": "A-17"}, None, None):
        await firm.use("vib", rows=1_000, tags=tags)
    await story.until(2026, 11, 1, 1)
    return firm


@pytest.fixture
async def foreseen(story: Story) -> Contract:
    """A predicted failure of October, 300.00, billed on the invoice of November."""
    of = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await of.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    for at in ((2026, 11, 4), (2026, 11, 14), (2026, 12, 1, 1)):
        await of.until(*at)
    return of


async def test_usage_invoice_export_has_terms_and_each_call(growth: Firm, tmp_path: Path) -> None:
    invoice = next(one for one in await growth.invoices() if one.usage)
    folder = await export(growth, invoice, tmp_path)
    document = json.loads((folder / "invoice.json").read_text("utf-8"))
    terms = {f"terms/{one['version']}.json" for one in document["terms"]}
    assert (
        files(folder)
        == {"invoice.json", "lines.csv", "focus.csv", "calls.csv", "invoice.pdf"} | terms
    )
    assert folder == tmp_path / document["number"]
    with (folder / "calls.csv").open(encoding="utf-8-sig", newline="") as told:
        calls = list(csv.DictReader(told))
    assert len(calls) == 3
    assert sum("A-17" in call.values() for call in calls) == 1


async def test_outcome_invoice_export_has_exact_settlement_bundles(
    foreseen: Contract, tmp_path: Path
) -> None:
    """The SHA-256 of a bundle is the digest on its invoice line."""
    november = (await foreseen.firm.invoices())[-1]
    october = (await foreseen.settlements())[0]
    folder = await export(foreseen.firm, november, tmp_path)
    told = {one for one in files(folder) if one.startswith("outcomes/")}
    assert told == {f"outcomes/{october.id.hex}.json"}
    assert (folder / told.pop()).read_text("utf-8") == october.bundle
    document = json.loads((folder / "invoice.json").read_text("utf-8"))
    (line,) = [one for one in document["lines"] if one["outcome"]]
    assert (line["outcome"]["digest"], line["outcome"]["quantity"]) == (october.digest.hex(), "1")
    assert line["amount"] == "300.00"


async def test_repeated_export_rewrites_identical_files(growth: Firm, tmp_path: Path) -> None:
    invoice = next(one for one in await growth.invoices() if one.usage)
    folder = await export(growth, invoice, tmp_path)
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    (folder / "calls.csv").write_text("nothing of ours")
    assert await export(growth, invoice, tmp_path) == folder
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


async def test_export_of_another_accounts_invoice_raises_not_found(
    growth: Firm, tmp_path: Path
) -> None:
    other = await growth.story.firm("B")
    with pytest.raises(InvoiceNotFound):
        await export(other, (await growth.invoices())[0], tmp_path)
    assert files(tmp_path) == set()
