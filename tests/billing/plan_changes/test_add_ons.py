"""Add-ons of a plan, hand-computed: charged, credited, renewed and included by days.

October has 31 days. The plan costs 310.00 and includes 310,000 output tokens; an add-on costs 31.00
and includes 31,000: a day of one is 1.00 and 1,000 tokens.
"""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.rendering.focus_csv import focus_rows
from billing.ledger.ledger import Book
from billing.plan_changes.add_on_changes import (
    AddOnChange,
    AddOnNotFound,
    AddOnPreview,
    AddOnQuantityInvalid,
    preview_add_on,
    set_add_on,
)
from billing.plan_changes.add_on_views import add_on_change_json, add_on_preview_json
from billing.plan_changes.plan_changes import pause_plan
from billing.plan_changes.views import subscription_json
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms, TermsInvalid, parse_terms
from billing.reports.deferred_revenue import load_deferred_lines
from billing.subscriptions.subscriptions import NotSubscribed
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import LISTED, Firm, Story

ADD_ON = """
[[add_on]]
name = "more_tokens"
names = { en = "More tokens", zh = "更多 Token" }
fee = "31.00"
max_quantity = 5

[[add_on.allowance]]
model = "llm"
meter = "output_tokens"
quantity = 31_000
"""


def terms(text: str) -> PlanTerms:
    return parse_plan_file(text, lambda _currency: LISTED)


async def subscribed(story: Story, text: str = GROWTH + ADD_ON, **profile: object) -> Firm:
    firm = await story.firm(**profile)
    await firm.subscribe(await story.plan(text))
    return firm


async def sets(firm: Firm, quantity: int, name: str = "more_tokens") -> AddOnChange:
    async with firm.story.database.transaction() as session:
        return await set_add_on(session, firm.story.clock, firm.account.id, name, quantity)


async def previews(firm: Firm, quantity: int) -> AddOnPreview:
    async with firm.story.database.transaction() as session:
        place = (session, firm.story.clock, firm.account.id)
        return await preview_add_on(*place, "more_tokens", quantity)


async def last_lines(firm: Firm) -> list[tuple[str, str]]:
    """Kind and amount of the lines of the newest invoice."""
    newest = max(await firm.invoices(), key=lambda invoice: invoice.id)
    return [(line[0], line[-1]) for line in await firm.lines(newest)]


class TestTerms:
    def test_terms_without_add_ons_keep_their_id_and_add_ons_survive_storage(self) -> None:
        plain, with_add_on = terms(GROWTH), terms(GROWTH + ADD_ON)
        assert b"add_on" not in plain.canonical_json()
        assert parse_terms(with_add_on.canonical_json()) == with_add_on
        assert with_add_on.version_id() != plain.version_id()
        assert with_add_on.require_add_on("more_tokens").fee == 3_100

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"more_tokens"', '"more tokens"', "the name must be an identifier"),
            ('zh = "更多 Token"', 'fr = "x"', "must have en and zh"),
            ('"31.00"', '"0"', "is out of range"),
            ("max_quantity = 5", "max_quantity = 0", "is out of range"),
            ('"output_tokens"', '"input_tokens"', "the plan has no allowance of llm input_tokens"),
            ("31_000", "0", "the quantity of llm output_tokens is out of range"),
            ('fee = "31.00"', 'fee = "much"', "add_on"),
        ],
    )
    def test_invalid_add_on_is_named(self, old: str, new: str, message: str) -> None:
        with pytest.raises(TermsInvalid, match=message):
            terms(GROWTH + ADD_ON.replace(old, new))

    def test_two_add_ons_of_one_name_are_refused(self) -> None:
        with pytest.raises(TermsInvalid, match="more_tokens occurs twice"):
            terms(GROWTH + ADD_ON + ADD_ON)


