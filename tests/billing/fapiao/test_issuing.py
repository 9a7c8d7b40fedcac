"""Batches, results, rejections and red letters, from the request to the fapiao."""

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.entities import EntityUpdate, LegalEntityNotFound, create_entity
from billing.accounts.profiles import lock_profile, update_profile
from billing.fapiao import red_letters
from billing.fapiao.amounts import InvoiceFunds
from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.errors import FapiaoNotFound, InvalidFapiaoState, NothingToIssue
from billing.fapiao.funds import list_invoice_fapiaos, load_funds
from billing.fapiao.issuing import (
    NO_LONGER_PAID,
    apply_results,
    list_open_fapiaos,
    reject_fapiao,
    repeat_batch,
)
from billing.fapiao.layout import load_layout
from billing.fapiao.red_letters import request_due_red_letters
from billing.fapiao.requests import request_reissue
from billing.fapiao.title_fields import TitleFields
from billing.notifications.alert_targets import update_alert_target
from billing.tables import Fapiao, Invoice, OutboxItem
from infra import ids
from tests.support.billing.fapiao_steps import (
    add_title,
    export,
    issued,
    paid_invoice,
    request,
    result,
    results,
)
from tests.support.billing.making import sql
from tests.support.billing.notifying import event_payloads
from tests.support.stories.story import Firm, Story


async def fapiaos(firm: Firm, invoice: Invoice) -> list[tuple[str, str, int]]:
    """(colour, status, total) of each fapiao of an invoice."""
    async with firm.story.database.transaction() as session:
        rows = await list_invoice_fapiaos(session, firm.account.id, invoice.id)
    return [(row.colour, row.status, row.total) for row in rows]


