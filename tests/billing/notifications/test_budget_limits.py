"""Budgets of projects and keys as monitored limits: alerts, and what a key may spend."""

from datetime import UTC, datetime
from uuid import UUID

from billing.accounts.profiles import get_profile
from billing.invoices.headroom import Headroom
from billing.invoices.usage_position import load_usage_position
from billing.metering.budget_periods import BudgetPeriod
from billing.metering.budget_quotas import BudgetState, set_budgets
from billing.notifications.alerts import enqueue_alerts
from billing.notifications.budget_limits import apply_budgets, load_budget_limits
from billing.notifications.current_limits import key_limits_json
from billing.tables import ApiKey
from infra import ids
from tests.support.billing.making import make_key, sql
from tests.support.billing.project_rows import add_project, use_in, with_budgets
from tests.support.stories.story import Firm, Story

YUAN, AT = 10**9, datetime(2026, 10, 12, tzinfo=UTC)


async def firm_with_project(story: Story, **values: object) -> tuple[Firm, UUID]:
    story.clock._now = AT
    firm = await story.firm()
    project = await add_project(
        story.database, firm.account.id, "涂装车间", created_at=AT, **values
    )
    return firm, project


async def alerts(firm: Firm) -> list[tuple[str, int]]:
    async with firm.story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, firm.story.clock.now())
        await enqueue_alerts(session, firm.story.clock, position)
    query = "select subject, percent from alert_sent order by subject, percent"
    return [(subject, percent) for subject, percent in await sql(firm.story.database, query)]


async def test_alert_is_sent_once_per_percentage_of_the_project(story: Story) -> None:
    firm, project = await firm_with_project(story, alert_percentages=[60, 90])
    await use_in(firm, project, rows=700)  # ¥0.70
    await with_budgets(firm, project, day=YUAN, month=100 * YUAN)
    for _ in range(2):
        assert await alerts(firm) == [(f"daily budget of proj_{project.hex}", 60)]
    async with story.database.transaction() as session:
        profile = await get_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, story.clock.now())
        limits = await load_budget_limits(session, position)
    daily = next(one for one in limits if one.kind == "project_day")
    assert (daily.used, daily.amount, daily.label) == (700_000_000, YUAN, "涂装车间")
    assert daily.notice("zh", "CNY", 60).values["subject"] == "项目 涂装车间 的每日预算"


async def test_project_without_percentages_uses_those_of_the_account(story: Story) -> None:
    firm, project = await firm_with_project(story)
    await use_in(firm, project, rows=1_000)
    await with_budgets(firm, project, total=YUAN)
    subject = f"total budget of proj_{project.hex}"
    assert await alerts(firm) == [(subject, 50), (subject, 80), (subject, 100)]


async def test_account_without_budgets_has_no_project_limits(story: Story) -> None:
    firm, _ = await firm_with_project(story)
    assert await alerts(firm) == []


async def test_limits_of_a_key_include_its_project(story: Story) -> None:
    firm, project = await firm_with_project(story)
    await use_in(firm, project, rows=400)
    await with_budgets(firm, project, month=YUAN)
    key_id = await make_key(story.database, firm.account.id)
    of_default = await make_key(story.database, firm.account.id)
    await sql(
        story.database,
        "update api_key set project_id = :project where id = :key returning 1",
        project=project,
        key=key_id,
    )
    async with story.database.transaction() as session:
        found = await key_limits_json(session, story.clock, firm.account.id, key_id)
        other = await key_limits_json(session, story.clock, firm.account.id, of_default)
    assert found["available"]["limited_by"] == "project_budget"
    assert found["available"]["amount"] == "0.600000000"
    assert other["available"]["limited_by"] == "credit_limit"
    assert "project_month" in {one["kind"] for one in found["limits"]}


def test_smallest_of_account_and_budgets_is_available() -> None:
    key_id = ids.new_id()

    def budget(amount: int, used: int) -> BudgetState:
        return BudgetState(ids.new_id(), BudgetPeriod.DAY, amount, used, 0, AT, None)

    def applied(available: Headroom, *states: BudgetState) -> Headroom:
        return apply_budgets(available, list(states), key_id)

    account = Headroom(5, "credit_limit", 9)
    assert applied(account, budget(10, 2)) == account
    assert applied(account, budget(10, 6), budget(4, 9)).remaining == 0
    assert applied(Headroom(None, None, None), budget(7, 1)).remaining == 6
    own = BudgetState(key_id, BudgetPeriod.TOTAL, 3, 1, 0, AT, None)
    assert applied(account, budget(4, 1), own) == Headroom(2, "key_budget", 3)


async def test_alert_names_the_key_and_the_period_of_its_budget(story: Story) -> None:
    firm, _ = await firm_with_project(story)
    firm.key_id = await make_key(story.database, firm.account.id)
    await firm.use("vib", key=firm.key_id, rows=900)  # ¥0.90
    async with story.database.transaction() as session:
        key = await session.get_one(ApiKey, firm.key_id)
        amounts = {BudgetPeriod.DAY: YUAN, BudgetPeriod.TOTAL: 0}
        await set_budgets(session, key, amounts, AT)
    subject = f"daily budget of key_{firm.key_id.hex}"
    for _ in range(2):
        assert await alerts(firm) == [(subject, 50), (subject, 80)]
    async with story.database.transaction() as session:
        found = await key_limits_json(session, story.clock, firm.account.id, firm.key_id)
    assert found["available"]["limited_by"] == "key_budget"
    assert found["available"]["amount"] == "0.000000000"
    assert "key_day" in {one["kind"] for one in found["limits"]}
