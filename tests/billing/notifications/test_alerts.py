"""Usage alerts: watched limits, thresholds, and one alert per threshold and period."""

from typing import Any
from uuid import UUID

from billing.accounts.profiles import lock_profile
from billing.invoices.usage_position import load_usage_position
from billing.metering.quotas import month_start
from billing.notifications.alert_targets import (
    DEFAULT_PERCENTAGES,
    get_alert_target,
    update_alert_target,
)
from billing.notifications.alerts import enqueue_alerts
from billing.tables import Quota, QuotaKind
from infra import ids
from tests.support.billing.making import make_key, sql
from tests.support.billing.notifying import event_payloads
from tests.support.stories.outcome_story import contract
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story

CAPPED = """
plan = "capped"
names = { en = "Capped", zh = "限额版" }
currency = "CNY"
spend_cap = "50.00"
list_prices = true
"""
HOOK = "https://acme.example/hook"


async def told(story: Story) -> list[tuple[str, int]]:
    """(subject, percent) of every alert sent, in order."""
    rows = await sql(
        story.database, "select subject, percent from alert_sent order by sent_at, 1, 2"
    )
    return [(row.subject, row.percent) for row in rows]


async def items(story: Story, action: str) -> list[dict[str, Any]]:
    query = "select payload from outbox where action = :action order by id"
    return [row.payload for row in await sql(story.database, query, action=action)]


async def targets(story: Story, firm: Firm, url: str = "", *percentages: int) -> None:
    async with story.database.transaction() as session:
        await update_alert_target(session, firm.account.id, url, percentages or DEFAULT_PERCENTAGES)


class TestCreditAlerts:
    async def test_each_threshold_sends_an_alert_when_it_is_crossed(self, story: Story) -> None:
        """Of 100.00: 49.00 sends no alert, 50.00 the first, 85.00 the second, 100.00 the third."""
        firm = await story.firm(credit="100")
        for rows, percents in ((49_000, []), (1_000, [50]), (35_000, [50, 80])):
            await firm.use("vib", rows=rows)
            await story.counts()
            assert await told(story) == [("credit", percent) for percent in percents]
            story.clock.pass_(hours=1)
        await firm.use("vib", rows=15_000)
        await story.counts()
        assert await told(story) == [("credit", 50), ("credit", 80), ("credit", 100)]

    async def test_usage_crossing_several_thresholds_sends_one_alert_each(
        self, story: Story
    ) -> None:
        firm = await story.firm(credit="100")
        await firm.use("vib", rows=90_000)
        await story.counts()
        assert await told(story) == [("credit", 50), ("credit", 80)]

    async def test_threshold_sends_one_alert_per_billing_period(self, story: Story) -> None:
        """60.00 of 100.00 in October sends one alert; 55.00 in November sends another."""
        firm = await story.firm(credit="100")
        for _ in range(3):
            await firm.use("vib", rows=20_000)
            await story.counts()
        assert await told(story) == [("credit", 50)]
        await story.until(2026, 11, 1, 1)
        await firm.pays_all()
        await firm.use("vib", rows=55_000)
        await story.counts()
        await story.counts()
        assert await told(story) == [("credit", 50), ("credit", 50)]

    async def test_wallet_balance_counts_toward_the_watched_amount(self, story: Story) -> None:
        """100.00 of credit and 100.00 in the wallet: usage of 90.00 is 45 %."""
        firm = await story.firm(credit="100")
        await firm.tops_up("100.00", "top-up-1")
        await firm.use("vib", rows=90_000)
        await story.counts()
        assert await told(story) == []
        await firm.use("vib", rows=10_000)
        await story.counts()
        assert await told(story) == [("credit", 50)]

    async def test_account_without_credit_gets_no_alert(self, story: Story) -> None:
        """A limit of zero has no percentages, so no alert is sent at each aggregation."""
        firm = await story.firm(credit="0")
        assert await looked(story, firm) == 0

    async def test_unlimited_credit_sends_no_alert(self, story: Story) -> None:
        firm = await story.firm()
        await firm.use("vib", rows=1)
        await sql(story.database, "update quota set amount = null where kind = 'credit'")
        assert await looked(story, firm) == 0


class TestSpendCapAlerts:
    async def test_alert_thresholds_use_the_plan_spend_cap_instead_of_credit(
        self, story: Story
    ) -> None:
        """40.00 is 80 % of the cap of 50.00, but 4 % of the credit of 1000.00."""
        firm = await story.firm(locale="en")
        await firm.billed(email="pay@acme.example")
        await firm.subscribe(await story.plan(CAPPED))
        await firm.use("vib", rows=40_000)
        await story.counts()
        assert await told(story) == [("spend cap", 50), ("spend cap", 80)]
        assert [mail["subject"] for mail in await items(story, "email")] == [
            "Usage alert: 50% of the spend cap used",
            "Usage alert: 80% of the spend cap used",
        ]
        assert (
            "used 40.00 CNY of 50.00 CNY, at least 80% of the spend cap"
            in ((await items(story, "email"))[1]["text"])
        )


