"""The way back, told whole: what three firms correct becomes a version that answers them all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.registry.versions import ModelVersionConflict, promote, roll_back
from tests.support import builders
from tests.support.builders import serve
from tests.support.fakes.adapters import ANSWER
from tests.support.gateway.customers import client
from tests.support.gateway.shops import SHARED, SOLD, Firm, Shop, run_shop
from tests.support.serving import build_parts


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with run_shop(database_url, tmp_path) as running:
        yield running


async def change(shop: Shop, number: int, instead_of: int) -> None:
    parts = shop.gateway.parts
    async with parts.database.transaction() as session:
        move = promote if number > instead_of else roll_back
        await move(session, parts.clock, SHARED, number, instead_of, "operator")


async def test_corrections_change_answers_and_a_rollback_brings_them_back(shop: Shop) -> None:
    """Nobody is taught the code of fault zzzz: it is the rule that was learned.

    A second gateway, which nobody told, answers like the first; so does a firm that shared nothing.
    """
    parts = shop.gateway.parts
    other = build_parts(parts.settings, parts.clock, SOLD)
    account, key = await builders.customer(parts.database, parts.settings, "Dowel")
    async with serve(other) as url, client(url, key.secret) as openai:
        there = replace_firm(shop, Firm(openai, account, key))
        await there.answers("I do not know.")
        await shop.corrects()
        assert (await shop.proposes()).status == "promoted"
        await shop.answers(f"{ANSWER}zzzz")
        await there.answers(f"{ANSWER}zzzz")
        await change(shop, 0, instead_of=1)
        await shop.answers("I do not know.")
        await there.answers("I do not know.")
    found = await shop.gateway.reconciled()
    assert not found.differences


async def test_a_worse_candidate_is_refused(shop: Shop) -> None:
    """It has learned the rule, and forgotten all else: nobody is ever answered by it."""
    await shop.corrected()
    shop.serving.forgets = True
    row = await shop.proposes()
    assert row.status == "rejected"
    assert row.scores is not None
    assert row.scores["tasks"]["feedback"]["after"] == 1
    await shop.answers("I do not know.")
    with pytest.raises(Exception, match="is rejected"):
        await change(shop, 1, instead_of=0)


async def test_two_promotions_at_once(shop: Shop) -> None:
    """Of versions 1 and 2 one follows the built-in one; the other is told that it came too late."""
    await shop.corrected()
    await shop.proposes()
    await change(shop, 0, instead_of=1)
    assert (await shop.proposes()).number == 2
    await change(shop, 0, instead_of=2)
    done = await asyncio.gather(
        *(change(shop, number, instead_of=0) for number in (1, 2)), return_exceptions=True
    )
    (late,) = [one for one in done if one is not None]
    assert isinstance(late, ModelVersionConflict)
    await shop.answers(f"{ANSWER}zzzz")
    assert sum(row.current for row in await shop.versions()) == 1


def replace_firm(shop: Shop, firm: Firm) -> Shop:
    """The same platform, as that firm sees it."""
    return Shop(shop.gateway, shop.serving, [firm], shop.proposer)
