"""Plan changes: immediate or scheduled, invoiced amounts, and order of locks."""

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
    """Subscribe to Growth: 310.00 is invoiced for October. On the 11th, 21 of 31 days remain."""
    firm = await story.firm()
    await firm.subscribe(await story.plan(GROWTH))
    story.clock.set(2026, 10, 11)
    return firm


class TestPlanChangePreview:
    async def test_preview_equals_the_invoice_of_the_change(self, story: Story) -> None:
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

    async def test_preview_changes_neither_invoices_nor_subscription(self, story: Story) -> None:
        firm = await on_growth(story)
        await firm.preview(await story.plan(SCALE))
        assert len(await firm.invoices()) == 1
        assert await firm.is_on("growth", 2026, 12, 1)

    async def test_preview_of_a_scheduled_change_has_no_lines(self, story: Story) -> None:
        firm = await on_growth(story)
        cheap = await story.plan(SCALE.replace("620.00", "309.99"))
        preview = await firm.preview(cheap)
        assert (preview.now, preview.lines, preview.amounts) == (False, (), None)

    async def test_due_but_uncharged_fee_is_credited_completely(self, story: Story) -> None:
        """Growth's fee for November is due at midnight and not charged yet: 310.00 is unused."""
        firm = await on_growth(story)
        story.clock.set(2026, 11, 1, 0, 1)
        preview = await firm.preview(await story.plan(SCALE))
        assert [line.minor for line in preview.lines] == [-310_00, 620_00]

    async def test_unused_part_of_the_fee_below_half_a_fen_has_no_line(self, story: Story) -> None:
        """The plan costs 0.01 a month, so the unused part of its due fee rounds to zero."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH.replace("310.00", "0.01")))
        story.clock.set(2026, 11, 29)
        preview = await firm.preview(await story.plan(SCALE))
        # November's 0.01 is due since the 1st; 2 of 30 days of it are less than half a fen.
        assert [line.minor for line in preview.lines] == [41_33]


class TestPlanChangeDirection:
    async def test_change_at_equal_yearly_price_takes_effect_at_once(self, story: Story) -> None:
        """310.00 a month equals 3,720.00 a year; the yearly fee is due at once."""
        firm = await on_growth(story)
        change = (await firm.change(await story.plan(YEARLY))).invoices[0]
        assert await firm.fees(change) == [
            ("unused_fee", "2026-10-11", "2026-11-01", "-210.00"),
            ("fixed_fee", "2026-10-11", "2027-10-11", "3720.00"),
        ]

    async def test_change_from_a_paid_year_to_a_higher_monthly_fee_is_scheduled(
        self, story: Story
    ) -> None:
        """The unused yearly fee exceeds the monthly fee, so the invoice would be negative."""
        firm = await story.firm()
        await firm.subscribe(await story.plan(YEARLY))
        story.clock.set(2026, 10, 11)
        change = await firm.change(await story.plan(SCALE))
        assert change.invoices == ()
        assert change.phase.starts_at == story.clock.at(2027, 10, 1)

    async def test_higher_fee_with_lower_total_including_tax_is_scheduled(
        self, story: Story
    ) -> None:
        """Tax 13 %. From 310.00 net to 315.00 including tax, on the 11th: 21 of 31 days.

        credit       210.00 net,        with tax   237.30
        new          213.39 with tax  (315 x 21 / 31 = 213.387)

        The fee is higher but the total is lower. An invoice cannot be negative, so the change is
        scheduled.
        """
        firm = await story.firm(tax_ppm=130_000)
        await firm.subscribe(await story.plan(GROWTH))
        story.clock.set(2026, 10, 11)
        shelf = SCALE.replace('"620.00"', '"315.00"\ntax_inclusive = true')
        change = await firm.change(await story.plan(shelf))
        assert change.invoices == ()
        assert change.phase.starts_at == story.clock.at(2026, 11, 1)

    async def test_lower_net_fee_is_scheduled_and_higher_net_fee_is_invoiced(
        self, story: Story
    ) -> None:
        """From 315.00 including tax to 310.00 net (350.30 with tax): the fee is lower, so the
        change is scheduled.

        To 316.00 net: 214.06 and 27.83 tax, less 213.39 with tax: 28.50 is invoiced.
        """
        firm = await story.firm(tax_ppm=130_000)
        shelf = SCALE.replace('"620.00"', '"315.00"\ntax_inclusive = true')
        await firm.subscribe(await story.plan(shelf))
        story.clock.set(2026, 10, 11)
        assert not (await firm.preview(await story.plan(GROWTH))).now
        change = await firm.change(await story.plan(GROWTH.replace("310.00", "316.00")))
        assert [firm.text(one.total) for one in change.invoices] == ["28.50"]


class TestPeriodCloseByPlanChange:
    async def test_draft_invoice_of_the_change_includes_calls_aggregated_later(
        self, story: Story
    ) -> None:
        """A job's clock was ahead, so the totals seem up to date until next year. The change drafts
        October's invoice, and a call aggregated later is still added to that invoice."""
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


class TestPlanChangeLocks:
    @pytest.mark.parametrize("action", ["start", "change", "cancel", "pay"])
    async def test_access_epoch_is_locked_after_the_account_limits(
        self, story: Story, action: str
    ) -> None:
        """Another transaction locks the account's limits and then advances the epoch. Billing
        waits for the limits and must not hold the lock of the epoch meanwhile."""
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
