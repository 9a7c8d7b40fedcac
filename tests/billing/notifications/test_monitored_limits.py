"""Monitored limits: spend cap, included units, credit and budgets, also after plan changes."""

from datetime import UTC, datetime

import pytest

from billing.accounts.profiles import lock_profile
from billing.invoices.usage_position import load_usage_position
from billing.metering.quotas import set_budget
from billing.money import nano_from_text
from billing.notifications.alerts import enqueue_alerts
from billing.notifications.monitored_limits import MonitoredLimit, load_monitored_limits
from billing.tables import PlanVersion
from tests.support.billing.making import make_key, sql
from tests.support.stories.capped_plans import BASIC, LARGE, TRIAL
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Firm, Story


async def plans(story: Story) -> tuple[PlanVersion, PlanVersion]:
    return await story.plan(BASIC), await story.plan(LARGE)


async def watched(story: Story, firm: Firm) -> list[MonitoredLimit]:
    async with story.database.transaction() as session:
        profile = await lock_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, story.clock.now())
        return await load_monitored_limits(session, position)


async def money(story: Story, firm: Firm, kind: str = "cap") -> list[tuple[str, str]]:
    """(used, amount) of each monitored limit of a kind, with two decimals."""
    return [
        (one.text(one.used)[:-7], one.text(one.amount)[:-7])
        for one in await watched(story, firm)
        if one.kind == kind
    ]


async def told(story: Story) -> list[tuple[str, int, str]]:
    """Subjects of all alert e-mails, in the order of sending."""
    rows = await sql(
        story.database,
        "select action, payload from outbox where action = 'email' order by created_at, id",
    )
    return [row.payload["subject"] for row in rows]


class TestSpendCapAfterPlanChange:
    async def test_upgrade_applies_the_new_cap_at_once(self, story: Story) -> None:
        firm, (basic, large) = await story.firm(), await plans(story)
        await firm.subscribe(basic)
        await firm.use("vib", rows=3_000)
        await story.counts()
        assert await money(story, firm) == [("3.00", "50.00")]
        story.clock.set(2026, 10, 11)
        await firm.change(large)
        assert await money(story, firm) == [("3.00", "200.00")]

    async def test_upgrade_alerts_use_thresholds_of_the_new_cap(self, story: Story) -> None:
        """45.00 of 50.00 crosses 50 and 80 %; of 200.00 it crosses none, and 100.00 is 50 %."""
        firm, (basic, large) = await story.firm(locale="en"), await plans(story)
        await firm.billed(email="pay@acme.example")
        await firm.subscribe(basic)
        await firm.use("vib", rows=45_000)
        await story.counts()
        story.clock.set(2026, 10, 11)
        await firm.change(large)
        await firm.use("vib", rows=6_000)
        await story.counts()
        caps = [one for one in await told(story) if "spend cap" in one]
        assert caps == [
            "Usage alert: 50% of the spend cap used",
            "Usage alert: 80% of the spend cap used",
        ]
        await firm.use("vib", rows=50_000)
        await story.counts()
        await story.counts()
        caps = [one for one in await told(story) if "spend cap" in one]
        assert caps[2:] == ["Usage alert: 50% of the spend cap used"]

    async def test_downgrade_keeps_the_old_cap_until_the_paid_period_ends(
        self, story: Story
    ) -> None:
        firm, (basic, large) = await story.firm(), await plans(story)
        await firm.subscribe(large)
        await firm.use("vib", rows=3_000)
        await story.counts()
        story.clock.set(2026, 10, 11)
        await firm.change(basic)
        assert await money(story, firm) == [("3.00", "200.00")]
        await story.until(2026, 11, 1, 1)
        assert await money(story, firm) == [("0.00", "50.00")]

    async def test_trial_applies_the_cap_of_its_plan(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(TRIAL))
        await firm.use("vib", rows=3_000)
        await story.counts()
        assert await money(story, firm) == [("3.00", "50.00")]

    async def test_immediate_cancellation_removes_the_cap(self, story: Story) -> None:
        firm, (basic, _) = await story.firm(), await plans(story)
        await firm.subscribe(basic)
        await firm.use("vib", rows=3_000)
        await story.counts()
        story.clock.set(2026, 10, 11)
        await firm.cancel(at_end=False)
        assert await money(story, firm) == []
        assert (await money(story, firm, "credit"))[0][1] == "1000.00"


class TestIncludedUnitsAfterPlanChange:
    async def test_upgrade_lists_only_allowances_of_the_new_plan(self, story: Story) -> None:
        firm, (basic, large) = await story.firm(), await plans(story)
        await firm.subscribe(basic)
        await firm.use("llm", output_tokens=1_000)
        await story.counts()
        story.clock.set(2026, 10, 11)
        await firm.change(large)
        found = [one for one in await watched(story, firm) if one.kind == "allowance"]
        assert [(one.of["model"], one.used, one.amount) for one in found] == [("llm", 0, 630_000)]


