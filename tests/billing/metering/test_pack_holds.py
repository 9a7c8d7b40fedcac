"""Units of prepaid packs held for a long job: how many, when they pay for all, and their return.

The job can use up to 400 input and 200 output tokens of `llm`: 600 units of a pack of tokens.
"""

from datetime import timedelta
from uuid import UUID

import pytest

from billing.metering.holds import HoldRefused, end_hold, move_hold, open_hold, read_hold
from billing.metering.pack_holds import PackDemand
from billing.metering.quotas import find_call_quotas
from infra import ids
from tests.support.billing.making import make_key, sql
from tests.support.stories.pack_story import TOKENS, buys, funded, offers, usable
from tests.support.stories.story import Firm, Story

MAX_UNITS = {"input_tokens": 400, "output_tokens": 200}
COST = 10**6
OUTPUT_ONLY = TOKENS.replace('"tokens"', '"output"').replace(
    'meter = "output"', 'meter = "output_tokens"'
)


async def firm_with(story: Story, **units: int) -> Firm:
    """A firm that owns packs of so many units: of tokens, or of output tokens."""
    firm = await funded(story)
    firm.key_id = await make_key(story.database, firm.account.id)
    for name, count in units.items():
        text = TOKENS if name == "tokens" else OUTPUT_ONLY
        await offers(story, text.replace("units = 1_000", f"units = {count}"))
        await buys(firm, name, key=name)
    return firm


async def held(firm: Firm, days: float = 1) -> tuple[UUID, int]:
    """Open a hold for a job that lasts so many days; returns its id and the money held."""
    story, hold_id = firm.story, ids.new_id()
    now, packs = story.clock.now(), await usable(firm)
    demand = PackDemand(firm.account.id, packs, MAX_UNITS, now + timedelta(days=days))
    async with story.database.transaction() as session:
        quotas = await find_call_quotas(session, firm.account.id, firm.key_id, now)
        money = await open_hold(session, hold_id, quotas, COST, timedelta(hours=1), demand)
    return hold_id, money


async def leased(firm: Firm) -> list[int]:
    """Units of packs leased, the first to expire first."""
    query = (
        "select q.leased from quota q join pack_purchase k on k.id = q.id "
        "where q.account_id = :account order by k.expires_at, k.id"
    )
    return [units for (units,) in await sql(firm.story.database, query, account=firm.account.id)]


@pytest.mark.parametrize(
    ("units", "days", "money", "leases"),
    [
        ({"tokens": 600}, 1, 0, [600]),
        ({"tokens": 700}, 1, 0, [600]),
        ({"tokens": 599}, 1, COST, [599]),
        ({"tokens": 600}, 91, COST, [600]),  # it expires before the job ends
        ({"output": 500}, 1, COST, [200]),  # nothing pays for input tokens
        # Calls may use tokens for output: 500 may not be left for the input.
        ({"tokens": 500, "output": 200}, 1, COST, [500, 200]),
    ],
)
async def test_packs_pay_for_a_job_only_if_they_cover_all_that_it_can_use(
    story: Story, units: dict[str, int], days: float, money: int, leases: list[int]
) -> None:
    firm = await firm_with(story, **units)
    hold_id, found = await held(firm, days)
    assert found == money
    assert await leased(firm) == leases
    async with story.database.transaction() as session:
        await end_hold(session, hold_id, story.clock.now())
    assert await leased(firm) == [0] * len(leases)
    assert await story.differences() == ()


async def test_money_without_credit_is_refused_and_a_covered_job_needs_none(story: Story) -> None:
    firm = await firm_with(story, tokens=599)
    await sql(
        story.database,
        "update quota set amount = 0 where kind = 'credit' and account_id = :of",
        of=firm.account.id,
    )
    with pytest.raises(HoldRefused):
        await held(firm)
    assert await leased(firm) == [0]


async def test_units_of_a_pack_that_calls_may_not_use_any_more_are_returned(story: Story) -> None:
    firm = await firm_with(story, tokens=300)
    hold_id, _ = await held(firm)
    now = story.clock.now()
    async with story.database.transaction() as session:
        quotas = await find_call_quotas(session, firm.account.id, firm.key_id, now)
        packs = {pack.id for pack in await usable(firm)}
        kept = await move_hold(session, hold_id, quotas, packs)
        assert sum(units.borrowed for units in kept.values() if not units.is_money) == 300
    async with story.database.transaction() as session:
        moved = await move_hold(session, hold_id, quotas)
        assert moved == await read_hold(session, hold_id)
    assert [units.borrowed for units in moved.values()] == [COST] * 2
    assert await leased(firm) == [0]


async def test_lease_that_no_unit_is_left_for_is_empty(story: Story) -> None:
    firm = await firm_with(story, tokens=600)
    await held(firm)
    _, money = await held(firm)
    assert (money, await leased(firm)) == (COST, [600])
