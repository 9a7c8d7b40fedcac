"""Available credit: credit limit and wallet, less unpaid invoices and uninvoiced usage."""

import asyncio

import pytest
from sqlalchemy import text

from billing.accounts.accounts import create_account
from billing.accounts.profiles import DEFAULT_PROFILE, create_profile, get_profile, lock_profile
from billing.invoices.available_credit import refresh_account_credit, sum_uninvoiced_usage
from billing.subscriptions.usage_totals import aggregate_usage
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import sql, until_somebody_waits
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

FLAT = """
plan = "flat"
names = { en = "Flat", zh = "包月版" }
currency = "CNY"
minimum = "40.00"

[[price]]
model = "vib"
meter = "rows"
kind = "graduated"
tiers = [{ up_to = 1_000, price = "0.01" }, { price = "0.001", flat = "5.00" }]

[[discount]]
percent = "10"
"""


async def refresh(firm: Firm) -> None:
    async with firm.story.database.transaction() as session:
        await lock_profile(session, firm.account.id)
        await refresh_account_credit(session, firm.story.clock, firm.account.id)


class TestCreditRefresh:
    async def test_repeated_refresh_creates_no_credit_entry(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await firm.tops_up("10.00", "topup-1")
        entries = await sql(story.database, "select id from credit_entry order by id")
        await refresh(firm)
        assert await sql(story.database, "select id from credit_entry order by id") == entries
        assert await firm.credit() == "110"

    async def test_unaggregated_included_usage_reduces_credit_until_aggregation(
        self, story: Story
    ) -> None:
        """200,000 included tokens reduce credit by 0.40 until they are aggregated, even if credit
        is refreshed meanwhile."""
        firm = await story.firm(credit="100")
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("llm", output_tokens=200_000)
        await refresh(firm)
        assert await firm.credit() == "99.6"
        await story.counts()
        assert await firm.credit() == "100"

    async def test_discounted_flat_fee_of_next_tier_reduces_credit(self, story: Story) -> None:
        """Discount 10 %. The flat fee of the second tier, 5.00 less 10 %, is held in advance.

            no usage                            100 - 4.50                      95.50
            1,000 rows: 10.00 x 0.9             100 - 9.00 - 4.50               86.50
            1,001 rows: (10.00 + 0.001 + 5.00) x 0.9 = 13.5009                  86.4991

        The minimum of 40.00 counts only after the end of the month: then 26.50 more are owed.
        """
        firm = await story.firm(credit="100")
        await firm.subscribe(await story.plan(FLAT))
        assert await firm.credit() == "95.5"
        await firm.use("vib", rows=1_000)
        await story.counts()
        assert await firm.credit() == "86.5"
        await firm.use("vib", rows=1)
        await story.counts()
        assert await firm.credit() == "86.4991"
        await story.until(2026, 11, 1, 1)
        # 40.00 are owed and 4.50 of the next month are held.
        assert await firm.credit() == "55.5"
        assert await story.differences() == ()

    async def test_debt_over_credit_limit_gives_negative_credit(self, story: Story) -> None:
        """Available credit is negative, so every call is rejected."""
        firm = await story.firm(credit="10")
        await firm.use("vib", rows=30_000)
        await story.until(2026, 11, 1, 1)
        assert await firm.credit() == "-20"
        await firm.pays_all()
        assert await firm.credit() == "10"

    async def test_unlimited_account_stays_unlimited_after_top_up(self, story: Story) -> None:
        async with story.database.transaction() as session:
            account = await create_account(session, story.clock, "Acme", "CNY")
            await create_profile(session, account.id, DEFAULT_PROFILE)
        firm = Firm(story, account, ids.new_id())
        await firm.tops_up("10.00", "topup-1")
        assert await sql(story.database, "select 1 from credit_entry") == []
        assert await sql(story.database, "select 1 from quota where amount is not null") == []

    async def test_wallet_counts_in_full_for_tax_inclusive_prices(self, story: Story) -> None:
        """A wallet of 11.30 pays 11.30 at prices with 13 % tax included, 10.00 at net prices."""
        firm = await story.firm(credit="0", tax_ppm=130_000)
        await firm.tops_up("11.30", "topup-1")
        assert await firm.credit() == "10"
        shelf = GROWTH.replace("list_prices", "tax_inclusive = true\nlist_prices")
        await firm.subscribe(await story.plan(shelf.replace("310.00", "0")))
        assert await firm.credit() == "11.3"

    async def test_unpaid_usage_without_tax_is_rounded_up(self, story: Story) -> None:
        """1.00 of usage, 0.06 of tax. 0.99 are paid, 0.07 owed: 0.07 / 1.06 = 0.066 -> 0.07."""
        firm = await story.firm(credit="10", tax_ppm=60_000)
        await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "0.99")
        assert await firm.credit() == "9.93"

    async def test_usage_aggregated_during_refresh_keeps_account_marked_stale(
        self, story: Story, database_url: str
    ) -> None:
        """A refresh waits for a lock on the quotas while usage is aggregated. The account stays
        marked, so that the next run refreshes it again."""
        firm = await story.firm(credit="100")
        await story.counts()
        await firm.use("vib", rows=1_000)
        operator = Database(database_url, pool_size=1)
        async with operator.transaction() as session:
            await session.execute(text("select id from quota for update"))
            waiting = asyncio.create_task(refresh(firm))
            await until_somebody_waits(session)
            async with story.database.transaction() as counting:
                await aggregate_usage(counting, story.clock)
        await waiting
        await operator.close()
        marked = "select account_id from stale_credit"
        assert await sql(story.database, marked) == [(firm.account.id,)]
        await story.counts()
        assert await sql(story.database, marked) == []


