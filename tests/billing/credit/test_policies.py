"""Policy versions and which one is in force for an account."""

from datetime import timedelta

import pytest

from billing.credit.errors import CreditPolicyInvalid, CreditPolicyNotFound
from billing.credit.policies import (
    find_policy_in_force,
    find_policy_version,
    list_policy_versions,
    load_policy,
    publish_policy,
)
from billing.credit.policy_file import parse_policy_file
from tests.support.billing.credit import STANDARD, assign, publish
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

HIGHER = STANDARD.replace('starting = "500.00"', 'starting = "600.00"')
WITH_POLICY = GROWTH.replace("[[", '[payment]\ncredit_policy = "standard"\n\n[[', 1)


async def in_force(firm: Firm) -> str | None:
    """The starting limit of the policy in force."""
    async with firm.story.database.transaction() as session:
        found = await find_policy_in_force(session, firm.account.id, firm.story.clock.now())
        if found is None:
            return None
        return firm.text((await load_policy(session, found.version_id)).starting)


class TestVersions:
    async def test_versions_are_numbered_and_earlier_rules_can_be_published_again(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        first, again, second = [await publish(story, text) for text in (STANDARD, STANDARD, HIGHER)]
        assert (first.id, first.number, second.number) == (again.id, 1, 2)
        await assign(firm)
        assert await in_force(firm) == "600.00"
        third = await publish(story)
        assert await in_force(firm) == "500.00"
        async with story.database.transaction() as session:
            assert [row.number for row in await list_policy_versions(session)] == [1, 2, 3]
            newest = await find_policy_version(session, "standard", "CNY")
            oldest = await find_policy_version(session, "standard", "CNY", 1)
        assert (newest.id, oldest.id) == (third.id, first.id)

    async def test_unknown_policy_raises(self, story: Story) -> None:
        firm = await story.firm()
        with pytest.raises(CreditPolicyNotFound, match="'standard' in CNY"):
            await assign(firm)

    async def test_version_applies_from_its_time_on(self, story: Story) -> None:
        firm = await story.firm()
        await publish(story)
        await assign(firm)
        async with story.database.transaction() as session:
            at = story.clock.now() + timedelta(days=5)
            await publish_policy(session, story.clock, parse_policy_file(HIGHER), at)
        assert await in_force(firm) == "500.00"
        story.clock.pass_(days=5)
        assert await in_force(firm) == "600.00"

    async def test_version_in_the_past_is_refused(self, story: Story) -> None:
        async with story.database.transaction() as session:
            at = story.clock.now() - timedelta(seconds=1)
            with pytest.raises(CreditPolicyInvalid, match="not in the past"):
                await publish_policy(session, story.clock, parse_policy_file(STANDARD), at)


class TestAssignment:
    async def test_plan_names_the_policy_of_its_accounts(self, story: Story) -> None:
        firm = await story.firm()
        await publish(story)
        assert await in_force(firm) is None
        await firm.subscribe(await story.plan(WITH_POLICY))
        assert await in_force(firm) == "500.00"

    async def test_own_assignment_comes_before_the_plan(self, story: Story) -> None:
        firm = await story.firm()
        await publish(story)
        await publish(story, HIGHER.replace('"standard"', '"strict"'))
        await firm.subscribe(await story.plan(WITH_POLICY))
        await assign(firm, "strict")
        assert await in_force(firm) == "600.00"
        await assign(firm, "none")
        assert await in_force(firm) is None
        await assign(firm, None)
        assert await in_force(firm) == "500.00"

    async def test_policy_in_another_currency_does_not_apply(self, story: Story) -> None:
        firm = await story.firm(currency="EUR")
        await publish(story)
        with pytest.raises(CreditPolicyNotFound, match="in EUR"):
            await assign(firm)
