"""Disputes: whose turn it is, which deadline decides, and what a decision does."""

import pytest

from billing.accounts.profiles import update_profile
from billing.outcomes.settlement.disputes import (
    DisputeInvalid,
    DisputeNotFound,
    DisputeStateInvalid,
    NewDispute,
    decide_overdue_dispute,
    get_dispute,
    open_dispute,
)
from billing.tables import Dispute, Outcome, OutcomeSettlement
from infra import ids
from tests.support.billing.making import sql
from tests.support.stories.outcome_story import Contract, settled_october
from tests.support.stories.story import Story

CUSTOMER, OPERATOR = "customer", "operator"


class Month:
    """October with two failures at 300.00 each, settled on 4 November."""

    def __init__(self, of: Contract, outcomes: list[Outcome], settled: OutcomeSettlement) -> None:
        self.of, self.outcomes, self.settled = of, outcomes, settled

    async def lines(self) -> list[tuple[str, str, str]]:
        """What November's invoice charges."""
        await self.of.until(2026, 12, 1, 1)
        _, november = await self.of.firm.invoices()
        return await self.of.outcome_lines(november)

    async def now(self, dispute: Dispute) -> Dispute:
        async with self.of.firm.story.database.transaction() as session:
            return await get_dispute(session, self.of.firm.account.id, dispute.id)


@pytest.fixture
async def month(story: Story) -> Month:
    return Month(*await settled_october(await story.firm()))


class TestOpening:
    async def test_the_whole_settlement(self, month: Month) -> None:
        dispute = await month.of.disputes(month.settled)
        assert (dispute.frozen, len(dispute.outcomes)) == (600_00, 2)
        await month.of.until(2026, 11, 8)
        await month.of.answers(dispute)
        await month.of.until(2026, 11, 14)
        assert (await month.now(dispute)).decided_for == OPERATOR

    async def test_after_the_window(self, month: Month) -> None:
        month.of.firm.story.clock.set(2026, 11, 14)
        with pytest.raises(DisputeStateInvalid, match="until"):
            await month.of.disputes(month.settled)

    async def test_one_at_a_time_and_once(self, month: Month) -> None:
        first, second = month.outcomes
        dispute = await month.of.disputes(month.settled, first)
        with pytest.raises(DisputeStateInvalid, match="already open"):
            await month.of.disputes(month.settled, second)
        await month.of.gives_in(dispute, CUSTOMER)
        with pytest.raises(DisputeStateInvalid, match="before"):
            await month.of.disputes(month.settled, first)
        rest = await month.of.disputes(month.settled)
        assert rest.outcomes == [ids.format_id("outc", second.id)]
        await month.of.gives_in(rest, OPERATOR)
        with pytest.raises(DisputeInvalid, match="nothing"):
            await month.of.disputes(month.settled)
        await month.of.until(2026, 11, 14)
        assert await month.lines() == [("customer_system", "1", "300.00")]

    @pytest.mark.parametrize(("reason", "named"), [("  ", ()), ("x" * 4001, ()), ("x", ("outc_",))])
    async def test_what_cannot_be(self, month: Month, reason: str, named: tuple[str, ...]) -> None:
        said = NewDispute("Ms Li", reason, named)
        with pytest.raises(DisputeInvalid):
            await month.of._do(open_dispute, month.settled.id, said)

    async def test_nothing_there(self, month: Month) -> None:
        with pytest.raises(DisputeNotFound):
            await month.of._do(decide_overdue_dispute, ids.new_id())