class TestSpendCap:
    async def test_flat_fee_of_next_tier_reduces_credit(self, story: Story) -> None:
        """Cap 20.00, credit limit 100.00: 20.00 - 4.50 for the second tier = 15.50."""
        firm = await story.firm(credit="100")
        capped = FLAT.replace('minimum = "40.00"', 'spend_cap = "20.00"')
        await firm.subscribe(await story.plan(capped))
        assert await firm.credit() == "15.5"
        await firm.use("vib", rows=1_000)
        await story.counts()
        assert await firm.credit() == "6.5"

    async def test_zero_cap_leaves_zero_credit(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        capped = GROWTH.replace("list_prices", 'spend_cap = "0"\nlist_prices')
        await firm.subscribe(await story.plan(capped))
        assert await firm.credit() == "0"

    async def test_cancelled_plan_removes_cap(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        capped = GROWTH.replace("list_prices", 'spend_cap = "1.00"\nlist_prices')
        await firm.subscribe(await story.plan(capped))
        assert await firm.credit() == "1"
        story.clock.set(2026, 10, 2)
        await firm.cancel(at_end=False)
        assert await firm.credit() == "100"


class TestUninvoicedUsage:
    @pytest.mark.parametrize(
        ("at", "minor"),
        [
            ((2026, 10, 20), 9_54),  # 1,000 rows: 9.00, and 6 % of tax
            ((2026, 11, 1, 0, 10), 42_40),  # the month is over: its minimum of 40.00, and tax
        ],
        ids=["in the month", "after it"],
    )
    async def test_sum_includes_tax_and_the_minimum_after_period_end(
        self, story: Story, at: tuple[int, ...], minor: int
    ) -> None:
        firm = await story.firm(tax_ppm=60_000)
        await firm.subscribe(await story.plan(FLAT))
        await firm.use("vib", rows=1_000)
        await story.counts()
        story.clock.set(*at)
        async with story.database.transaction() as session:
            profile = await get_profile(session, firm.account.id)
            assert await sum_uninvoiced_usage(session, profile, story.clock.now()) == minor
