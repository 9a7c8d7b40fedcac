"""Replay: every stored decision is decided again; differences are found."""

from billing.credit.policy_file import parse_policy_file
from billing.credit.replay import find_difference, replay_decisions
from billing.tables import CreditDecision
from tests.support.billing.credit import STANDARD, assign, decide_all, decisions, next_day, publish
from tests.support.stories.story import Story

POLICY = parse_policy_file(STANDARD)


async def test_replay_of_unchanged_decisions_finds_no_difference(story: Story) -> None:
    firm, other = await story.firm(), await story.firm("Other")
    await publish(story)
    await assign(firm)
    await assign(other)
    await decide_all(story)
    await next_day(story)
    async with story.database.transaction() as session:
        result = await replay_decisions(session)
        own = await replay_decisions(session, firm.account.id)
    assert (result.decisions, own.decisions, result.differences) == (4, 2, ())


async def test_each_change_of_a_decision_is_found(story: Story) -> None:
    firm = await story.firm()
    await publish(story)
    await assign(firm)
    await decide_all(story)
    (row,) = await decisions(firm)
    assert find_difference(row, POLICY, 1) is None
    for field, value, problem in (
        ("decided", 501_00, "another limit was decided"),
        ("earned", 1, "another limit was decided"),
        ("reasons", [], "other reasons were stored"),
        ("granted", 1, "another limit was granted"),
        ("policy_version_id", firm.account.id, "the policy's rules do not match its id"),
    ):
        changed = CreditDecision(**{**row.model_dump(), field: value})
        found = find_difference(changed, POLICY, 1)
        assert found is not None
        assert (found.problem, found.expected) == (problem, 500_00)
