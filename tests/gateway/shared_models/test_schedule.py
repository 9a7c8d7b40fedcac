"""Nightly proposals: once per night, and not while the engine is busy."""

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import cast

import pytest
from sqlalchemy import text

from gateway.shared_models.proposer import Proposer, ProposerDependencies
from gateway.shared_models.schedule import NightlyProposals
from infra import ids
from infra.database.database import Database
from tests.support.builders import CHAT
from tests.support.gateway.shops import RULES, SHARED, SOLD, Shop, tasks
from tests.support.stories.story import Calendar

AT = time(18, 30)


@pytest.fixture
def calendar() -> Calendar:
    """A calendar in UTC."""
    clock = Calendar()
    clock.zone = UTC  # type: ignore[assignment]
    clock.set(2027, 1, 4, 19)
    return clock


@pytest.fixture
def nightly(shop: Shop, calendar: Calendar) -> NightlyProposals:
    parts = shop.gateway.parts
    tools = ProposerDependencies(
        calendar, parts.database, parts.upstream, parts.router, RULES, tasks
    )
    return NightlyProposals(AT, SOLD, calendar, parts.database, Proposer(tools))


async def numbers(shop: Shop) -> list[int]:
    return [row.number for row in await shop.versions()]


@pytest.mark.parametrize(
    ("hour", "minute", "night"),
    [(18, 29, None), (18, 30, 4), (22, 29, 4), (22, 30, None), (3, 0, None)],
)
def test_night_starts_at_the_configured_time(
    calendar: Calendar, hour: int, minute: int, night: int | None
) -> None:
    began = at_night(AT, calendar).night_start(datetime(2027, 1, 4, hour, minute, tzinfo=UTC))
    assert began == (None if night is None else datetime(2027, 1, night, 18, 30, tzinfo=UTC))


def test_night_continues_past_midnight(calendar: Calendar) -> None:
    began = at_night(time(23), calendar).night_start(datetime(2027, 1, 5, 1, tzinfo=UTC))
    assert began == datetime(2027, 1, 4, 23, tzinfo=UTC)


def at_night(begins: time, calendar: Calendar) -> NightlyProposals:
    """A schedule without database and proposer, for questions about its nights."""
    return NightlyProposals(begins, SOLD, calendar, cast(Database, None), cast(Proposer, None))


async def test_one_version_is_proposed_per_night_with_new_examples(
    shop: Shop, calendar: Calendar, nightly: NightlyProposals
) -> None:
    await shop.corrected()
    calendar.set(2027, 1, 4, 12)
    await nightly()
    assert await numbers(shop) == []
    calendar.set(2027, 1, 4, 19)
    await nightly()
    await nightly()
    assert await numbers(shop) == [1]
    # No new examples in the next night, a new one in the night after.
    calendar.set(2027, 1, 5, 19)
    await nightly()
    assert await numbers(shop) == [1]
    await shop.firms[1].corrects("Which code has more?", "F-more")
    calendar.set(2027, 1, 6, 19)
    await nightly()
    assert await numbers(shop) == [2, 1]


async def test_nightly_run_with_too_few_examples_raises_no_error(
    shop: Shop, nightly: NightlyProposals
) -> None:
    await nightly()
    assert await numbers(shop) == []


async def test_failed_nightly_proposal_is_not_retried_that_night(
    shop: Shop, nightly: NightlyProposals
) -> None:
    await shop.corrected()
    shop.serving.breaks = True
    await nightly()
    shop.serving.breaks = False
    await nightly()
    (row,) = await shop.versions()
    assert row.status == "rejected"


async def test_no_version_is_proposed_while_the_engine_is_busy(
    shop: Shop, nightly: NightlyProposals
) -> None:
    """Busy: more than 4 of 16 concurrent calls of the base model and its adapters."""
    await shop.corrected()
    await running(shop, [CHAT, SHARED, CHAT, SHARED, SHARED])
    await nightly()
    assert await numbers(shop) == []
    await running(shop, [])
    await nightly()
    assert await numbers(shop) == [1]


async def test_same_load_does_not_make_two_engines_busy(
    shop: Shop, nightly: NightlyProposals
) -> None:
    await shop.corrected()
    await running(shop, [CHAT, SHARED, CHAT, SHARED, SHARED])
    await replace(nightly, engines_per_model=2)()
    assert await numbers(shop) == [1]


async def running(shop: Shop, models: list[str]) -> None:
    gateway = shop.gateway
    statement = text(
        "insert into intent values (:id, :process, :account, :key, 'chat', :model, false, 0, "
        "'CNY', now())"
    )
    async with gateway.parts.database.transaction() as session:
        await session.execute(text("delete from intent"))
        for model in models:
            place = {"process": gateway.parts.heartbeat.process_id, "account": gateway.account.id}
            values = {"id": ids.new_id(), "key": gateway.key.row.id, "model": model, **place}
            await session.execute(statement, values)
