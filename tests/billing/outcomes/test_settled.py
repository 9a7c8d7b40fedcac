"""A settlement with all that is known of it, and the names by which things stand."""

from billing.outcomes.disputes import disputable_effects
from billing.outcomes.settled import (
    dispute_status,
    disputes_in,
    outcome_status,
    outcomes_of,
    read_settled,
    settled_of,
)
from infra import ids
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


async def october(story: Story) -> Contract:
    """One failure that was foreseen, and one that is too near it; settled on 4 November."""
    of = await contract(await story.firm())
    await of.use("M1", 2026, 10, 11, 6)
    story.clock.set(2026, 10, 20)
    for key in ("W-1", "W-2"):
        await of.claims(key, "M1", 2026, 10, 11, 12, by="customer_system")
    await of.until(2026, 11, 4)
    return of


async def test_from_open_to_accepted(story: Story) -> None:
    of = await october(story)
    account_id, contract_id = of.firm.account.id, of.row.id
    async with story.database.transaction() as session:
        (settled,) = await settled_of(session, account_id, contract_id, 5)
        assert (settled.status, settled.waiting, settled.invoiced) == ("open", 0, 0)
        assert settled.terms.tag == "spindles"
        named = await disputable_effects(session, settled.row, story.clock.now())
        assert named == settled.bundle.effects
        assert await settled_of(session, ids.new_id(), contract_id, 5) == []
        outcomes = await outcomes_of(session, account_id, contract_id, 5)
        assert [outcome_status(one) for one in outcomes] == ["refused", "settled"]
    await of.until(2026, 11, 14)
    async with story.database.transaction() as session:
        (settled,) = await settled_of(session, account_id, contract_id, 5)
        assert (settled.status, settled.waiting, settled.credited) == ("accepted", 300_00, 0)
        assert await disputable_effects(session, settled.row, story.clock.now()) == frozenset()


async def test_while_it_is_disputed(story: Story) -> None:
    of = await october(story)
    account_id, (row,) = of.firm.account.id, await of.settlements()
    dispute = await of.disputes(row)
    async with story.database.transaction() as session:
        settled = await read_settled(session, row)
        assert (settled.status, dispute_status(dispute)) == ("disputed", "waits_for_answer")
        assert await disputable_effects(session, row, story.clock.now()) == frozenset()
        assert [one.id for one in await disputes_in(session, account_id, 5)] == [dispute.id]
        assert await disputes_in(session, account_id, 5, dispute.id) == []
        assert await disputes_in(session, ids.new_id(), 5) == []