class TestIncludedUnitAlerts:
    async def test_alert_states_used_and_included_units(self, story: Story) -> None:
        """248,000 of the 310,000 included tokens are 80 %."""
        firm = await story.firm()
        await firm.billed(email="pay@acme.example")
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("llm", output_tokens=248_000)
        await story.counts()
        subject = "included output_tokens (llm)"
        assert await told(story) == [(subject, 50), (subject, 80)]
        (_, mail) = await items(story, "email")
        assert mail["subject"] == "用量已达 80%：套餐内 llm 的输出 token"
        assert "共 310,000，已使用 248,000" in mail["text"]

    async def test_allowance_prorated_to_zero_sends_no_alert(self, story: Story) -> None:
        """10 tokens a month, prorated to the last day of October, are 0."""
        firm = await story.firm()
        little = GROWTH.replace("310_000", "10")
        story.clock.set(2026, 10, 31, 12)
        await firm.subscribe(await story.plan(little))
        await firm.use("llm", output_tokens=100)
        await story.counts()
        assert await told(story) == []


class TestKeyBudgetAlerts:
    async def test_key_budget_of_the_current_month_sends_alerts(self, story: Story) -> None:
        """A key has a monthly budget of 10.00 and has spent 8.00."""
        firm = await story.firm()
        await firm.billed(email="pay@acme.example")
        key_id = await budget(story, firm, used=8, amount=10)
        assert await looked(story, firm) == 2
        name = ids.format_id("key", key_id)
        assert await told(story) == [(f"budget of {name}", 50), (f"budget of {name}", 80)]
        mail = (await items(story, "email"))[1]
        assert mail["subject"] == f"用量已达 80%：密钥 {name} 的月度预算"

    async def test_key_budget_of_an_earlier_month_sends_no_alert(self, story: Story) -> None:
        firm = await story.firm()
        await budget(story, firm, used=8, amount=10)
        story.clock.pass_(days=40)
        assert await looked(story, firm) == 0


class TestContractAllowanceAlerts:
    async def test_contract_units_and_plan_units_of_one_meter_are_watched_separately(
        self, story: Story
    ) -> None:
        """500 of 1,000 rows are used under the plan, and 800 rows under the contract."""
        firm = await story.firm(credit="100")
        await firm.billed(email="pay@acme.example")
        rows = '\n[[allowance]]\nmodel = "vib"\nmeter = "rows"\nquantity = 1_000\n'
        await firm.subscribe(await story.plan(GROWTH + rows))
        spindles = await contract(firm)
        await firm.use("vib", rows=500)
        await spindles.use("M1", 2026, 10, 1, 9, rows=800)
        await story.counts()
        covered = "rows (vib) covered by spindles"
        assert await told(story) == [("included rows (vib)", 50), (covered, 50), (covered, 80)]
        mail = (await items(story, "email"))[-1]
        assert mail["subject"] == "用量已达 80%：合同 spindles 所含 vib 的推理行数（行）"


async def looked(story: Story, firm: Firm) -> int:
    """Enqueue alerts for the current usage. Returns the number of alerts."""
    async with story.database.transaction() as session:
        profile = await lock_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, story.clock.now())
        return await enqueue_alerts(session, story.clock, position)


async def budget(story: Story, firm: Firm, used: int, amount: int) -> UUID:
    """Create a key with a used monthly budget; amounts in yuan."""
    key_id = await make_key(story.database, firm.account.id)
    quota = Quota(
        id=ids.new_id(),
        account_id=firm.account.id,
        key_id=key_id,
        kind=QuotaKind.BUDGET.value,
        period_start=month_start(story.clock.now()),
        amount=amount * 10**9,
        used=used * 10**9,
    )
    async with story.database.transaction() as session:
        session.add(quota)
    return key_id


class TestAlertDelivery:
    async def test_default_alert_target_has_no_webhook(self, story: Story) -> None:
        firm = await story.firm()
        async with story.database.transaction() as session:
            target = await get_alert_target(session, firm.account.id)
        assert (target.url, target.secret, target.percentages) == ("", "", [50, 80, 100])

    async def test_configured_percentages_replace_the_defaults(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await targets(story, firm, "", 90, 10, 150, 10)
        await firm.use("vib", rows=95_000)
        await story.counts()
        assert await told(story) == [("credit", 10), ("credit", 90)]

    async def test_webhook_event_contains_subject_usage_and_limit(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await targets(story, firm, HOOK)
        await firm.subscribe(await story.plan(GROWTH))
        await firm.use("vib", rows=50_000)
        await firm.use("llm", output_tokens=155_000)
        await story.counts()
        said = await event_payloads(story.database)
        assert {one["type"] for one in said} == {"usage.threshold_passed"}
        assert {one["timestamp"] for one in said} == {story.clock.now().isoformat()}
        of_both = {
            "account": ids.format_id("acct", firm.account.id),
            "percent": 50,
            "period_start": story.clock.at(2026, 10, 1).isoformat(),
        }
        credit = {
            "subject": "credit",
            "used": "50.000000000",
            "amount": "100.000000000",
            "currency": "CNY",
        }
        allowance = {
            "subject": "included output_tokens (llm)",
            "used": "155000",
            "amount": "310000",
            "currency": None,
        }
        assert [one["data"] for one in said] == [of_both | credit, of_both | allowance]

    async def test_account_without_email_address_is_alerted_by_webhook_only(
        self, story: Story
    ) -> None:
        """The webhook alert is recorded, so it is not sent again."""
        firm = await story.firm(credit="100")
        await targets(story, firm, HOOK)
        await firm.use("vib", rows=50_000)
        await story.counts()
        assert (await items(story, "email"), len(await event_payloads(story.database))) == ([], 1)
        assert await told(story) == [("credit", 50)]
