"""Exported invoices, rated again by an independent script: the totals must be identical."""

import json
import os
from pathlib import Path

import pytest

from billing.invoice_documents.export import export_invoice
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay_bundle
from billing.tables import InvoiceStatus
from infra.database.database import Database
from tests.stories.rerating import rerate
from tests.support.billing.pdf_reading import pages
from tests.support.nightly import at_length
from tests.support.stories.outcome_story import contract
from tests.support.stories.random_month import live
from tests.support.stories.story import Firm, Story

FILES = {"calls.csv", "focus.csv", "invoice.json", "invoice.pdf", "lines.csv", "terms"}


async def exported(firm: Firm, folder: Path) -> list[Path]:
    found = [one for one in await firm.invoices() if one.status != InvoiceStatus.DRAFT]
    async with firm.story.database.transaction() as session:
        return [
            await export_invoice(session, firm.account.id, one.id, folder / firm.account.name)
            for one in found
        ]


async def test_exported_invoices_of_a_random_month_are_rated_to_the_same_totals(
    database: Database, tmp_path: Path
) -> None:
    story = Story(database)
    # Seven accounts of the second seed have every kind of line and price, as 20 of the first do.
    seed, number = at_length((20261031, 20), (1, 7))
    firms = await live(story, seed, number)
    assert await story.differences() == ()
    folders = [folder for firm in firms for folder in await exported(firm, tmp_path)]
    code, said = await rerate(*folders)
    assert code == 0, said
    assert len(said.splitlines()) == len(folders)
    documents = [json.loads((folder / "invoice.json").read_text("utf-8")) for folder in folders]
    lines = [line for document in documents for line in document["lines"]]
    assert {line["kind"] for line in lines} == {
        *("usage", "late_usage", "discount", "minimum", "fixed_fee", "unused_fee")
    }
    priced = {line["price"]["kind"] for line in lines if line["price"]}
    assert priced == {"per_unit", "package", "graduated", "volume"}
    assert {document["currency"] for document in documents} == {"CNY", "USD", "JPY"}
    assert {one["tax_inclusive"] for each in documents for one in each["terms"]} == {True, False}
    changed = [document for document in documents if len(document["terms"]) > 2]
    assert any(one["share"] not in ("0", "1") for each in changed for one in each["terms"])


class TestInvoiceExport:
    @pytest.fixture
    async def folder(self, database: Database, tmp_path: Path) -> Path:
        firm = await Story(database).firm("Acme", tax_ppm=60_000)
        for rows in (700, 800):
            await firm.use("vib", rows=rows, tags={"order": "A-17"})
        await firm.story.until(2026, 11, 1, 1)
        (folder,) = await exported(firm, tmp_path)
        (again,) = await exported(firm, tmp_path / "again")
        for file in FILES - {"terms"}:
            assert (folder / file).read_bytes() == (again / file).read_bytes()
        return folder

    async def test_folder_contains_all_files_needed_to_rate_the_invoice(self, folder: Path) -> None:
        assert set(os.listdir(folder)) == FILES
        assert folder.name == "MAAS-000001"
        (terms,) = os.listdir(folder / "terms")
        assert json.loads((folder / "terms" / terms).read_text("utf-8"))["plan"] == "list"
        assert await rerate(folder) == (0, f"{folder}: 1.59 CNY\n")

    @pytest.mark.parametrize(
        ("file", "true", "false"),
        [
            ("calls.csv", ",700,", ",705,"),
            ("invoice.json", '"total": "1.59"', '"total": "1.60"'),
            ("invoice.json", '"amount": "1.50"', '"amount": "1.51"'),
            ("invoice.json", '"tax_percent": "6"', '"tax_percent": "7"'),
        ],
    )
    async def test_re_rating_fails_after_a_file_is_changed(
        self, folder: Path, file: str, true: str, false: str
    ) -> None:
        text = (folder / file).read_text("utf-8")
        assert true in text
        (folder / file).write_text(text.replace(true, false), "utf-8")
        code, said = await rerate(folder)
        assert code == 1
        assert "AssertionError" in said


class TestOutcomeExport:
    @pytest.fixture
    async def folder(self, story: Story, tmp_path: Path) -> Path:
        """The export of November: 2 rows at 0.001 and two predicted failures at 300.00 each."""
        firm = await story.firm("Acme", tax_ppm=60_000)
        spindles = await contract(firm)
        story.clock.set(2026, 10, 20)
        for day in (1, 2):
            await spindles.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12)
        for at in ((2026, 11, 4), (2026, 11, 14)):
            await spindles.until(*at)
        await firm.use("vib", rows=20)
        await spindles.until(2026, 12, 1, 1)
        return (await exported(firm, tmp_path))[-1]

    async def test_folder_contains_the_evidence_bundle_of_each_outcome_line(
        self, folder: Path
    ) -> None:
        """600.00 and 0.02 with 6 % of tax: 636.02."""
        assert await rerate(folder) == (0, f"{folder}: 636.02 CNY\n")
        document = json.loads((folder / "invoice.json").read_text("utf-8"))
        _, line = document["lines"]
        assert (line["outcome"]["attested_by"], line["outcome"]["quantity"]) == (
            "customer_system",
            "2",
        )
        (bundle,) = (folder / "outcomes").iterdir()
        assert replay_bundle(bundle.read_text("utf-8"), measure_effect).result.minor == 600_00
        lines = (folder / "lines.csv").read_text("utf-8-sig")
        assert line["outcome"]["digest"] in lines
        (page,) = pages((folder / "invoice.pdf").read_bytes())
        assert "由客户系统见证" in page.replace("\n", "")

    async def test_re_rating_fails_with_a_changed_evidence_bundle(self, folder: Path) -> None:
        (bundle,) = (folder / "outcomes").iterdir()
        bundle.write_text(bundle.read_text("utf-8") + " ", "utf-8")
        code, said = await rerate(folder)
        assert code == 1
        assert "AssertionError" in said
