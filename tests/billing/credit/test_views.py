"""Credit as JSON for the API, and what an operator may set beside a policy."""

from datetime import timedelta

import pytest

from billing.credit.deposits import list_deposit_movements, receive_deposit
from billing.credit.errors import CreditPolicyApplies
from billing.credit.evaluation import list_decisions
from billing.credit.fixed_limits import set_fixed_limit
from billing.credit.guarantees import add_guarantee
from billing.credit.policies import list_policy_versions
from billing.credit.views import (
    decision_to_json,
    deposit_to_json,
    load_standing,
    policy_to_json,
    standing_to_json,
)
from tests.support.billing.credit import assign, bill_rows, decide_all, next_day, publish
from tests.support.stories.story import Firm, Story


async def standing(firm: Firm) -> dict[str, object]:
    async with firm.story.database.transaction() as session:
        now = firm.story.clock.now()
        return standing_to_json(await load_standing(session, firm.account.id, now))


async def with_policy(story: Story) -> Firm:
    firm = await story.firm(net_days=0, credit="200")
    await publish(story)
    await assign(firm)
    return firm


async def test_fixed_limit_has_no_reasons(story: Story) -> None:
    firm = await story.firm(credit="200")
    shown = await standing(firm)
    assert (shown["limit"], shown["policy"], shown["reasons"]) == ("200.00", None, [])
    assert (shown["next_raise"], shown["refusal"], shown["suspend_day"]) == (None, None, 15)


async def test_policy_shows_reasons_and_what_is_missing(story: Story) -> None:
    firm = await with_policy(story)
    await decide_all(story)
    shown = await standing(firm)
    assert shown["reasons"] == [{"code": "starting", "limit": "500.00"}]
    assert shown["next_raise"] == {"limit": "1000.00", "missing": {"paid_on_time": 2}}
    assert shown["frozen"] is False


async def test_lowered_limit_names_days_and_percentage(story: Story) -> None:
    firm = await with_policy(story)
    await bill_rows(firm, 40_000, 2026, 11, 1)
    await next_day(story, 12)
    shown = await standing(firm)
    assert shown["frozen"] is True
    assert shown["reasons"] == [
        {"code": "starting", "limit": "500.00"},
        {"code": "lowered", "days_overdue": 12, "percent": "50", "limit": "250.00"},
        {"code": "frozen", "rule": "days_overdue", "value": 12},
    ]


async def test_securities_decisions_and_policies_are_shown(story: Story) -> None:
    firm = await with_policy(story)
    async with story.database.transaction() as session:
        place = (session, story.clock, firm.account.id)
        await receive_deposit(*place, 12_34, "dep-1")
        until = story.clock.now() + timedelta(days=9)
        await add_guarantee(*place, "Bank", 50_00, until, "g-1")
    shown = await standing(firm)
    assert shown["deposit"] == "12.34"
    assert [one["status"] for one in shown["guarantees"]] == ["valid"]  # type: ignore[attr-defined]
    async with story.database.transaction() as session:
        newest, oldest = await list_decisions(session, firm.account.id, 9)
        older = await list_decisions(session, firm.account.id, 9, newest.id)
        (movement,) = await list_deposit_movements(session, firm.account.id)
        (version,) = await list_policy_versions(session)
    assert [row.id for row in older] == [oldest.id]
    decided = decision_to_json(oldest, "CNY")
    assert (decided["event"], decided["previous_limit"], decided["limit"]) == (
        "deposit",
        "200.00",
        "512.34",
    )
    assert deposit_to_json(movement, "CNY")["reference"] == "dep-1"
    assert policy_to_json(version)["number"] == 1


async def test_refusal_shows_no_figures_of_the_book(story: Story) -> None:
    firm = await with_policy(story)
    await decide_all(story)
    async with story.database.transaction() as session:
        (row,) = await list_decisions(session, firm.account.id, 1)
    row.refusal = {"code": "exposure", "scope": "currency", "limit": 1, "exposure": 2}
    assert decision_to_json(row, "CNY")["refusal"] == {"code": "exposure"}


async def test_fixed_limit_is_refused_while_a_policy_applies(story: Story) -> None:
    firm = await with_policy(story)
    async with story.database.transaction() as session:
        with pytest.raises(CreditPolicyApplies):
            await set_fixed_limit(session, story.clock, firm.account.id, 10**9)
    await assign(firm, "none")
    async with story.database.transaction() as session:
        await set_fixed_limit(session, story.clock, firm.account.id, 10**9)
    assert await firm.credit() == "1"
