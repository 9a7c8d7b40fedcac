"""Requests for fapiao: amounts of payments and credit notes, conflicts, reissue."""

import asyncio

import pytest

from billing.fapiao.categories import load_categories, remove_category, set_category
from billing.fapiao.errors import (
    FapiaoAlreadyRequested,
    FapiaoCategoryInvalid,
    FapiaoNotFound,
    FapiaoNotPossible,
    FapiaoTitleNotFound,
    InvalidFapiaoState,
)
from billing.fapiao.funds import load_requestable
from billing.fapiao.lines import Category
from billing.fapiao.requests import format_serial, get_fapiao, list_fapiaos, request_reissue
from billing.fapiao.title_fields import TitleFields
from billing.invoices.lifecycle import InvoiceNotFound
from infra import ids
from tests.support.billing.fapiao_steps import add_title, issued, paid_invoice, request
from tests.support.stories.story import Story

SOFTWARE = Category("3040201000000000000", "软件服务")


class TestAmounts:
    async def test_paid_invoice_has_its_own_amounts(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        assert (row.net, row.tax, row.total) == (100_00, 6_00, 106_00)
        assert (row.status, row.serial, row.kind) == ("requested", "MAASFP00000001", "ordinary")
        assert [one["code"] for one in row.lines] == ["3040203000000000000"]
        async with story.database.transaction() as session:
            assert await load_requestable(session, invoice) == 0
            assert await list_fapiaos(session, firm.account.id, 10) == [row]

    async def test_partial_payment_is_requested_and_then_the_rest(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story, "53.00")
        first = await request(firm, invoice)
        assert (first.net, first.tax, first.total) == (50_00, 3_00, 53_00)
        await firm.pays(invoice, "53.00", "bank-2")
        second = await request(firm, invoice)
        assert (second.total, second.serial) == (53_00, "MAASFP00000002")

    async def test_overpayment_is_not_on_the_fapiao(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story, "200.00")
        assert (await request(firm, invoice)).total == 106_00

    async def test_credit_note_before_the_request_reduces_it(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await firm.is_credited(invoice, "6.00", refund=True)
        assert (await request(firm, invoice)).total == 100_00

    async def test_promotional_credit_is_not_on_the_fapiao(self, story: Story) -> None:
        """A gift paid 40.00, the customer 66.00."""
        firm = await story.firm(tax_ppm=60_000)
        await firm.tops_up("40.00", "gift", paid=False)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await add_title(firm)
        await firm.pays(invoice, "66.00")
        assert (await request(firm, invoice)).total == 66_00

    async def test_lines_have_the_categories_of_their_models(self, story: Story) -> None:
        """60.00 of vib and 40.00 of llm, with 6 %."""
        async with story.database.transaction() as session:
            await set_category(session, "vib", SOFTWARE)
            await set_category(session, "vib", SOFTWARE)
        firm = await story.firm(tax_ppm=60_000)
        await firm.use("vib", rows=60_000)
        await firm.use("llm", output_tokens=20_000_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await add_title(firm)
        await firm.pays(invoice, "106.00")
        row = await request(firm, invoice)
        found = [(one["item"], one["net"], one["tax"]) for one in row.lines]
        assert found == [("软件服务", 60_00, 3_60), ("信息系统服务", 40_00, 2_40)]
        async with story.database.transaction() as session:
            await remove_category(session, "vib")
            assert set(await load_categories(session)) == {"*"}


class TestConflicts:
    async def test_second_request_is_a_conflict(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        await request(firm, invoice)
        with pytest.raises(FapiaoAlreadyRequested, match="requested already"):
            await request(firm, invoice)

    async def test_concurrent_requests_get_an_amount_once(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        tries = (request(firm, invoice) for _ in range(4))
        found = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == [
            "Fapiao",
            *["FapiaoAlreadyRequested"] * 3,
        ]

    async def test_unpaid_invoice_and_draft_have_nothing_to_request(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story, "")
        with pytest.raises(FapiaoNotPossible, match="Nothing was paid"):
            await request(firm, invoice)
        await firm.use("vib", rows=1_000)
        await story.until(2026, 12, 1, 0, 10)
        draft = (await firm.invoices())[-1]
        assert draft.status == "draft"
        with pytest.raises(FapiaoNotPossible):
            await request(firm, draft)

    async def test_other_currency_is_refused(self, story: Story) -> None:
        firm = await story.firm(currency="USD")
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "100.00")
        with pytest.raises(FapiaoNotPossible, match="in USD"):
            await request(firm, invoice)
        async with story.database.transaction() as session:
            assert await load_requestable(session, invoice) == 0

    async def test_reverse_charge_is_refused(self, story: Story) -> None:
        firm = await story.firm()
        await firm.billed(tax_treatment="reverse_charge")
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "100.00")
        with pytest.raises(FapiaoNotPossible, match="The recipient"):
            await request(firm, invoice)

    async def test_account_without_title_or_other_accounts_invoice_is_refused(
        self, story: Story
    ) -> None:
        firm, invoice = await paid_invoice(story)
        other = await story.firm("Other")
        with pytest.raises(InvoiceNotFound):
            await request(other, invoice)
        await other.use("vib", rows=1_000)
        await story.until(2026, 12, 1, 1)
        (own,) = await other.invoices()
        await other.pays(own, "1.00", "bank-2")
        with pytest.raises(FapiaoTitleNotFound):
            await request(other, own)
        row = await request(firm, invoice)
        async with story.database.transaction() as session:
            with pytest.raises(FapiaoNotFound):
                await get_fapiao(session, other.account.id, row.id)


class TestReissue:
    async def test_reissue_requests_a_red_letter_over_the_whole_fapiao(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await issued(story, firm, invoice)
        right = await add_title(firm, TitleFields("Right name"))
        async with story.database.transaction() as session:
            place = (session, story.clock, firm.account.id)
            red = await request_reissue(*place, row.id, "wu", right.id)
            assert (red.colour, red.total, red.tax, red.original_id) == ("red", 10600, 600, row.id)
            assert (red.reason, red.reissue_title) == (
                "invoice_error",
                TitleFields("Right name").to_json(),
            )
            with pytest.raises(InvalidFapiaoState, match="cancels this fapiao already"):
                await request_reissue(*place, row.id, "wu", right.id)
            with pytest.raises(InvalidFapiaoState, match="Only an issued"):
                await request_reissue(*place, red.id, "wu")

    async def test_fapiao_that_is_not_issued_cannot_be_reissued(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        async with story.database.transaction() as session:
            with pytest.raises(InvalidFapiaoState):
                await request_reissue(session, story.clock, firm.account.id, row.id, "wu")
            with pytest.raises(FapiaoNotFound):
                await request_reissue(session, story.clock, firm.account.id, ids.new_id(), "wu")


class TestCategories:
    @pytest.mark.parametrize(
        ("product", "code", "item", "param"),
        [
            ("vib", "304020300000000000", "x", "code"),
            ("vib", "x" * 19, "x", "code"),
            ("", SOFTWARE.code, "x", "product"),
            ("vib", SOFTWARE.code, "", "item"),
            ("vib", SOFTWARE.code, "x" * 101, "item"),
        ],
    )
    async def test_invalid_category_is_rejected(
        self, story: Story, product: str, code: str, item: str, param: str
    ) -> None:
        async with story.database.transaction() as session:
            with pytest.raises(FapiaoCategoryInvalid) as raised:
                await set_category(session, product, Category(code, item))
        assert raised.value.param == param


def test_serial_number_has_at_most_20_characters() -> None:
    assert format_serial("ABCDEFGHIJ", 99_999_999) == "ABCDEFGHIJFP99999999"
    assert len(format_serial("ABCDEFGHIJ", 1)) == 20