class TestChanges:
    async def test_add_on_is_charged_and_credited_by_days_and_renews(self, story: Story) -> None:
        firm = await subscribed(story)
        story.clock.set(2026, 10, 11, 15)
        shown = await previews(firm, 2)
        assert (shown.before, shown.quantity, shown.total) == (0, 2, 4_200)  # 21 days
        change = await sets(firm, 2)
        assert [(one.total, one.status) for one in change.invoices] == [(4_200, "open")]
        assert await last_lines(firm) == [("add_on", "42.00")]
        assert await sets(firm, 2) == AddOnChange(2)
        story.clock.set(2026, 10, 21)
        assert (await previews(firm, 1)).total == -1_100
        (note,) = (await sets(firm, 1)).credit_notes
        assert (note.total, note.to_wallet) == (1_100, 0)  # 11 days of one, on the open invoice
        # 2 for 10 days and 1 for 11 days: 20,000 + 11,000 tokens beside the 310,000.
        await firm.use("llm", output_tokens=342_000)
        await story.until(2026, 11, 1, 2)
        assert await last_lines(firm) == [
            ("usage", "0.00"),  # 1,000 tokens at 2.00 a million: 0.002
            ("fixed_fee", "310.00"),
            ("add_on", "31.00"),
        ]
        invoice = max(await firm.invoices(), key=lambda one: one.id)
        assert (await firm.lines(invoice))[0][3:5] == (342_000, 341_000)
        await firm.pays_all()
        assert await story.differences() == ()

    async def test_credit_of_a_paid_invoice_goes_to_the_wallet_with_its_tax(
        self, story: Story
    ) -> None:
        firm = await subscribed(story, tax_ppm=60_000)
        story.clock.set(2026, 10, 11)
        await sets(firm, 1)
        await firm.pays_all()
        story.clock.set(2026, 10, 22)
        (note,) = (await sets(firm, 0)).credit_notes
        assert (note.net, note.tax, note.to_wallet) == (1_000, 60, 1_060)  # 10 days
        assert await firm.wallet() == "10.60"
        # 21.00 - 10.00 of the add-on and 310.00 of the plan.
        assert await firm.balance(Book.REVENUE_FEES) == -32_100
        await story.until(2026, 11, 1, 2)
        assert ("add_on", "31.00") not in await last_lines(firm)
        assert await story.differences() == ()

    async def test_upgrade_credits_the_old_add_on_and_charges_the_new_one(
        self, story: Story
    ) -> None:
        firm = await subscribed(story)
        await sets(firm, 1)
        story.clock.set(2026, 10, 22)
        larger = await story.plan(SCALE + ADD_ON.replace('"31.00"', '"62.00"'))
        preview = await firm.preview(larger)
        expected = [
            ("unused_fee", "-100.00"),
            ("unused_add_on", "-10.00"),
            ("fixed_fee", "200.00"),
            ("add_on", "20.00"),
        ]
        assert [(line.kind.value, line.minor) for line in preview.lines] == [
            (kind, round(float(amount) * 100)) for kind, amount in expected
        ]
        await firm.change(larger)
        assert await last_lines(firm) == expected
        assert await story.differences() == ()

    async def test_plan_without_the_add_on_credits_it_and_charges_none(self, story: Story) -> None:
        firm = await subscribed(story)
        await sets(firm, 1)
        story.clock.set(2026, 10, 22)
        await firm.change(await story.plan(SCALE))
        assert await last_lines(firm) == [
            ("unused_fee", "-100.00"),
            ("unused_add_on", "-10.00"),
            ("fixed_fee", "200.00"),
        ]
        async with story.database.transaction() as session:
            found = await subscription_json(session, story.clock, firm.account.id)
        assert found["add_ons"] == []

    async def test_preview_credits_a_due_fee_that_is_not_charged_yet(self, story: Story) -> None:
        firm = await subscribed(story)
        await sets(firm, 1)
        story.clock.set(2026, 11, 16)  # no job has run: 15 of 30 days of November are left
        preview = await firm.preview(await story.plan(SCALE + ADD_ON))
        amounts = [(line.kind.value, line.minor) for line in preview.lines]
        assert amounts == [
            ("unused_fee", -15_500),
            ("unused_add_on", -1_550),
            ("fixed_fee", 31_000),
            ("add_on", 1_550),
        ]

    async def test_nothing_is_charged_in_a_trial(self, story: Story) -> None:
        firm = await subscribed(
            story, GROWTH.replace("list_prices", "trial_days = 10\nlist_prices") + ADD_ON
        )
        assert await sets(firm, 1) == AddOnChange(1)
        await story.until(2026, 10, 11, 1)
        assert await last_lines(firm) == [("fixed_fee", "210.00"), ("add_on", "21.00")]

    async def test_year_is_prorated_by_its_days(self, story: Story) -> None:
        yearly = GROWTH.replace("list_prices", 'interval = "year"\nlist_prices')
        firm = await subscribed(story, yearly + ADD_ON.replace('"31.00"', '"365.00"'))
        story.clock.set(2026, 10, 11)
        assert (await sets(firm, 1)).invoices[0].total == 35_500
        await story.until(2027, 10, 1, 1)
        assert ("add_on", "365.00") in await last_lines(firm)

    async def test_pause_stops_add_ons_and_a_new_subscription_has_none(self, story: Story) -> None:
        firm = await subscribed(story)
        await sets(firm, 1)
        async with story.database.transaction() as session:
            await pause_plan(session, story.clock, firm.account.id, None)
        await story.until(2026, 11, 16)
        with pytest.raises(NotSubscribed):
            await sets(firm, 2)
        await firm.resume()
        assert await last_lines(firm) == [("fixed_fee", "155.00"), ("add_on", "15.50")]
        await firm.cancel(at_end=False)
        story.clock.pass_(days=1)
        await firm.subscribe(await story.plan(GROWTH + ADD_ON))
        assert [kind for kind, _ in await last_lines(firm)] == ["fixed_fee"]

    async def test_voided_charge_is_not_credited(self, story: Story) -> None:
        firm = await subscribed(story)
        story.clock.set(2026, 10, 11)
        (invoice,) = (await sets(firm, 1)).invoices
        await story.voids(invoice)
        assert (await sets(firm, 0)).credit_notes == ()

    async def test_unknown_add_on_and_quantity_are_refused(self, story: Story) -> None:
        firm = await subscribed(story)
        with pytest.raises(AddOnNotFound):
            await sets(firm, 1, "seats")
        for quantity in (-1, 6):
            with pytest.raises(AddOnQuantityInvalid, match="from 0 to 5"):
                await sets(firm, quantity)


