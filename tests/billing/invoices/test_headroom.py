"""Headroom: the amount that may still be spent now and the limit that applies."""

from uuid import UUID

from billing.accounts.profiles import lock_profile
from billing.invoices.headroom import (
    Headroom,
    compute_account_headroom,
    compute_key_headroom,
    load_credit_funds,
)
from billing.invoices.usage_position import load_usage_position
from billing.metering.quotas import QuotaState, list_quota_states, set_budget
from billing.tables import QuotaKind
from infra import ids
from tests.support.billing.making import make_key, sql
from tests.support.stories.capped_plans import BASIC, LARGE, TRIAL
from tests.support.stories.story import Firm, Story

YUAN = 10**9


async def now_of(story: Story, firm: Firm) -> Headroom:
    async with story.database.transaction() as session:
        profile = await lock_profile(session, firm.account.id)
        position = await load_usage_position(session, profile, story.clock.now())
        funds = await load_credit_funds(session, position)
        return compute_account_headroom(
            funds, position, await list_quota_states(session, firm.account.id)
        )


def yuan(left: float, limited_by: str, limit: float) -> Headroom:
    return Headroom(int(left * YUAN), limited_by, int(limit * YUAN))


class TestAccountHeadroom:
    async def test_account_without_plan_is_limited_by_credit_limit(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await firm.use("vib", rows=5_000)
        await story.counts()
        assert await now_of(story, firm) == yuan(95, "credit_limit", 100)

    async def test_spend_cap_above_credit_limit_does_not_apply(self, story: Story) -> None:
        firm = await story.firm(credit="20")
        await firm.subscribe(await story.plan(BASIC))
        await firm.use("vib", rows=5_000)
        await story.counts()
        assert await now_of(story, firm) == yuan(15, "credit_limit", 20)

    async def test_spend_cap_below_credit_limit_applies(self, story: Story) -> None:
        firm = await story.firm(credit="1000")
        await firm.subscribe(await story.plan(BASIC))
        await firm.use("vib", rows=5_000)
        await story.counts()
        assert await now_of(story, firm) == yuan(45, "spend_cap", 50)

    async def test_upgrade_applies_new_spend_cap(self, story: Story) -> None:
        firm, large = await story.firm(credit="1000"), await story.plan(LARGE)
        await firm.subscribe(await story.plan(BASIC))
        await firm.use("vib", rows=5_000)
        await story.counts()
        story.clock.set(2026, 10, 11)
        await firm.change(large)
        assert await now_of(story, firm) == yuan(195, "spend_cap", 200)

    async def test_downgrade_keeps_old_spend_cap_until_period_end(self, story: Story) -> None:
        firm, basic = await story.firm(credit="1000"), await story.plan(BASIC)
        await firm.subscribe(await story.plan(LARGE))
        story.clock.set(2026, 10, 11)
        await firm.change(basic)
        assert await now_of(story, firm) == yuan(200, "spend_cap", 200)
        await story.until(2026, 11, 1, 1)
        assert await now_of(story, firm) == yuan(50, "spend_cap", 50)

    async def test_trial_is_limited_by_spend_cap(self, story: Story) -> None:
        firm = await story.firm(credit="1000")
        await firm.subscribe(await story.plan(TRIAL))
        assert await now_of(story, firm) == yuan(50, "spend_cap", 50)

    async def test_ended_plan_is_limited_by_credit_limit(self, story: Story) -> None:
        firm = await story.firm(credit="1000")
        await firm.subscribe(await story.plan(BASIC))
        await firm.cancel(at_end=False)
        assert await now_of(story, firm) == yuan(1000, "credit_limit", 1000)

    async def test_prepaid_account_is_limited_by_wallet(self, story: Story) -> None:
        firm = await story.firm(credit="0")
        await firm.tops_up("30.00", "top-up-1")
        assert await now_of(story, firm) == yuan(30, "wallet", 30)

    async def test_wallet_and_credit_limit_are_added(self, story: Story) -> None:
        firm = await story.firm(credit="10")
        await firm.tops_up("30.00", "top-up-1")
        assert await now_of(story, firm) == yuan(40, "credit_limit_and_wallet", 40)

    async def test_unpaid_invoice_reduces_headroom(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        await firm.use("vib", rows=30_000)
        await story.counts()
        await story.until(2026, 11, 2)
        assert await now_of(story, firm) == yuan(70, "credit_limit", 100)

    async def test_negative_credit_is_shown_as_zero(self, story: Story) -> None:
        firm = await story.firm(credit="1")
        await firm.use("vib", rows=5_000)
        await story.counts()
        assert await now_of(story, firm) == yuan(0, "credit_limit", 1)

    async def test_unlimited_account_has_no_limit_name(self, story: Story) -> None:
        firm = await story.firm()
        await sql(story.database, "update quota set amount = null where kind = 'credit'")
        assert await now_of(story, firm) == Headroom(None, None, None)


class TestKeyHeadroom:
    OF_ACCOUNT = yuan(10, "credit_limit", 100)

    def quotas(self, key_id: UUID, used: int) -> list[QuotaState]:
        state = QuotaState(QuotaKind.BUDGET, key_id, None, 8 * YUAN, used * YUAN, 0)
        other = QuotaState(QuotaKind.BUDGET, ids.new_id(), None, 8 * YUAN, 5 * YUAN, 0)
        return [state, other]

    def test_budget_below_account_headroom_applies(self) -> None:
        key_id = ids.new_id()
        found = compute_key_headroom(self.OF_ACCOUNT, self.quotas(key_id, 3), key_id, 8 * YUAN)
        assert found == yuan(5, "key_budget", 8)

    def test_budget_above_account_headroom_does_not_apply(self) -> None:
        key_id = ids.new_id()
        found = compute_key_headroom(self.OF_ACCOUNT, [], key_id, 800 * YUAN)
        assert found == self.OF_ACCOUNT

    def test_key_without_budget_has_account_headroom(self) -> None:
        assert compute_key_headroom(self.OF_ACCOUNT, [], ids.new_id(), None) == self.OF_ACCOUNT

    def test_budget_limits_key_of_unlimited_account(self) -> None:
        key_id, unlimited = ids.new_id(), Headroom(None, None, None)
        found = compute_key_headroom(unlimited, self.quotas(key_id, 9), key_id, 8 * YUAN)
        assert found == yuan(0, "key_budget", 8)

    async def test_new_budget_applies_immediately(self, story: Story) -> None:
        firm = await story.firm(credit="100")
        key_id = await make_key(story.database, firm.account.id)
        async with story.database.transaction() as session:
            await set_budget(session, story.clock, firm.account.id, key_id, 7 * YUAN)
            quotas = await list_quota_states(session, firm.account.id)
        of_account = await now_of(story, firm)
        assert compute_key_headroom(of_account, quotas, key_id, 7 * YUAN) == yuan(
            7, "key_budget", 7
        )
