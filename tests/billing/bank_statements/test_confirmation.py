"""Stored lines: imported once, confirmed as payments once, rejections remembered."""

from datetime import date

import pytest

from billing.bank_statements import confirmation
from billing.bank_statements.confirmation import confirm_exact_lines, confirm_line, reject_line
from billing.bank_statements.entries import BankEntry, ParsedStatement
from billing.bank_statements.errors import BankLineNotFound, InvalidBankLineState
from billing.bank_statements.lines import ImportedStatement, import_statement, list_lines
from billing.bank_statements.matching import LineStatus
from billing.bank_statements.views import render_line
from billing.tables import BankLine, Invoice
from infra import ids
from tests.support.stories.story import Firm, Story

ACME = "Acme 精密"


async def invoices(story: Story, months: int = 1) -> tuple[Firm, list[Invoice]]:
    """An open invoice of 106.00 for each month from October on."""
    firm = await story.firm(tax_ppm=60_000)
    for month in range(months):
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11 + month, 1, 1)
    return firm, await firm.invoices()


def transfer(
    minor: int, text: str, reference: str = "R1", payer: str = ACME, currency: str = "CNY"
) -> BankEntry:
    return BankEntry("3901", reference, date(2026, 11, 3), minor, currency, payer, "6222", text)


async def imported(story: Story, *entries: BankEntry) -> ImportedStatement:
    async with story.database.transaction() as session:
        file = ParsedStatement(entries, 1, [(3, "x")])
        return await import_statement(session, story.clock, file, "s.csv")


async def lines(story: Story, status: LineStatus | None = None) -> list[BankLine]:
    async with story.database.transaction() as session:
        return list(await list_lines(session, status))


async def confirmed(story: Story, line: BankLine, invoice: Invoice | None = None) -> BankLine:
    async with story.database.transaction() as session:
        return await confirm_line(session, story.clock, line.id, "Li", invoice)


class TestImport:
    async def test_file_imported_twice_adds_nothing(self, story: Story) -> None:
        await invoices(story)
        entry = transfer(106_00, "MAAS-000001\x00" + "x" * 3_000)
        first = await imported(story, entry, transfer(1, "y", "R2"))
        assert (first.new, first.known, first.skipped) == (2, 0, 1)
        assert (await imported(story, entry)).known == 1
        matched, other = await lines(story)
        assert (matched.status, matched.flags, other.status) == ("proposed", [], "unmatched")
        assert len(matched.text) < 2_001

    async def test_line_is_matched_when_its_invoice_is_issued_later(self, story: Story) -> None:
        await imported(story, transfer(106_00, "MAAS-000001"))
        await invoices(story)
        await imported(story)
        (line,) = await lines(story)
        assert line.status == "proposed"


