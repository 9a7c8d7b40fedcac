"""Plan sales: plan versions and the number of accounts on each."""

from billing.reports.plan_sales import list_plan_sales
from billing.subscriptions.plans import publish_plan
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Story


class TestPlanSales:
    async def test_plan_versions_are_listed_with_offer_state_and_account_count(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        first = await story.plan(GROWTH)
        await firm.subscribe(first)
        await story.plan(GROWTH.replace("310.00", "320.00"))
        hidden = await story.plan(GROWTH.replace('plan = "growth"', 'plan = "hidden"'))
        async with story.database.transaction() as session:
            before = await list_plan_sales(session, story.clock.now())
            terms = next(one.terms for one in before if one.version.id == hidden.id)
            await publish_plan(session, story.clock, terms, listed=False)
            rows = await list_plan_sales(session, story.clock.now())
        told = [
            (one.version.plan, one.version.number, one.offered, one.newest, one.accounts)
            for one in rows
        ]
        assert told == [
            ("growth", 2, True, True, 0),
            ("growth", 1, False, False, 1),
            ("hidden", 1, False, True, 0),
            ("list", 1, False, True, 0),
        ]
        assert [one.listing for one in rows] == [False, False, False, True]
