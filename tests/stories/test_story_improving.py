"""Model improvement from feedback: corrections of three accounts become a version for all."""

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
from tests.support.nightly import nightly
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


@nightly
async def test_promoted_version_changes_answers_and_rollback_restores_them(shop: Shop) -> None:
    """No correction contains the code of fault zzzz: the model must have learned the rule.

    A second gateway answers like the first, also for an account that shares no feedback.
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


async def test_candidate_with_worse_scores_is_rejected(shop: Shop) -> None:
    """The candidate has learned the rule but forgotten everything else: it never serves a call."""
    await shop.corrected()
    shop.serving.forgets = True
    row = await shop.proposes()
    assert row.status == "rejected"
    assert row.scores is not None
    assert row.scores["tasks"]["feedback"]["after"] == 1
    await shop.answers("I do not know.")
    with pytest.raises(Exception, match="is rejected"):
        await change(shop, 1, instead_of=0)


async def test_second_of_two_concurrent_promotions_raises_version_conflict(shop: Shop) -> None:
    """Versions 1 and 2 are promoted at once: one replaces the built-in version, one conflicts."""
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
    """The same platform with the client of another account."""
    return Shop(shop.gateway, shop.serving, [firm], shop.proposer)
