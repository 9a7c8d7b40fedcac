"""Settlement read model: details, and the status of settlements, outcomes and disputes."""

from datetime import UTC, datetime

import pytest

from billing.outcomes.settlement.disputes import disputable_effect_ids
from billing.outcomes.settlement.read_model import (
    dispute_status,
    list_account_disputes,
    list_contract_outcomes,
    list_contract_settlements,
    load_settlement_details,
    outcome_status,
)
from billing.tables import Dispute, Outcome
from infra import ids
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


async def october(story: Story) -> Contract:
    """One confirmed outcome and one refused as a repetition of it; settled on 4 November."""
    of = await contract(await story.firm())
    await of.use("M1", 2026, 10, 11, 6)
    story.clock.set(2026, 10, 20)
    for key in ("W-1", "W-2"):
        await of.claims(key, "M1", 2026, 10, 11, 12, by="customer_system")
    await of.until(2026, 11, 4)
    return of


async def test_open_settlement_is_accepted_after_the_dispute_window(story: Story) -> None:
    of = await october(story)
    account_id, contract_id = of.firm.account.id, of.row.id
    async with story.database.transaction() as session:
        (settled,) = await list_contract_settlements(session, account_id, contract_id, 5)
        assert (settled.status, settled.waiting, settled.invoiced) == ("open", 0, 0)
        assert settled.terms.tag == "spindles"
        named = await disputable_effect_ids(session, settled.row, story.clock.now())
        assert named == settled.bundle.effect_ids
        assert await list_contract_settlements(session, ids.new_id(), contract_id, 5) == []
        outcomes = await list_contract_outcomes(session, account_id, contract_id, 5)
        assert [outcome_status(one) for one in outcomes] == ["refused", "settled"]
    await of.until(2026, 11, 14)
    async with story.database.transaction() as session:
        (settled,) = await list_contract_settlements(session, account_id, contract_id, 5)
        assert (settled.status, settled.waiting, settled.credited) == ("accepted", 300_00, 0)
        assert await disputable_effect_ids(session, settled.row, story.clock.now()) == frozenset()


async def test_disputed_settlement_has_no_disputable_effects(story: Story) -> None:
    of = await october(story)
    account_id, (row,) = of.firm.account.id, await of.settlements()
    dispute = await of.disputes(row)
    async with story.database.transaction() as session:
        settled = await load_settlement_details(session, row)
        assert (settled.status, dispute_status(dispute)) == ("disputed", "waits_for_answer")
        assert await disputable_effect_ids(session, row, story.clock.now()) == frozenset()
        assert [one.id for one in await list_account_disputes(session, account_id, 5)] == [
            dispute.id
        ]
        assert await list_account_disputes(session, account_id, 5, dispute.id) == []
        assert await list_account_disputes(session, ids.new_id(), 5) == []


NOW, ID = datetime(2026, 11, 4, tzinfo=UTC), ids.new_id()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(), "claimed"),
        (Outcome(confirmed_at=NOW), "confirmed"),
        (Outcome(confirmed_at=NOW, settlement_id=ID), "settled"),
        (Outcome(confirmed_at=NOW, settlement_id=ID, reversed_at=NOW), "reversed"),
        (Outcome(reversed_at=NOW), "reversed"),
        (Outcome(refused_for="too_near"), "refused"),
    ],
)
def test_outcome_status_follows_the_latest_event(outcome: Outcome, status: str) -> None:
    assert outcome_status(outcome) == status


@pytest.mark.parametrize(
    ("dispute", "status"),
    [
        (Dispute(), "waits_for_answer"),
        (Dispute(answered_at=NOW), "waits_for_reply"),
        (Dispute(answered_at=NOW, replied_at=NOW), "waits_for_decision"),
        (Dispute(answered_at=NOW, replied_at=NOW, decided_at=NOW), "decided"),
        (Dispute(decided_at=NOW), "decided"),
    ],
)
def test_dispute_status_names_the_next_step(dispute: Dispute, status: str) -> None:
    assert dispute_status(dispute) == status