class TestDeadlines:
    async def test_no_answer(self, month: Month) -> None:
        """Opened on the 6th, to be answered by the 11th: it is decided as of then."""
        month.of.firm.story.clock.set(2026, 11, 6)
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        month.of.firm.story.clock.set(2026, 11, 11)
        with pytest.raises(DisputeStateInvalid):
            await month.of.answers(dispute)
        await month.of.until(2026, 11, 15)
        seen = await month.now(dispute)
        assert (seen.decided_for, seen.decided_by) == (CUSTOMER, "deadline")
        assert seen.decided_at == month.of.firm.story.clock.at(2026, 11, 11)
        assert await month.lines() == [("customer_system", "1", "300.00")]

    async def test_no_reply(self, month: Month) -> None:
        """Answered on the 15th, to be replied to by the 20th: November has the rest, too."""
        month.of.firm.story.clock.set(2026, 11, 13)
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.until(2026, 11, 15)
        await month.of.answers(dispute)
        with pytest.raises(DisputeStateInvalid):
            await month.of.answers(dispute)
        assert (await month.of._do(decide_overdue_dispute, dispute.id)).decided_at is None
        month.of.firm.story.clock.set(2026, 11, 20)
        with pytest.raises(DisputeStateInvalid):
            await month.of.replies(dispute)
        await month.of.settles()
        assert (await month.now(dispute)).decided_for == OPERATOR
        assert await month.lines() == [("customer_system", "1", "300.00")] * 2

    async def test_no_decision(self, month: Month) -> None:
        """Replied to on the 15th, to be decided by the 20th: who bills has not proved it."""
        month.of.firm.story.clock.set(2026, 11, 13)
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.until(2026, 11, 15)
        await month.of.answers(dispute)
        await month.of.replies(dispute)
        month.of.firm.story.clock.set(2026, 11, 20)
        with pytest.raises(DisputeStateInvalid, match="until"):
            await month.of.decides(dispute, OPERATOR)
        await month.of.settles()
        seen = await month.now(dispute)
        assert (seen.decided_for, seen.decided_by) == (CUSTOMER, "deadline")
        assert seen.decided_at == month.of.firm.story.clock.at(2026, 11, 20)
        assert await month.lines() == [("customer_system", "1", "300.00")]


class TestTelling:
    async def test_what_the_customer_hears(self, month: Month) -> None:
        """By the addresses' language, each once, with the moment until which it can act."""
        story = month.of.firm.story
        async with story.database.transaction() as session:
            place = (session, month.of.firm.account.id)
            await update_profile(*place, email="li@acme.example", locale="en")
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.answers(dispute, "See the vibration.")
        await month.of.gives_in(dispute, CUSTOMER)
        await month.of.until(2026, 12, 4)
        rows = await sql(
            story.database, "select payload from outbox where action = 'email' order by id"
        )
        said = [(row.payload["subject"], row.payload["text"]) for row in rows]
        assert [subject for subject, _ in said if "invoice" not in subject] == [
            "Your dispute was answered",
            "Dispute decided",
            "Settlement: Early warning, 2026-11",
        ]
        assert "See the vibration." in said[0][1]
        assert "2026-11-09 00:00" in said[0][1]
        assert "300.00 CNY was decided for the operator" in said[1][1]
        assert "0.00 CNY" in said[2][1]
        assert "2026-12-14 00:00" in said[2][1]


class TestDeciding:
    async def test_in_turn(self, month: Month) -> None:
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        with pytest.raises(DisputeStateInvalid):
            await month.of.replies(dispute)
        await month.of.answers(dispute)
        with pytest.raises(DisputeStateInvalid, match="Both sides"):
            await month.of.decides(dispute, CUSTOMER)
        await month.of.replies(dispute)
        with pytest.raises(DisputeStateInvalid):
            await month.of.replies(dispute)
        assert (await month.of._do(decide_overdue_dispute, dispute.id)).decided_at is None
        with pytest.raises(DisputeInvalid, match="side"):
            await month.of.decides(dispute, "nobody")
        await month.of.decides(dispute, CUSTOMER)
        with pytest.raises(DisputeStateInvalid, match="decided"):
            await month.of.gives_in(dispute, CUSTOMER)
        await month.of.until(2026, 11, 14)
        assert await month.lines() == [("customer_system", "1", "300.00")]

    async def test_a_reversed_outcome_in_a_dispute(self, month: Month) -> None:
        """It was reversed meanwhile: the operator wins a dispute that is about nothing more."""
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.reverses(month.outcomes[0])
        await month.of.gives_in(dispute, CUSTOMER)
        await month.of.until(2026, 11, 14)
        assert await month.lines() == [("customer_system", "1", "300.00")]
        assert await month.of.firm.story.differences() == ()