class TestConfirmation:
    async def test_exact_lines_are_paid_once(self, story: Story) -> None:
        firm, (first, second) = await invoices(story, 2)
        await imported(story, transfer(106_00, "maas 1"), transfer(50_00, "MAAS-000002", "R2"))
        done = await confirm_exact_lines(story.database, story.clock, "Li")
        assert (len(done.confirmed), done.failed) == (1, [])
        assert (await firm.owes(first), await firm.owes(second)) == ("0.00", "106.00")
        (line,) = await lines(story, LineStatus.CONFIRMED)
        assert (await confirmed(story, line)).decided_by == "Li"
        assert (await confirm_exact_lines(story.database, story.clock, "Li")).confirmed == []
        assert await firm.wallet() == "0.00"
        assert [one.check for one in await story.differences()] == [
            "Bank lines that differ from their invoice are decided"
        ]

    async def test_flagged_line_is_confirmed_by_a_person(self, story: Story) -> None:
        """An overpayment goes to the wallet; the payer's name is known from then on."""
        firm, (first, second) = await invoices(story, 2)
        await imported(story, transfer(110_00, "MAAS-000001", payer="Group Ltd"))
        (line,) = await lines(story)
        assert line.flags == ["other_payer", "overpaid"]
        await confirmed(story, line)
        assert (await firm.owes(first), await firm.wallet()) == ("0.00", "4.00")
        await imported(story, transfer(106_00, "MAAS-000002", "R2", "Group Ltd"))
        done = await confirm_exact_lines(story.database, story.clock, "Li")
        assert len(done.confirmed) == 1
        assert await firm.owes(second) == "0.00"

    async def test_transfer_for_two_invoices_pays_both(self, story: Story) -> None:
        firm, (first, second) = await invoices(story, 2)
        await imported(story, transfer(212_00, "MAAS-000001 MAAS-000002"))
        await confirm_exact_lines(story.database, story.clock, "Li")
        assert (await firm.owes(first), await firm.owes(second)) == ("0.00", "0.00")
        assert await story.differences() == ()

    async def test_person_chooses_the_invoice_of_an_unmatched_line(self, story: Story) -> None:
        firm, (invoice,) = await invoices(story)
        await imported(story, transfer(100_00, "thanks", payer="Nobody"))
        (line,) = await lines(story)
        with pytest.raises(InvalidBankLineState, match="name the invoice"):
            await confirmed(story, line)
        await confirmed(story, line, invoice)
        assert await firm.owes(invoice) == "6.00"
        async with story.database.transaction() as session:
            shown = await render_line(session, (await list_lines(session, LineStatus.CONFIRMED))[0])
        assert shown["proposals"][0]["number"] == "MAAS-000001"
        assert (shown["amount"], shown["decided_by"]) == ("100.00", "Li")

    async def test_choice_of_a_person_replaces_the_proposal(self, story: Story) -> None:
        firm, (first, second) = await invoices(story, 2)
        await imported(story, transfer(106_00, "MAAS-000001"))
        (line,) = await lines(story)
        await confirmed(story, line, second)
        assert (await firm.owes(first), await firm.owes(second)) == ("106.00", "0.00")

    async def test_invoice_of_another_currency_is_refused(self, story: Story) -> None:
        _, (invoice,) = await invoices(story)
        await imported(story, transfer(106_00, "MAAS-000001", currency="USD"))
        (line,) = await lines(story)
        assert line.flags == ["currency"]
        with pytest.raises(InvalidBankLineState, match="in USD"):
            await confirmed(story, line, invoice)

    async def test_invoice_paid_since_the_match_is_left_for_a_person(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The amount due changes after the lines were selected."""
        firm, (invoice,) = await invoices(story)
        await imported(story, transfer(106_00, "MAAS-000001"))

        async def leave(_session: object) -> None:
            """Match before the payment, not after it."""

        monkeypatch.setattr(confirmation, "match_lines", leave)
        await firm.pays(invoice, "6.00", "bank-9")
        done = await confirm_exact_lines(story.database, story.clock, "Li")
        assert [reason for _, reason in done.failed] == [
            "The amount due on the invoice has changed."
        ]
        assert await firm.owes(invoice) == "100.00"

    async def test_unknown_line_is_not_found(self, story: Story) -> None:
        async with story.database.transaction() as session:
            with pytest.raises(BankLineNotFound):
                await confirm_line(session, story.clock, ids.new_id(), "Li")


class TestRejection:
    async def test_rejected_proposal_is_not_made_again(self, story: Story) -> None:
        await invoices(story)
        entry = transfer(106_00, "MAAS-000001")
        await imported(story, entry)
        (line,) = await lines(story)
        async with story.database.transaction() as session:
            rejected = await reject_line(session, story.clock, line.id, "Li")
        assert rejected.status == "unmatched"
        await imported(story, entry)
        (line,) = await lines(story)
        assert line.status == "unmatched"
        async with story.database.transaction() as session:
            with pytest.raises(InvalidBankLineState, match="no proposal"):
                await reject_line(session, story.clock, line.id, "Li")
