"""JSON of settlements, disputes and outcomes: amounts and quantities as decimal strings."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import replay_bundle
from billing.outcomes.settlement.views import (
    dispute_json,
    disputes_page,
    outcomes_page,
    replay_json,
    settlement_json,
    settlements_page,
)
from billing.tables import Dispute, Outcome, OutcomeSettlement
from infra import ids
from tests.support.stories.outcome_story import Contract, settled_october
from tests.support.stories.story import Story

Page = Callable[..., Awaitable[list[dict[str, Any]]]]
OPENED, DUE = "2026-11-05T16:00:00+00:00", "2026-11-10T16:00:00+00:00"


class Month:
    """October with two failures at 300.00 each, settled on 4 November."""

    def __init__(self, of: Contract, outcomes: list[Outcome], settled: OutcomeSettlement) -> None:
        self.of, self.outcomes, self.settled = of, outcomes, settled

    async def page(self, of: Page, limit: int = 10, after: Any = None) -> list[dict[str, Any]]:
        async with self.of.firm.story.database.transaction() as session:
            return await of(session, self.of.firm.account.id, limit, after)

    async def shown(self) -> dict[str, Any]:
        """The settlement as it is now."""
        settled = next(one for one in await self.of.settlements() if one.id == self.settled.id)
        async with self.of.firm.story.database.transaction() as session:
            return await settlement_json(session, settled)

    async def dispute(self, dispute: Dispute) -> dict[str, Any]:
        async with self.of.firm.story.database.transaction() as session:
            return await dispute_json(session, dispute)


@pytest.fixture
async def month(story: Story) -> Month:
    return Month(*await settled_october(await story.firm()))


class TestSettlementJson:
    async def test_open_settlement_shows_no_charged_amount(self, month: Month) -> None:
        assert await month.shown() == {
            "object": "outcome.settlement",
            "id": ids.format_id("oset", month.settled.id),
            "contract": "spindles",
            "status": "open",
            "starts_at": "2026-09-30T16:00:00+00:00",
            "ends_at": "2026-10-31T16:00:00+00:00",
            "quantity": "2",
            "amount": "600.00",
            "currency": "CNY",
            "by_attester": [
                {"attested_by": "customer_system", "quantity": "2", "amount": "600.00"}
            ],
            "decisions": {},
            "predictions": [],
            "outcomes": [ids.format_id("outc", one.id) for one in month.outcomes],
            "made_at": "2026-11-03T16:00:00+00:00",
            "disputable_until": "2026-11-13T16:00:00+00:00",
            "accepted_at": None,
            "waiting": "0.00",
            "invoiced": "0.00",
            "credited": "0.00",
            "disputes": [],
            "digest": month.settled.digest.hex(),
        }

    async def test_accepted_settlement_shows_waiting_invoiced_and_credited_amounts(
        self, month: Month
    ) -> None:
        """The amount waits for the invoice of November; 300.00 of it are credited there."""
        await month.of.until(2026, 11, 14)
        shown = await month.shown()
        assert (shown["status"], shown["accepted_at"]) == (
            "accepted",
            "2026-11-13T16:00:00+00:00",
        )
        assert (shown["waiting"], shown["invoiced"]) == ("600.00", "0.00")
        await month.of.until(2026, 12, 1, 1)
        await month.of.reverses(month.outcomes[0])
        shown = await month.shown()
        assert [shown[name] for name in ("waiting", "invoiced", "credited")] == [
            "0.00",
            "600.00",
            "300.00",
        ]

    async def test_settlements_are_listed_newest_first_in_pages(self, month: Month) -> None:
        await month.of.until(2026, 12, 4)
        october, november = await month.of.settlements()
        named = [ids.format_id("oset", one.id) for one in (november, october)]
        assert [one["id"] for one in await month.page(settlements_page)] == named
        assert [one["id"] for one in await month.page(settlements_page, 1)] == named[:1]
        rest = await month.page(settlements_page, 10, november.id)
        assert [one["id"] for one in rest] == named[1:]
        assert await month.page(settlements_page, 10, october.id) == []

    async def test_settlements_and_disputes_of_another_account_are_not_listed(
        self, month: Month
    ) -> None:
        other = await month.of.firm.story.firm("B")
        async with other.story.database.transaction() as session:
            assert await settlements_page(session, other.account.id, 10) == []
            assert await disputes_page(session, other.account.id, 10) == []


async def test_outcomes_are_listed_newest_first_in_pages(month: Month) -> None:
    named = [ids.format_id("outc", one.id) for one in reversed(month.outcomes)]
    listed = await month.page(outcomes_page)
    assert [one["id"] for one in listed] == named
    assert {one["settlement"] for one in listed} == {ids.format_id("oset", month.settled.id)}
    rest = await month.page(outcomes_page, 10, month.outcomes[1].id)
    assert [one["id"] for one in rest] == named[1:]


class TestDisputeJson:
    async def test_opened_dispute_waits_for_answer(self, month: Month) -> None:
        month.of.firm.story.clock.set(2026, 11, 6)
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        assert await month.dispute(dispute) == {
            "object": "outcome.dispute",
            "id": ids.format_id("odsp", dispute.id),
            "settlement": ids.format_id("oset", month.settled.id),
            "outcomes": [ids.format_id("outc", month.outcomes[0].id)],
            "status": "waits_for_answer",
            "reason": "The spindle was replaced by the calendar anyway.",
            "opened_by": "Ms Li",
            "opened_at": OPENED,
            "frozen": "300.00",
            "currency": "CNY",
            "answer": None,
            "answer_due": DUE,
            "answered_at": None,
            "reply": None,
            "reply_due": None,
            "decision_due": None,
            "replied_at": None,
            "decided_for": None,
            "decided_by": None,
            "decided_at": None,
            "digest": month.settled.digest.hex(),
            "replayed": {"amount": "600.00", "quantity": "2", "agrees": True},
        }
        assert (await month.shown())["disputes"] == [ids.format_id("odsp", dispute.id)]

    async def test_decided_dispute_shows_answer_reply_and_winner(self, month: Month) -> None:
        month.of.firm.story.clock.set(2026, 11, 6)
        dispute = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.answers(dispute, "See the vibration.")
        await month.of.replies(dispute, "It was within limits.")
        shown = await month.dispute(await month.of.decides(dispute, "customer"))
        assert shown["status"] == "decided"
        assert (shown["answer"], shown["reply"]) == ("See the vibration.", "It was within limits.")
        assert (shown["decided_for"], shown["decided_by"]) == ("customer", "arbiter")
        assert [shown[f"{name}_at"] for name in ("answered", "replied", "decided")] == [OPENED] * 3
        assert (shown["reply_due"], shown["decision_due"]) == (DUE, DUE)

    async def test_disputes_are_listed_newest_first_in_pages(self, month: Month) -> None:
        first = await month.of.disputes(month.settled, month.outcomes[0])
        await month.of.gives_in(first, "customer")
        second = await month.of.disputes(month.settled, month.outcomes[1])
        named = [ids.format_id("odsp", one.id) for one in (second, first)]
        assert [one["id"] for one in await month.page(disputes_page)] == named
        rest = await month.page(disputes_page, 10, second.id)
        assert [one["id"] for one in rest] == named[1:]


class TestReplayJson:
    async def test_unchanged_bundle_agrees(self, month: Month) -> None:
        assert replay_json(replay_bundle(month.settled.bundle, measure_effect)) == {
            "settlement": ids.format_id("oset", month.settled.id),
            "quantity": "2",
            "amount": "600.00",
            "currency": "CNY",
            "agrees": True,
            "differences": [],
        }

    async def test_changed_bundle_lists_each_differing_figure(self, month: Month) -> None:
        said = msgspec.json.decode(month.settled.bundle)
        said["result"]["minor"] = 700_00
        shown = replay_json(replay_bundle(msgspec.json.encode(said).decode(), measure_effect))
        assert (shown["amount"], shown["agrees"]) == ("600.00", False)
        assert shown["differences"] == [{"figure": "minor", "stated": "70000", "computed": "60000"}]
