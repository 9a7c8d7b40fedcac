"""Replay: every stored decision is decided again; differences are found."""

from dataclasses import dataclass

import pytest

from billing.credit.facts import parse_facts
from billing.credit.policy_file import parse_policy_file
from billing.credit.replay import find_difference, replay_decisions
from billing.tables import CreditDecision
from tests.support.billing.credit import STANDARD, assign, decide_all, decisions, next_day, publish
from tests.support.stories.story import Story

POLICY = parse_policy_file(STANDARD)


@dataclass(frozen=True)
class Change:
    """A change of a stored decision, and the problem that it is found as."""

    field: str
    value: object
    problem: str


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


@pytest.mark.parametrize(
    "change",
    [
        Change("decided", 501_00, "another limit was decided"),
        Change("earned", 1, "another limit was decided"),
        Change("reasons", [], "other reasons were stored"),
        Change("granted", 1, "another limit was granted"),
    ],
)
async def test_changed_decision_is_found(story: Story, change: Change) -> None:
    firm = await story.firm()
    await publish(story)
    await assign(firm)
    await decide_all(story)
    (row,) = await decisions(firm)
    assert find_difference(row, POLICY, 1) is None
    setattr(row, change.field, change.value)
    found = find_difference(row, POLICY, 1)
    assert found is not None
    assert (found.problem, found.expected) == (change.problem, 500_00)


async def test_rules_that_do_not_match_their_id_are_found(story: Story) -> None:
    firm = await story.firm()
    await publish(story)
    await assign(firm)
    await decide_all(story)
    (row,) = await decisions(firm)
    row = CreditDecision(**{**row.model_dump(), "policy_version_id": firm.account.id})
    found = find_difference(row, POLICY, 1)
    assert found is not None
    assert found.problem == "the policy's rules do not match its id"
    assert parse_facts(row.inputs).currency == "CNY"