class TestMonitoredCredit:
    async def test_credit_limit_and_spend_cap_are_both_listed(self, story: Story) -> None:
        firm, (basic, _) = await story.firm(credit="20"), await plans(story)
        await firm.subscribe(basic)
        await firm.use("vib", rows=3_000)
        await story.counts()
        assert await money(story, firm) == [("3.00", "50.00")]
        assert await money(story, firm, "credit") == [("3.00", "20.00")]

    async def test_unpaid_usage_counts_against_the_credit_limit(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await firm.use("vib", rows=30_000)
        await story.counts()
        await story.until(2026, 11, 2)
        await firm.use("vib", rows=5_000)
        await story.counts()
        assert await money(story, firm, "credit") == [("35.00", "100.00")]

    async def test_account_with_wallet_only_has_source_wallet(self, story: Story) -> None:
        firm = await story.firm(credit="0")
        await firm.tops_up("106.00", "top-up-1")
        await firm.use("vib", rows=5_000)
        await story.counts()
        (one,) = [one for one in await watched(story, firm) if one.kind == "credit"]
        assert one.of["source"] == "wallet"
        assert (one.used, one.amount) == (5 * 10**9, 106 * 10**9)

    async def test_account_with_credit_limit_and_wallet_has_the_combined_source(
        self, story: Story
    ) -> None:
        firm = await story.firm(credit="100")
        await firm.tops_up("106.00", "top-up-1")
        (one,) = [one for one in await watched(story, firm) if one.kind == "credit"]
        assert one.of["source"] == "credit_limit_and_wallet"


class TestMonitoredLimitLabels:
    async def test_every_monitored_limit_has_a_unique_label(self, story: Story) -> None:
        """Two keys with one name, a contract and a plan: no two labels are equal."""
        firm, (basic, _) = await story.firm(), await plans(story)
        await firm.subscribe(basic)
        for _ in range(2):
            key_id = await make_key(story.database, firm.account.id)
            async with story.database.transaction() as session:
                await set_budget(session, story.clock, firm.account.id, key_id, 10**10)
        await contract(firm)
        found = await watched(story, firm)
        labels = [(one.kind, *sorted(one.of.items())) for one in found]
        assert len([one for one in found if one.kind == "budget"]) == 2
        assert len({one.label for one in found if one.kind == "budget"}) == 2
        assert len(set(labels)) == len(labels)

    async def test_budget_of_a_revoked_key_is_not_listed(self, story: Story) -> None:
        firm = await story.firm()
        key_id = await make_key(story.database, firm.account.id)
        async with story.database.transaction() as session:
            await set_budget(session, story.clock, firm.account.id, key_id, 10**10)
        assert [one.kind for one in await watched(story, firm)] == ["credit", "budget"]
        await sql(story.database, "update api_key set revoked_at = now()")
        assert [one.kind for one in await watched(story, firm)] == ["credit"]


class TestRaisedBudgetAlerts:
    async def test_raised_budget_sends_alerts_for_its_thresholds_again(self, story: Story) -> None:
        firm = await story.firm(locale="en")
        await firm.billed(email="pay@acme.example")
        key_id = await make_key(story.database, firm.account.id)
        for amount, used in ((10, 8), (20, 9), (20, 16)):
            async with story.database.transaction() as session:
                await set_budget(
                    session, story.clock, firm.account.id, key_id, nano_from_text(str(amount))
                )
            await sql(
                story.database,
                "update quota set used = :used where kind = 'budget'",
                used=used * 10**9,
            )
            await looked(story, firm)
        percents = [one.split("%")[0] for one in await told(story)]
        assert percents == [
            "Usage alert: 50",
            "Usage alert: 80",
            "Usage alert: 50",
            "Usage alert: 80",
        ]


async def looked(story: Story, firm: Firm) -> int:
    async with story.database.transaction() as session:
        profile = await lock_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, story.clock.now())
        return await enqueue_alerts(session, story.clock, position)


class TestAlertText:
    @pytest.mark.parametrize(
        ("locale", "subject"),
        [
            ("en", "the included input tokens of all models"),
            ("zh", "套餐内 所有模型 的输入 token"),
        ],
    )
    def test_allowance_of_all_models_is_named_in_the_locale(
        self, locale: str, subject: str
    ) -> None:
        of = {"meter": "input_tokens", "model": "*"}
        limit = MonitoredLimit("allowance", datetime(2026, 10, 1, tzinfo=UTC), 80, 100, of)
        notice = limit.notice(locale, "CNY", 80)
        assert notice.values == {
            "subject": subject,
            "percent": "80",
            "used": "80",
            "amount": "100",
        }
