"""Customer report: search of accounts, and state and balances of one account."""

from uuid import UUID

import pytest

from billing.accounts.accounts import AccountNotFound
from billing.invoices.suspension import suspend_calls
from billing.reports.customers import (
    Customer,
    CustomerRow,
    CustomerSearch,
    CustomerState,
    get_customer,
    search_customers,
)
from infra import ids
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firms(story: Story) -> list[Firm]:
    """A firm that owes 30.00, a suspended firm on a plan, and a new firm."""
    late, stopped = await story.firm("Acme 精密", net_days=0), await story.firm("Acme Zwei")
    await stopped.subscribe(await story.plan(GROWTH))
    await late.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    story.clock.pass_(days=3)
    async with story.database.transaction() as session:
        await suspend_calls(session, story.clock, stopped.account.id)
    return [late, stopped, await story.firm("Neu")]


async def found(story: Story, text: str = "", **wish: object) -> list[CustomerRow]:
    async with story.database.transaction() as session:
        search = CustomerSearch(text, **wish)  # type: ignore[arg-type]
        return await search_customers(session, search, story.clock.now())


async def customer(story: Story, account_id: UUID) -> Customer:
    async with story.database.transaction() as session:
        return await get_customer(session, account_id, story.clock.now())


class TestCustomerSearch:
    async def test_customers_are_listed_newest_first_with_state_and_balance(
        self, story: Story, firms: list[Firm]
    ) -> None:
        rows = await found(story)
        assert [(one.name, one.state, one.owed) for one in rows] == [
            ("Neu", CustomerState.ACTIVE, 0),
            ("Acme Zwei", CustomerState.SUSPENDED, 62_000),
            ("Acme 精密", CustomerState.OVERDUE, 3_000),
        ]
        assert [one.terms and one.terms.plan for one in rows] == [None, "growth", None]

    async def test_search_filters_by_name_id_state_and_cursor(
        self, story: Story, firms: list[Firm]
    ) -> None:
        async def names(text: str = "", **wish: object) -> list[str]:
            return [one.name for one in await found(story, text, **wish)]

        assert await names(" acme ") == ["Acme Zwei", "Acme 精密"]
        assert await names("精密") == ["Acme 精密"]
        assert await names("%") == await names("\x00") == []
        assert await names(ids.format_id("acct", firms[2].account.id)) == ["Neu"]
        assert await names(state=CustomerState.OVERDUE) == ["Acme 精密"]
        assert await names(limit=1) == ["Neu"]
        assert await names(after=firms[2].account.id, limit=1) == ["Acme Zwei"]


class TestCustomerDetails:
    async def test_customer_has_state_balances_and_plan(
        self, story: Story, firms: list[Firm]
    ) -> None:
        late, stopped, new = firms
        await new.tops_up("12.00", "bank-1")
        one = await customer(story, late.account.id)
        assert (one.state, one.owed, one.wallet) == (CustomerState.OVERDUE, 3_000, 0)
        assert one.credit_limit == 1_000 * 10**9
        assert one.credit_left == 970 * 10**9
        assert [row.owed for row in one.invoices] == [3_000]
        assert (await customer(story, new.account.id)).wallet == 1_200
        two = await customer(story, stopped.account.id)
        assert two.terms is not None
        assert (two.state, two.terms.plan) == (CustomerState.SUSPENDED, "growth")

    async def test_unknown_account_raises_account_not_found(self, story: Story) -> None:
        with pytest.raises(AccountNotFound):
            await customer(story, ids.new_id())
