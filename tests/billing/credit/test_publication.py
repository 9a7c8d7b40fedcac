"""Preview of a credit policy: its accounts, their limits now and by the new rules."""

from billing.credit.policy_file import parse_policy_file
from billing.credit.publication import PolicyPublication, preview_policy
from tests.support.billing.credit import STANDARD, assign, decide_all, publish
from tests.support.stories.story import Story

HIGHER = STANDARD.replace('starting = "500.00"', 'starting = "600.00"')


async def preview(story: Story, text: str = STANDARD) -> PolicyPublication:
    async with story.database.transaction() as session:
        return await preview_policy(session, parse_policy_file(text), story.clock.now())


async def test_first_version_has_number_one_and_no_account(story: Story) -> None:
    await story.firm()
    found = await preview(story)
    assert (found.number, found.is_new, found.account_count) == (1, True, 0)


async def test_limits_now_and_by_the_new_rules_are_those_of_the_accounts_with_the_policy(
    story: Story,
) -> None:
    firm, other = await story.firm("Acme"), await story.firm("Other")
    await publish(story)
    await assign(firm)
    await decide_all(story)
    same = await preview(story)
    assert (same.number, same.is_new, same.account_count) == (1, False, 1)
    found = await preview(story, HIGHER)
    (one,) = found.accounts
    assert (found.number, found.is_new) == (2, True)
    assert (one.account_id, one.name) == (firm.account.id, "Acme")
    assert (one.limit, one.new_limit) == (500_00, 600_00)
    await publish(story, HIGHER)
    await assign(other, "standard")
    story.clock.pass_(days=1)
    assert await decide_all(story) == 2
    assert [row.limit for row in (await preview(story, HIGHER)).accounts] == [600_00, 600_00]


async def test_accounts_of_another_currency_or_without_the_policy_are_not_affected(
    story: Story,
) -> None:
    firm = await story.firm()
    await publish(story)
    await assign(firm)
    dollars = STANDARD.replace('currency = "CNY"', 'currency = "USD"')
    assert (await preview(story, dollars)).account_count == 0
    await assign(firm, "none")
    assert (await preview(story)).account_count == 0
