"""Current limits: watched limits of an account, and available credit of accounts and keys."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import NoResultFound

from billing.invoices.headroom import (
    LIMITED_BY_CREDIT_LIMIT,
    LIMITED_BY_KEY_BUDGET,
    LIMITED_BY_SPEND_CAP,
    Headroom,
)
from billing.metering.quotas import set_budget
from billing.money import nano_from_text
from billing.notifications.current_limits import (
    AccountLimits,
    key_limits_json,
    load_current_limits,
)
from infra import ids
from tests.support.billing.making import make_key, sql
from tests.support.stories.capped_plans import BASIC
from tests.support.stories.story import Firm, Story

SINCE = "2026-09-30T16:00:00+00:00"  # midnight of 1 October in China
MONTH = "2026-10-01T00:00:00+00:00"  # budgets are of months in UTC
YUAN = 10**9


async def limits(firm: Firm) -> AccountLimits:
    async with firm.story.database.transaction() as session:
        return await load_current_limits(session, firm.story.clock, firm.account.id)


async def of_key(firm: Firm, key_id: UUID) -> dict[str, Any]:
    async with firm.story.database.transaction() as session:
        return await key_limits_json(session, firm.story.clock, firm.account.id, key_id)


async def budgeted(firm: Firm, amount: str) -> UUID:
    """Create a key of the firm with a monthly budget."""
    key_id = await make_key(firm.story.database, firm.account.id)
    async with firm.story.database.transaction() as session:
        nano = nano_from_text(amount)
        await set_budget(session, firm.story.clock, firm.account.id, key_id, nano)
    return key_id


async def used(firm: Firm, rows: int) -> None:
    """Use `rows` rows at 0.001 each and aggregate them."""
    await firm.use("vib", rows=rows)
    await firm.story.counts()


class TestAccountLimits:
    async def test_account_without_plan_is_limited_by_credit(self, story: Story) -> None:
        firm = await story.firm()
        await used(firm, 3_000)
        found = await limits(firm)
        assert found.available == Headroom(997 * YUAN, LIMITED_BY_CREDIT_LIMIT, 1000 * YUAN)
        assert [(one.kind, one.used, one.amount) for one in found.watched] == [
            ("credit", 3 * YUAN, 1000 * YUAN)
        ]
        assert found.currency == "CNY"

    async def test_account_with_spend_cap_is_limited_by_the_smaller_of_cap_and_credit(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(BASIC))
        await used(firm, 3_000)
        found = await limits(firm)
        assert found.available == Headroom(47 * YUAN, LIMITED_BY_SPEND_CAP, 50 * YUAN)
        assert [(one.kind, one.used, one.amount) for one in found.watched] == [
            ("cap", 3 * YUAN, 50 * YUAN),
            ("credit", 3 * YUAN, 1000 * YUAN),
            ("allowance", 0, 310_000),
        ]


class TestKeyLimits:
    async def test_key_without_budget_has_the_available_credit_of_its_account(
        self, story: Story
    ) -> None:
        firm = await story.firm()
        key_id = await make_key(story.database, firm.account.id)
        await used(firm, 3_000)
        available = {
            "amount": "997.000000000",
            "currency": "CNY",
            "limited_by": "credit_limit",
            "limit": "1000.000000000",
        }
        credit = {
            "kind": "credit",
            "name": None,
            "source": "credit_limit",
            "since": SINCE,
            "used": "3.000000000",
            "limit": "1000.000000000",
            "currency": "CNY",
        }
        assert await of_key(firm, key_id) == {
            "object": "limits",
            "available": available,
            "account_available": available,
            "limits": [credit],
        }

    async def test_key_with_budget_is_limited_by_the_remaining_budget(self, story: Story) -> None:
        """8.00 of 20.00 is spent; another key's budget is listed but does not limit this key."""
        story.clock.set(2026, 10, 12)
        firm = await story.firm()
        key_id, other = await budgeted(firm, "20"), await budgeted(firm, "5")
        await sql(
            story.database,
            "update quota set used = :used where key_id = :key and kind = 'budget'",
            used=8 * YUAN,
            key=key_id,
        )
        found = await of_key(firm, key_id)
        assert (found["available"]["amount"], found["available"]["limited_by"]) == (
            "12.000000000",
            LIMITED_BY_KEY_BUDGET,
        )
        assert found["account_available"]["amount"] == "1000.000000000"
        budgets = [one for one in found["limits"] if one["kind"] == "budget"]
        assert {(one["key"], one["used"], one["limit"], one["since"]) for one in budgets} == {
            (ids.format_id("key", key_id), "8.000000000", "20.000000000", MONTH),
            (ids.format_id("key", other), "0.000000000", "5.000000000", MONTH),
        }

    async def test_exhausted_key_budget_is_available_again_in_the_next_month(
        self, story: Story
    ) -> None:
        story.clock.set(2026, 10, 12)
        firm = await story.firm()
        key_id = await budgeted(firm, "20")
        await sql(story.database, "update quota set used = amount where kind = 'budget'")
        assert (await of_key(firm, key_id))["available"]["amount"] == "0.000000000"
        await story.until(2026, 11, 2)
        assert (await of_key(firm, key_id))["available"]["amount"] == "20.000000000"

    async def test_included_units_are_listed_without_currency(self, story: Story) -> None:
        firm = await story.firm()
        await firm.subscribe(await story.plan(BASIC))
        await firm.use("llm", output_tokens=10_000)
        await story.counts()
        found = await of_key(firm, await make_key(story.database, firm.account.id))
        (included,) = [one for one in found["limits"] if one["kind"] == "allowance"]
        assert included == {
            "kind": "allowance",
            "name": None,
            "meter": "output_tokens",
            "model": "llm",
            "since": SINCE,
            "used": "10000",
            "limit": "310000",
            "currency": None,
        }

    async def test_key_of_another_account_raises_no_result_found(self, story: Story) -> None:
        firm, other = await story.firm(), await story.firm("B")
        with pytest.raises(NoResultFound):
            await of_key(firm, await make_key(story.database, other.account.id))
