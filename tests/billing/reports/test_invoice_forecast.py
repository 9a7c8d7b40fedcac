"""Forecast of the current period's invoice total."""

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.profiles import get_profile
from billing.invoice_documents.builder import build_invoice_preview
from billing.invoices.usage_position import load_usage_position
from billing.reports.invoice_forecast import InvoiceForecast, forecast_invoice
from infra.database.database import Database
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


async def foreseen(firm: Firm) -> InvoiceForecast | None:
    clock = firm.story.clock
    async with firm.story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        return await forecast_invoice(
            session, await load_usage_position(session, profile, clock.now())
        )


async def so_far(firm: Firm) -> int:
    async with firm.story.database.transaction() as session:
        return (await build_invoice_preview(session, firm.story.clock, firm.account.id)).total


async def daily(firm: Firm, first: int, last: int, **units: int) -> None:
    """Record the same call at noon of each day from `first` to `last` October."""
    for day in range(first, last + 1):
        await firm.use("llm", firm.story.clock.at(2026, 10, day, 12), **units)


class TestForecastWithoutPlan:
    async def test_constant_daily_usage_is_extrapolated(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await daily(firm, 1, 10, output_tokens=1_000_000)
        story.clock.set(2026, 10, 11)
        await story.counts()
        # Two yuan a day: ten days so far, and 21 to come.
        assert await so_far(firm) == 2_000
        assert await foreseen(firm) == InvoiceForecast(6_200, 6_200, 6_200)

    async def test_varying_daily_usage_has_a_range(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await daily(firm, 1, 5, output_tokens=1_000_000)
        await daily(firm, 6, 10, output_tokens=3_000_000)
        story.clock.set(2026, 10, 11)
        await story.counts()
        found = await foreseen(firm)
        assert found is not None
        assert found.middle == 4_000 + 21 * 400
        assert await so_far(firm) < found.low < found.middle < found.high

    async def test_two_days_of_usage_give_no_forecast(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await daily(firm, 1, 2, output_tokens=1_000_000)
        story.clock.set(2026, 10, 3)
        await story.counts()
        assert await foreseen(firm) is None

    async def test_new_period_is_forecast_from_the_previous_month(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await daily(firm, 1, 31, output_tokens=1_000_000)
        await story.until(2026, 11, 1)
        assert await so_far(firm) == 0
        assert await foreseen(firm) == InvoiceForecast(6_000, 6_000, 6_000)

    async def test_account_without_price_list_has_no_forecast(self, database: Database) -> None:
        story = Story(database)
        terms = AccountLimits(10**9, None, None, None)
        async with database.transaction() as session:
            account = await open_account(session, story.clock, "Acme", "CNY", terms)
        assert await foreseen(Firm(story, account, account.id)) is None

    async def test_days_without_calls_lower_the_forecast(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await daily(firm, 1, 1, output_tokens=10_000_000)
        story.clock.set(2026, 10, 11)
        await story.counts()
        found = await foreseen(firm)
        assert found is not None
        assert found.middle == 2_000 + 21 * 200


class TestForecastWithPlan:
    async def test_forecast_charges_usage_beyond_included_units(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        await firm.subscribe(await story.plan(GROWTH))
        await daily(firm, 1, 10, output_tokens=20_000)
        story.clock.set(2026, 10, 11)
        await story.counts()
        # 31 days of 20,000 are twice what is included; the next fee falls due at the end.
        assert await so_far(firm) == 31_000
        found = await foreseen(firm)
        assert found is not None
        assert found.middle == 31_000 + 62

    async def test_earlier_usage_of_a_model_without_plan_price_is_not_extrapolated(
        self, database: Database
    ) -> None:
        story = Story(database)
        firm = await story.firm()
        only_vib = GROWTH.replace("list_prices = true", "").replace("llm", "vib")
        only_vib = only_vib.replace("output_tokens", "rows").replace("310_000", "10")
        price = '[[price]]\nmodel = "vib"\nmeter = "rows"\nprice = "0.01"\n'
        await daily(firm, 1, 5, output_tokens=1_000_000)
        story.clock.set(2026, 10, 6)
        await firm.subscribe(await story.plan(only_vib + price))
        await daily(firm, 6, 10, output_tokens=1_000_000)
        story.clock.set(2026, 10, 11)
        await story.counts()
        found = await foreseen(firm)
        assert found is not None
        assert found.middle == await so_far(firm) + 21 * 200

    async def test_model_without_any_price_gives_no_forecast(self, database: Database) -> None:
        story = Story(database)
        firm = await story.firm()
        price = '[[price]]\nmodel = "own"\nmeter = "rows"\nprice = "0.01"\n'
        await firm.subscribe(await story.plan(GROWTH + price))
        for day in range(1, 6):
            await firm.use("own", story.clock.at(2026, 10, day, 12), rows=100)
        story.clock.set(2026, 10, 31)
        await firm.cancel(at_end=False)
        await story.until(2026, 11, 1)
        assert await foreseen(firm) is None
