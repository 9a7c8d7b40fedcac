"""Changes of plan: which are at once, what they cost, and in which order they lock."""

import asyncio

import pytest
from sqlalchemy import text

from billing.metering.key_epoch import advance_epoch
from billing.rating.statement import LineKind
from tests.support.billing.making import sql, until_somebody_waits
from tests.support.stories.plan_texts import GROWTH, SCALE
from tests.support.stories.story import Firm, Story

YEARLY = """
plan = "yearly"
names = { en = "Yearly", zh = "年付版" }
currency = "CNY"
fixed_fee = "3720.00"
interval = "year"
list_prices = true
"""


async def on_growth(story: Story) -> Firm:
    """310.00 are invoiced for October; it is the 11th, so 21 of 31 days are left."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    story.clock.set(2026, 10, 11)
    return firm


class TestPreview:
    async def test_says_what_the_change_invoices(self, story: Story) -> None:
        firm, scale = await on_growth(story), await story.plan(SCALE)
        preview = await firm.preview(scale)
        assert [(line.kind, line.minor) for line in preview.lines] == [
            (LineKind.UNUSED_FEE, -210_00),
            (LineKind.FIXED_FEE, 420_00),
        ]
        change = (await firm.change(scale)).invoices[0]
        assert preview.amounts is not None
        assert (change.net, change.tax, change.total) == (
            preview.amounts.taxed.net,
            preview.amounts.taxed.tax,
            preview.amounts.taxed.total,
        )

    async def test_changes_nothing(self, story: Story) -> None:
        firm = await on_growth(story)
        await firm.preview(await story.plan(SCALE))
        assert len(await firm.invoices()) == 1
        assert await firm.is_on("growth", 2026, 12, 1)

    async def test_of_what_waits_is_nothing(self, story: Story) -> None:
        firm = await on_growth(story)
        cheap = await story.plan(SCALE.replace("620.00", "309.99"))
        preview = await firm.preview(cheap)
        assert (preview.now, preview.lines, preview.amounts) == (False, (), None)

    async def test_where_the_due_fee_is_all_unused(self, story: Story) -> None:
        """Growth's November is due at midnight and not charged yet: all 310.00 are unused."""
        firm = await on_growth(story)
        story.clock.set(2026, 11, 1, 0, 1)
        preview = await firm.preview(await story.plan(SCALE))
        assert [line.minor for line in preview.lines] == [-310_00, 620_00]

    async def test_where_nothing_is_left_of_the_due_fee(self, story: Story) -> None:
        """A plan that costs nothing: the fee that is due, and what is unused of it, are nothing."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH.replace("310.00", "0.01")))
        story.clock.set(2026, 11, 29)
        preview = await firm.preview(await story.plan(SCALE))
        # November's 0.01 is due since the 1st; 2 of 30 days of it are less than half a fen.
        assert [line.minor for line in preview.lines] == [41_33]


class TestDirection:
    async def test_the_same_price_is_up(self, story: Story) -> None:
        """310.00 a month and 3,720.00 a year are the same; the year is due at once."""
        firm = await on_growth(story)
        change = (await firm.change(await story.plan(YEARLY))).invoices[0]
        assert await firm.fees(change) == [
            ("unused_fee", "2026-10-11", "2026-11-01", "-210.00"),
            ("fixed_fee", "2026-10-11", "2027-10-11", "3720.00"),
        ]

    async def test_from_a_paid_year_to_a_dearer_month_waits(self, story: Story) -> None:
        """What is left of the year is more than the month costs: nothing would be invoiced."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(YEARLY))
        story.clock.set(2026, 10, 11)
        change = await firm.change(await story.plan(SCALE))
        assert change.invoices == ()
        assert change.phase.starts_at == story.clock.at(2027, 10, 1)

    async def test_what_counts_is_the_total_with_tax(self, story: Story) -> None:
        """13 %. From 310.00 net to 315.00 that contain the tax, on the 11th: 21 of 31 days.

        given back   210.00 net,        with tax   237.30
        new          213.39 with tax  (315 x 21 / 31 = 213.387)

        More fee, but less to pay: an invoice of less than nothing cannot be, so it waits.
        """
        firm = await story.firm(tax_ppm=130_000)
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 11)
        shelf = SCALE.replace('"620.00"', '"315.00"\ntax_inclusive = true')
        change = await firm.change(await story.plan(shelf))
        assert change.invoices == ()
        assert change.phase.starts_at == story.clock.at(2026, 11, 1)

    async def test_and_the_other_way_round(self, story: Story) -> None:
        """From 315.00 that contain the tax to 310.00 net, which are 350.30: less fee, so it waits.

        To 316.00 net: 214.06 and 27.83 of tax, less 213.39 with tax: 28.50 to pay.
        """
        firm = await story.firm(tax_ppm=130_000)
        shelf = SCALE.replace('"620.00"', '"315.00"\ntax_inclusive = true')
        await firm.subscribe(await story.plan(shelf))
        story.clock.set(2026, 10, 11)
        assert not (await firm.preview(await story.plan(GROWTH))).now
        change = await firm.change(await story.plan(GROWTH.replace("310.00", "316.00")))
        assert [firm.text(one.total) for one in change.invoices] == ["28.50"]


class TestClosing:
    async def test_is_left_to_the_jobs(self, story: Story) -> None:
        """A job's clock was ahead once and the totals say that they are of next year: the change
        drafts October, but a call that nobody has counted yet still comes onto that invoice."""
        firm = await on_growth(story)
        story.clock.set(2027, 10, 1)
        await story.counts()
        story.clock.set(2026, 10, 31)
        await firm.use("vib", rows=1_000)
        story.clock.set(2026, 11, 2)
        await firm.change(await story.plan(SCALE))
        await story.jobs()
        october = (await firm.invoices())[1]
        assert (await firm.lines(october))[0] == ("usage", "vib", "rows", 1_000, 0, "1.00")


class TestLocks:
    @pytest.mark.parametrize("action", ["start", "change", "cancel", "pay"])
    async def test_the_access_epoch_is_locked_last(self, story: Story, action: str) -> None:
        """Somebody has the account's limits locked, and tells gateways to look again. Who bills
        the account waits for the limits and must not have the epoch meanwhile."""
        firm = await (story.firm() if action == "start" else on_growth(story))
        scale = await story.plan(SCALE)

        async def act() -> None:
            match action:
                case "start":
                    await firm.subscribe(scale)
                case "change":
                    await firm.change(scale)
                case "cancel":
                    await firm.cancel()
                case "pay":
                    await firm.pays_all()

        await sql(story.database, "update billing_profile set suspended_at = now()")
        async with story.database.transaction() as session:
            limits = "select id from quota where account_id = :of for update"
            await session.execute(text(limits), {"of": firm.account.id})
            waiting = asyncio.create_task(act())
            await until_somebody_waits(session)
            await advance_epoch(session, None)
        await waiting
