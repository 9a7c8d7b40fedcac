"""Dunning: each step is due on its day and runs once."""

import pytest

from billing.accounts.profiles import get_profile
from billing.collection.dunning import (
    compute_dunning_stage,
    list_overdue_invoices,
    take_dunning_step,
)
from billing.cycle import dun_accounts
from billing.rating.payment_terms import DEFAULT_DUNNING_POLICY, DunningPolicy
from billing.tables import Invoice
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def firm(story: Story) -> Firm:
    """A firm that owes 30.00 since 1 November, 1:00, due immediately."""
    firm = await story.firm(net_days=0, locale="en")
    await firm.billed(email="pay@acme.example")
    await firm.use("vib", rows=30_000)
    await story.until(2026, 11, 1, 1)
    return firm


async def last(firm: Firm) -> Invoice:
    return (await firm.invoices())[-1]


async def step(story: Story, firm: Firm, policy: DunningPolicy = DEFAULT_DUNNING_POLICY) -> bool:
    async with story.database.transaction() as session:
        place = (session, story.clock, firm.account.id, (await last(firm)).id)
        return await take_dunning_step(*place, policy)


async def is_suspended(story: Story, firm: Firm) -> bool:
    async with story.database.transaction() as session:
        return (await get_profile(session, firm.account.id)).suspended_at is not None


async def items(story: Story) -> list[tuple[str, str]]:
    """(action, mail subject or business key) of each outbox item."""
    query = "select action, coalesce(payload->>'subject', business_key) from outbox order by id"
    return [(action, told) for action, told in await sql(story.database, query)]


class TestDunningSteps:
    @pytest.mark.parametrize(
        ("days", "reached"),
        [(0, 0), (0.99, 0), (1, 1), (4.99, 1), (5, 2), (10, 3), (14.99, 3), (15, 4), (99, 4)],
    )
    async def test_step_depends_on_days_overdue(
        self, story: Story, firm: Firm, days: float, reached: int
    ) -> None:
        story.clock.pass_(days=days)
        assert await step(story, firm) is (reached > 0)
        assert (await last(firm)).reminders == reached
        assert await is_suspended(story, firm) is (reached == 4)
        assert not await step(story, firm)

    async def test_each_step_runs_once_and_sends_one_email(self, story: Story, firm: Firm) -> None:
        for _ in range(20 * 4):
            story.clock.pass_(hours=6)
            await dun_accounts(story.database, story.clock)
        reminder = ("email", "Payment reminder: invoice MAAS-000001 is overdue")
        stopped = ("email", "Service suspended: invoice MAAS-000001 is overdue")
        assert await items(story) == [reminder] * 3 + [stopped]

    async def test_email_states_amount_and_local_due_date(self, story: Story, firm: Firm) -> None:
        """10.00 of 30.00 are paid. The due date is the date in China."""
        await firm.pays(await last(firm), "10.00")
        story.clock.pass_(days=1)
        await step(story, firm)
        (row,) = await sql(story.database, "select payload from outbox where action = 'email'")
        assert "Invoice MAAS-000001 for 20.00 CNY was due on 2026-11-01" in row.payload["text"]

    async def test_custom_policy_applies_its_days(self, story: Story, firm: Firm) -> None:
        policy = DunningPolicy(reminders=(3,), suspend=7)
        story.clock.pass_(days=2)
        assert not await step(story, firm, policy)
        story.clock.pass_(days=1)
        assert await step(story, firm, policy)
        assert not await is_suspended(story, firm)
        story.clock.pass_(days=4)
        assert await step(story, firm, policy)
        assert await is_suspended(story, firm)

    async def test_downtime_runs_only_latest_due_step(self, story: Story, firm: Firm) -> None:
        story.clock.pass_(days=12)
        assert await step(story, firm)
        assert not await step(story, firm)
        assert (await last(firm)).reminders == 3
        assert len(await items(story)) == 1


class TestDunningEligibility:
    async def test_only_overdue_invoices_are_listed(self, story: Story, firm: Firm) -> None:
        other = await story.firm("Other", net_days=14)
        await other.use("vib", rows=30_000)
        await story.until(2026, 12, 1, 1)
        async with story.database.transaction() as session:
            overdue = await list_overdue_invoices(session, story.clock.now())
        assert overdue == [(firm.account.id, (await last(firm)).id)]

    async def test_paid_invoice_is_not_dunned(self, story: Story, firm: Firm) -> None:
        await firm.pays_all()
        story.clock.pass_(days=20)
        assert not await step(story, firm)
        assert await dun_accounts(story.database, story.clock) == 0

    async def test_draft_is_not_dunned(self, story: Story, firm: Firm) -> None:
        await firm.use("vib", rows=10_000)
        await story.until(2026, 12, 1, 0)
        assert (await last(firm)).status == "draft"
        story.clock.pass_(days=20)
        assert not await step(story, firm)

    async def test_amount_below_stripe_minimum_is_dunned_only_when_manual(
        self, story: Story, firm: Firm
    ) -> None:
        await firm.billed(collection="stripe_invoice")
        await firm.pays(await last(firm), "26.01")
        story.clock.pass_(days=20)
        assert not await step(story, firm)
        await firm.billed(collection="manual")
        assert await step(story, firm)


class TestDunningCharges:
    async def test_each_step_enqueues_one_charge(self, story: Story, firm: Firm) -> None:
        await firm.billed(collection="stripe_charge")
        invoice = await last(firm)
        await sql(
            story.database,
            "update invoice set collector = 'stripe', external_invoice = 'in_1' where id = :id",
            id=invoice.id,
        )
        for days in (1, 4):
            story.clock.pass_(days=days)
            await step(story, firm)
        subject = f"invoice:{invoice.id}"
        assert [told for action, told in await items(story) if action == "charge"] == [
            f"{subject}:pay:dunning:1",
            f"{subject}:pay:dunning:2",
        ]

    async def test_invoice_unknown_to_stripe_is_not_charged(self, story: Story, firm: Firm) -> None:
        await firm.billed(collection="stripe_charge")
        story.clock.pass_(days=1)
        await step(story, firm)
        assert [action for action, _ in await items(story)] == ["email"]


class TestDunningStages:
    @pytest.mark.parametrize(("taken", "days"), [(0, 1), (1, 5), (3, 15), (4, None), (9, None)])
    def test_next_step_date_depends_on_completed_steps(
        self, story: Story, taken: int, days: int | None
    ) -> None:
        due_at = story.clock.now()
        stage = compute_dunning_stage(due_at, taken)
        story.clock.pass_(days=days or 0)
        assert stage.next_at == (None if days is None else story.clock.now())
        assert (stage.steps, stage.last) == (4, taken == 4)
