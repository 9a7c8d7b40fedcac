"""Usage per model over all accounts."""

from billing.reports.model_usage import count_open_calls, load_usage_by_model
from billing.tables import Settlement
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.plan_texts import MAX
from tests.support.stories.story import Story


class TestModelUsage:
    async def test_usage_since_a_time_is_summed_per_model(self, story: Story) -> None:
        cny, usd = await story.firm("A"), await story.firm("B", "USD")
        at = story.clock.at
        await cny.use("vib", at(2026, 10, 3, 9), rows=7)
        await cny.use("vib", at(2026, 10, 12, 10), rows=3)
        await usd.use("vib", at(2026, 10, 12, 11), rows=2)
        fault = Settlement.PLATFORM_FAULT
        await usd.use("vib", at(2026, 10, 12, 12), settlement=fault, rows=100)
        await cny.use("llm", at(2026, 10, 12, 12), settlement=Settlement.REFUSED)
        story.clock.set(2026, 10, 13)
        await story.counts()
        async with story.database.transaction() as session:
            found = await load_usage_by_model(session, at(2026, 10, 12, 10))
        assert set(found) == {"vib"}
        use = found["vib"]
        assert (use.calls, use.faults, use.quantities.rows) == (3, 1, 5)
        assert use.costs == {"CNY": 3_000_000, "USD": 2_000_000}

    async def test_calls_of_all_service_tiers_are_summed_under_the_base_model(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(f'{MAX}[[tier]]\nname = "priority"\npercent = 150'))
        since = story.clock.now()
        await firm.use("llm", output_tokens=400_000)
        await firm.use("llm", output_tokens=1_000, tier="priority")
        await story.counts()
        async with story.database.transaction() as session:
            found = await load_usage_by_model(session, since)
        assert set(found) == {"llm"}
        assert (found["llm"].calls, found["llm"].quantities.output_tokens) == (2, 401_000)
        # 400,000 tokens at 2,000 nano-units, and 1,000 at 3,000.
        assert found["llm"].costs == {"CNY": 803_000_000}

    async def test_open_calls_are_counted_per_model(self, story: Story) -> None:
        firm = await story.firm()
        await sql(
            story.database,
            "insert into intent (request_id, process_id, account_id, key_id, operation, model, "
            "streamed, held_nano, currency, started_at) "
            "values (:id, :id, :of, :id, 'chat', 'llm', false, 0, 'CNY', now())",
            id=ids.new_id(),
            of=firm.account.id,
        )
        async with story.database.transaction() as session:
            assert await count_open_calls(session) == {"llm": 1}