class TestExport:
    async def test_exported_fapiao_are_in_a_batch_that_can_be_repeated(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        done = await export(story)
        assert [one.id for one in done.rows] == [row.id]
        assert [file.name for file in done.files] == ["fapiao.xlsx"]
        assert await fapiaos(firm, invoice) == [("blue", "issuing", 106_00)]
        async with story.database.transaction() as session:
            again = await repeat_batch(session, BatchFileProvider(load_layout()), done.batch.id)
            assert [one.id for one in again.rows] == [row.id]
            assert [one.id for one in await list_open_fapiaos(session)] == [row.id]
            with pytest.raises(FapiaoNotFound):
                await repeat_batch(session, BatchFileProvider(load_layout()), ids.new_id())
        await results(story, [result(row, 1)])
        async with story.database.transaction() as session:
            with pytest.raises(NothingToIssue):
                await repeat_batch(session, BatchFileProvider(load_layout()), done.batch.id)

    async def test_nothing_waiting_is_an_error(self, story: Story) -> None:
        with pytest.raises(NothingToIssue, match="No fapiao is waiting"):
            await export(story)
        with pytest.raises(NothingToIssue, match="of MAAS is waiting"):
            await export(story, "MAAS")
        with pytest.raises(LegalEntityNotFound):
            await export(story, "NOBODY")

    async def test_each_seller_has_batches_of_its_own(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        async with story.database.transaction() as session:
            entity = await create_entity(session, story.clock, "WEST", EntityUpdate("West", "", ""))
            await update_profile(session, firm.account.id, legal_entity_id=entity.id)
        await firm.use("vib", rows=10_000)
        await story.until(2026, 12, 1, 1)
        second = (await firm.invoices())[-1]
        await firm.pays(second, "10.60", "bank-2")
        await request(firm, invoice)
        west = await request(firm, second)
        assert west.serial == "WESTFP00000001"
        with pytest.raises(NothingToIssue, match="MAAS, WEST"):
            await export(story)
        assert [one.id for one in (await export(story, "WEST")).rows] == [west.id]
        assert len((await export(story)).rows) == 1

    async def test_amount_credited_before_the_export_is_rejected(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await request(firm, invoice)
        await firm.is_credited(invoice, "6.00")
        with pytest.raises(NothingToIssue):
            await export(story)
        # The transaction was rolled back; another request keeps the export going.
        other, theirs = await paid_invoice_of(story, "Other")
        await request(other, theirs)
        assert len((await export(story)).rows) == 1
        assert await fapiaos(firm, invoice) == [("blue", "rejected", 106_00)]
        async with story.database.transaction() as session:
            reasons = (await session.scalars(select(Fapiao.reason))).all()
        assert NO_LONGER_PAID in reasons
        assert (await request(firm, invoice)).total == 100_00


async def paid_invoice_of(story: Story, name: str) -> tuple[Firm, Invoice]:
    firm = await story.firm(name, tax_ppm=60_000)
    await add_title(firm)
    await firm.use("vib", rows=1_000)
    await story.until(2026, 12, 1, 1)
    invoice = (await firm.invoices())[-1]
    await firm.pays(invoice, "1.06", f"bank-{name}")
    return firm, invoice


class TestResults:
    async def test_issued_fapiao_has_number_and_day_and_customer_is_told(
        self, story: Story
    ) -> None:
        firm, invoice = await paid_invoice(story)
        async with story.database.transaction() as session:
            await update_alert_target(session, firm.account.id, "https://example.com/hook")
        row = await issued(story, firm, invoice)
        assert (row.number, str(row.issued_on)) == ("10000000000000000001", "2026-11-03")
        async with story.database.transaction() as session:
            query = select(OutboxItem).where(col(OutboxItem.business_key).contains("fapiao"))
            mail = (await session.scalars(query)).one()
        assert (mail.payload["to"], "MAAS-000001" in mail.payload["text"]) == (
            "wu@plant.example",
            True,
        )
        hook = (await event_payloads(story.database))[-1]
        assert (hook["type"], hook["data"]["total"]) == ("fapiao.issued", "106.00")
        assert await story.differences() == ()

    async def test_title_without_email_uses_that_of_the_account(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await add_title(firm, TitleFields("No mail"), is_default=True)
        async with story.database.transaction() as session:
            (await lock_profile(session, firm.account.id)).email = "boss@plant.example"
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "6.00")
        async with story.database.transaction() as session:
            query = select(OutboxItem).where(col(OutboxItem.business_key).contains("fapiao"))
            (mail,) = (await session.scalars(query)).all()
        assert mail.payload["to"] == "boss@plant.example"

    async def test_account_without_any_address_gets_no_email(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await add_title(firm, TitleFields("No mail"), is_default=True)
        await issued(story, firm, invoice)
        async with story.database.transaction() as session:
            query = select(OutboxItem).where(col(OutboxItem.business_key).contains("fapiao"))
            assert (await session.scalars(query)).all() == []

    async def test_refusal_is_shown_and_amount_can_be_requested_again(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        await export(story)
        refusal = [(row.serial, "", "", "", "购买方名称不符")]
        report = await results(story, refusal)
        assert [one.reason for one in report.rejected] == ["购买方名称不符"]
        assert (await results(story, refusal)).known == 1
        assert (await request(firm, invoice)).serial == "MAASFP00000002"

    async def test_repeated_import_changes_nothing(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await issued(story, firm, invoice)
        report = await results(story, [result(row, 1)])
        assert (report.issued, report.known, report.problems) == ([], 1, [])

    async def test_rows_that_do_not_match_are_reported_and_change_nothing(
        self, story: Story
    ) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        assert [one[2] for one in (await results(story, [result(row, 1)])).problems] == []
        await export(story)
        serial, number, day, _ = result(row, 1)
        report = await results(
            story, [(serial, number, day, "105.99"), (serial, "123", day, "106.00")]
        )
        assert report.problems == [
            (2, row.serial, "the total is 105.99 instead of 106.00"),
            (3, row.serial, "the fapiao number does not have 20 digits"),
        ]
        assert await fapiaos(firm, invoice) == [("blue", "issuing", 106_00)]
        await results(story, [result(row, 1)])
        (problem,) = (await results(story, [result(row, 2)])).problems
        assert problem[2] == "this fapiao is issued with number 10000000000000000001"
        other, theirs = await paid_invoice_of(story, "Other")
        second = await request(other, theirs)
        await export(story)
        (problem,) = (await results(story, [result(second, 1)])).problems
        assert problem[2] == "the number 10000000000000000001 belongs to MAASFP00000001"

    async def test_result_of_a_rejected_fapiao_is_reported(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        await export(story)
        async with story.database.transaction() as session:
            await reject_fapiao(session, story.clock, firm.account.id, row.id, " wrong name ")
        (problem,) = (await results(story, [result(row, 1)])).problems
        assert problem[2] == "this fapiao is rejected"
        async with story.database.transaction() as session:
            with pytest.raises(InvalidFapiaoState, match="is rejected and cannot"):
                await reject_fapiao(session, story.clock, firm.account.id, row.id, "again")

    async def test_import_without_a_list_has_no_results(self, story: Story) -> None:
        async with story.database.transaction() as session:
            provider = BatchFileProvider(load_layout())
            report = await apply_results(session, story.clock, provider)
        assert (report.issued, report.known) == ([], 0)


class TestRedLetters:
    async def test_credit_note_after_issue_gets_a_partial_red_letter(self, story: Story) -> None:
        """53.00 of 106.00 are refunded: a red letter over 50.00 and 3.00 of tax."""
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "53.00", refund=True)
        assert [one.check for one in await story.differences()] == [
            "Fapiao do not exceed what was paid and not returned"
        ]
        assert await request_due_red_letters(story.database, story.clock) == 1
        assert await request_due_red_letters(story.database, story.clock) == 0
        assert await story.differences() == ()
        batch = await export(story)
        assert [file.name for file in batch.files] == ["red-letters.xlsx"]
        (red,) = batch.rows
        assert (red.net, red.tax, red.reason) == (50_00, 3_00, "allowance")
        await results(story, [(red.serial, "1" * 20, "2026-11-05", "-53.00")])
        assert await fapiaos(firm, invoice) == [
            ("blue", "issued", 106_00),
            ("red", "issued", 53_00),
        ]

    async def test_error_of_one_invoice_does_not_stop_the_others(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "53.00", refund=True)

        async def fail(*_: object) -> None:
            raise InvalidFapiaoState("broken")

        with monkeypatch.context() as patched:
            patched.setattr(red_letters, "request_red_letters", fail)
            assert await request_due_red_letters(story.database, story.clock) == 0
        assert await request_due_red_letters(story.database, story.clock) == 1

    async def test_invoice_whose_funds_cannot_be_read_does_not_stop_the_others(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "53.00", refund=True)
        other, theirs = await paid_invoice_again(story, "6.00")
        await issued(story, other, theirs, 2)
        await other.is_credited(theirs, "53.00", "theirs", refund=True)

        async def fail_first(session: AsyncSession, of: Invoice) -> InvoiceFunds:
            if of.id == invoice.id:
                raise InvalidFapiaoState("broken")
            return await load_funds(session, of)

        monkeypatch.setattr(red_letters, "load_funds", fail_first)
        assert await request_due_red_letters(story.database, story.clock) == 1
        assert (await fapiaos(other, theirs))[1:] == [("red", "requested", 53_00)]
        monkeypatch.undo()
        assert await request_due_red_letters(story.database, story.clock) == 1
        assert (await fapiaos(firm, invoice))[1:] == [("red", "requested", 53_00)]

    async def test_full_refund_cancels_what_is_left_exactly(self, story: Story) -> None:
        """0.01 and then 105.99: net and tax of both red letters are those of the fapiao."""
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        for amount in ("0.01", "105.99"):
            await firm.is_credited(invoice, amount, amount, refund=True)
            await request_due_red_letters(story.database, story.clock)
        reds = [row for row in (await export(story)).rows if row.colour == "red"]
        assert [row.total for row in reds] == [1, 105_99]
        assert (sum(row.net for row in reds), sum(row.tax for row in reds)) == (100_00, 6_00)
        assert await story.differences() == ()

    async def test_refused_red_letter_is_requested_again(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "53.00", refund=True)
        await request_due_red_letters(story.database, story.clock)
        (red,) = (await export(story)).rows
        await results(story, [(red.serial, "", "", "", "购买方未确认")])
        assert await request_due_red_letters(story.database, story.clock) == 1

    async def test_red_letter_of_a_fapiao_without_number_is_refused(self, story: Story) -> None:
        """As an administrator's mistake could leave it."""
        firm, invoice = await paid_invoice(story)
        await issued(story, firm, invoice)
        await firm.is_credited(invoice, "53.00", refund=True)
        await request_due_red_letters(story.database, story.clock)
        await sql(
            story.database,
            "update fapiao set status = 'issuing', number = null, issued_on = null"
            " where colour = 'blue'",
        )
        with pytest.raises(InvalidFapiaoState, match="was not issued"):
            await export(story)

    async def test_wrong_title_is_cancelled_and_issued_to_the_right_one(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await issued(story, firm, invoice)
        right = await add_title(firm, TitleFields("Right name"))
        async with story.database.transaction() as session:
            place = (session, story.clock, firm.account.id, row.id)
            red = await request_reissue(*place, "wu", right.id)
        await export(story)
        assert await request_due_red_letters(story.database, story.clock) == 0
        await results(story, [result(red, 2)])
        (new,) = (await export(story)).rows
        assert (new.title["name"], new.total, new.colour) == ("Right name", 106_00, "blue")
        await results(story, [result(new, 3)])
        assert await story.differences() == ()

    async def test_refund_during_reissue_reduces_the_new_fapiao(self, story: Story) -> None:
        """All is refunded before the red letter is issued: no new fapiao follows."""
        for refund, after in (("6.00", [("blue", "requested", 100_00)]), ("100.00", [])):
            firm, invoice = await paid_invoice_again(story, refund)
            row = await issued(story, firm, invoice, 10 + len(after))
            async with story.database.transaction() as session:
                place = (session, story.clock, firm.account.id, row.id)
                red = await request_reissue(*place, "wu")
            if not after:
                await firm.is_credited(invoice, "6.00", "first", refund=True)
            await firm.is_credited(invoice, refund, "second", refund=True)
            await export(story)
            await results(story, [result(red, 20 + len(after))])
            assert (await fapiaos(firm, invoice))[2:] == after
            if after:
                await export(story)


async def paid_invoice_again(story: Story, name: str) -> tuple[Firm, Invoice]:
    """A further account with an invoice of 106.00."""
    firm = await story.firm(name, tax_ppm=60_000)
    await add_title(firm)
    at = story.clock.now()
    await firm.use("vib", rows=100_000, at=at)
    await story.until(*((2026, 12, 1, 1) if name == "6.00" else (2027, 1, 1, 1)))
    invoice = (await firm.invoices())[-1]
    await firm.pays(invoice, "106.00", f"bank-{name}")
    return firm, invoice
