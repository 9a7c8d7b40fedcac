"""Exposure limits of the whole book: raises and guarantees that exceed one are refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from billing.credit.errors import ExposureLimitInvalid
from billing.credit.evaluation import evaluate_credit
from billing.credit.exposure import load_book, load_scopes, set_exposure_limit
from billing.credit.guarantees import add_guarantee, guarantee_state
from tests.support.billing.credit import (
    assign,
    bill_rows,
    decide_all,
    decisions,
    granted,
    next_day,
    publish,
)
from tests.support.billing.making import until_somebody_waits
from tests.support.stories.story import Firm, Story


async def limit(story: Story, minor: int | None, scope: str = "currency", of: str = "") -> None:
    async with story.database.transaction() as session:
        await set_exposure_limit(session, scope, of, "CNY", minor)


async def two_firms(story: Story, credit: str = "200") -> tuple[Firm, Firm]:
    """Two firms with the policy `standard` and no decision yet."""
    await publish_firms(story)
    firms = [await story.firm(name, credit=credit, net_days=0) for name in ("One", "Two")]
    for firm in firms:
        await assign(firm)
    return firms[0], firms[1]


async def in_transaction(story: Story, *place: Any) -> None:
    async with story.database.transaction() as session:
        await evaluate_credit(session, *place)


async def publish_firms(story: Story) -> None:
    await story.firm("Fixed", credit="100")
    await publish(story)


class TestRaises:
    async def test_raise_above_the_currency_limit_is_refused_and_recorded(
        self, story: Story
    ) -> None:
        """100 fixed + 500 + 200 = 800.00 are allowed; the second raise would make it 1,100.00."""
        one, two = await two_firms(story)
        await limit(story, 800_00)
        await decide_all(story)
        kept = [await granted(firm) for firm in (one, two)]
        assert sorted(kept) == [["200.00"], ["500.00"]]
        refused = one if kept[0] == ["200.00"] else two
        (row,) = await decisions(refused)
        assert row.refusal == {
            "code": "exposure",
            "scope": "currency",
            "subject": "",
            "limit": 800_00,
            "exposure": 1100_00,
        }
        assert await refused.credit() == "200"
        await limit(story, None)
        await next_day(story)
        assert await refused.credit() == "500"

    async def test_concurrent_raises_cannot_exceed_together(self, story: Story) -> None:
        """Both would fit alone: 100 + 500 + 200 = 800.00. The second waits, and sees the first."""
        one, two = await two_firms(story)
        await limit(story, 900_00)
        place = (story.clock, two.account.id, "second")
        async with asyncio.TaskGroup() as group, story.database.transaction() as session:
            await evaluate_credit(session, story.clock, one.account.id, "first")
            group.create_task(in_transaction(story, *place))
            await until_somebody_waits(session)
        assert (await granted(one), await granted(two)) == (["500.00"], ["200.00"])

    async def test_policy_limit_counts_its_accounts_only(self, story: Story) -> None:
        one, two = await two_firms(story)
        await limit(story, 1000_00, "policy", "standard")
        await decide_all(story)
        assert (await granted(one), await granted(two)) == (["500.00"], ["500.00"])

    async def test_lower_limit_is_never_refused(self, story: Story) -> None:
        one, _ = await two_firms(story, credit="900")
        await limit(story, 0)
        await decide_all(story)
        assert await granted(one) == ["500.00"]


class TestReport:
    async def test_book_lists_the_largest_exposure_first(self, story: Story) -> None:
        """Of 300.00 owed at a limit of 200.00 the exposure is what is owed."""
        _, two = await two_firms(story)
        await bill_rows(two, 300_000, 2026, 11, 1)
        async with story.database.transaction() as session:
            book = await load_book(session, "CNY", story.clock.now())
        assert [(row.account_name, row.exposure, row.policy) for row in book] == [
            ("Two", 300_00, "standard"),
            ("One", 200_00, "standard"),
            ("Fixed", 100_00, None),
        ]

    async def test_scopes_show_exposure_and_limit(self, story: Story) -> None:
        one, _ = await two_firms(story)
        await limit(story, 5000_00)
        await limit(story, 60_00, "guarantor", "Bank")
        for amount, reference in ((60_00, "a"), (1, "b")):
            async with story.database.transaction() as session:
                until = story.clock.now() + timedelta(days=9)
                place = (session, story.clock, one.account.id)
                last = await add_guarantee(*place, "Bank", amount, until, reference)
        assert guarantee_state(last, story.clock.now()) == "refused"
        assert last.refusal is not None
        assert last.refusal["exposure"] == 60_01
        async with story.database.transaction() as session:
            scopes = await load_scopes(session, story.clock.now())
        # One was decided with half of the guarantee: 500.00 + 30.00.
        assert [(one.scope.value, one.subject, one.exposure, one.limit) for one in scopes] == [
            ("currency", "", 830_00, 5000_00),
            ("guarantor", "Bank", 60_00, 60_00),
            ("policy", "standard", 730_00, None),
        ]

    async def test_invalid_limit_raises_and_removing_an_unknown_one_changes_nothing(
        self, story: Story
    ) -> None:
        await limit(story, None, "policy", "standard")
        async with story.database.transaction() as session:
            for scope, of, currency, minor in (
                ("account", "x", "CNY", 1),
                ("currency", "x", "CNY", 1),
                ("policy", "", "CNY", 1),
                ("currency", "", "yuan", 1),
                ("currency", "", "CNY", -1),
            ):
                with pytest.raises(ExposureLimitInvalid):
                    await set_exposure_limit(session, scope, of, currency, minor)
            assert await load_scopes(session, story.clock.now()) == []
