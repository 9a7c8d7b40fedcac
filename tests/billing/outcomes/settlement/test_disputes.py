"""Disputes: turns of the parties, deadlines and effects of a decision."""

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


class TestDisputeOpening:
    async def test_dispute_without_named_outcomes_freezes_the_whole_settlement(
        self, month: Month
    ) -> None:
        dispute = await month.of.disputes(month.settled)
        assert (dispute.frozen, len(dispute.outcomes)) == (600_00, 2)
        await month.of.until(2026, 11, 8)
        await month.of.answers(dispute)
        await month.of.until(2026, 11, 14)
        assert (await month.now(dispute)).decided_for == OPERATOR

    async def test_dispute_after_the_dispute_window_is_rejected(self, month: Month) -> None:
        month.of.firm.story.clock.set(2026, 11, 14)
        with pytest.raises(DisputeStateInvalid, match="dispute period ended"):
            await month.of.disputes(month.settled)

    async def test_second_open_dispute_or_repeated_outcome_is_rejected(self, month: Month) -> None:
        first, second = month.outcomes
        dispute = await month.of.disputes(month.settled, first)
        with pytest.raises(DisputeStateInvalid, match="already open"):
            await month.of.disputes(month.settled, second)
        await month.of.gives_in(dispute, CUSTOMER)
        with pytest.raises(DisputeStateInvalid, match="already been disputed"):
            await month.of.disputes(month.settled, first)
        rest = await month.of.disputes(month.settled)
        assert rest.outcomes == [ids.format_id("outc", second.id)]
        await month.of.gives_in(rest, OPERATOR)
        with pytest.raises(DisputeInvalid, match="nothing"):
            await month.of.disputes(month.settled)
        await month.of.until(2026, 11, 14)
        assert await month.lines() == [("customer_system", "1", "300.00")]

    @pytest.mark.parametrize(("reason", "named"), [("  ", ()), ("x" * 4001, ()), ("x", ("outc_",))])
    async def test_invalid_reason_or_outcome_id_is_rejected(
        self, month: Month, reason: str, named: tuple[str, ...]
    ) -> None:
        said = NewDispute("Ms Li", reason, named)
        with pytest.raises(DisputeInvalid):
            await month.of._do(open_dispute, month.settled.id, said)

    async def test_unknown_dispute_id_raises_not_found(self, month: Month) -> None:
        with pytest.raises(DisputeNotFound):
            await month.of._do(decide_overdue_dispute, ids.new_id())


class TestDisputeDeadlines:
    async def test_missed_answer_deadline_decides_for_the_customer(self, month: Month) -> None:
        """Opened on the 6th with an answer due by the 11th: decided as of the 11th."""
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

    async def test_missed_reply_deadline_decides_for_the_operator(self, month: Month) -> None:
        """Answered on the 15th with a reply due by the 20th: November's invoice includes both
        outcomes."""
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

    async def test_missed_decision_deadline_decides_for_the_customer(self, month: Month) -> None:
        """Replied to on the 15th with a decision due by the 20th: the operator has the burden of
        proof."""
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


class TestDisputeEmails:
    async def test_customer_gets_one_email_per_step_with_its_deadline(self, month: Month) -> None:
        """In the account's language, once per step, with the time until which the customer can
        act."""
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


class TestDisputeDecision:
    async def test_steps_out_of_order_are_rejected(self, month: Month) -> None:
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        with pytest.raises(DisputeStateInvalid):
            await month.of.replies(dispute)
        await month.of.answers(dispute)
        with pytest.raises(DisputeStateInvalid, match="can be decided after"):
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

    async def test_reversed_outcome_is_not_charged_when_the_operator_wins(
        self, month: Month
    ) -> None:
        """The outcome is reversed during the dispute, so the operator wins nothing."""
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.reverses(month.outcomes[0])
        await month.of.gives_in(dispute, CUSTOMER)
        await month.of.until(2026, 11, 14)
        assert await month.lines() == [("customer_system", "1", "300.00")]
        assert await month.of.firm.story.differences() == ()