class TestDocuments:
    async def test_invoice_export_deferral_and_views_show_the_add_on(self, story: Story) -> None:
        firm = await subscribed(story)
        story.clock.set(2026, 10, 22)
        account_id = firm.account.id
        async with story.database.transaction() as session:
            preview = await preview_add_on(session, story.clock, account_id, "more_tokens", 3)
            shown = await add_on_preview_json(session, account_id, preview)
        change = await sets(firm, 3)
        async with story.database.transaction() as session:
            english, chinese = [
                await build_invoice_document(session, account_id, change.invoices[0].id, locale)
                for locale in ("en", "zh")
            ]
            deferred = await load_deferred_lines(
                session, date(2026, 10, 1), ZoneInfo("Asia/Shanghai")
            )
            result = await add_on_change_json(session, story.clock, account_id, change)
        assert (shown["total"], shown["line"]["add_on"]) == ("30.00", "more_tokens")
        assert [one.description for one in (*english.lines, *chinese.lines)] == [
            "Growth: More tokens",
            "成长版：更多 Token",
        ]
        (row,) = [one for one in focus_rows(english) if one["ChargeCategory"] == "Purchase"]
        assert (row["ChargeFrequency"], row["BilledCost"]) == ("Recurring", "30.00")
        assert ("add_on", 3_000) in {(one.line.kind, one.recognized) for one in deferred}
        assert result["add_ons"][0]["quantity"] == 3
        assert (len(result["invoices"]), result["credited"]) == (1, "0.00")
        assert result["plan"]["add_ons"][0]["fee"] == "31.00"
