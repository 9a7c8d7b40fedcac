"""Usage buckets by hour and day, computed from the usage totals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.metering.usage_buckets import (
    BucketWidth,
    UsageBucket,
    UsageBucketQuery,
    get_aggregation_time,
    list_usage_buckets,
)
from infra import ids
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.stories.story import Firm, Story

DAY = datetime(2026, 10, 12, tzinfo=UTC)


@pytest.fixture
async def firm(database: Database) -> Firm:
    """On the 12th two calls to llm within one hour, one to vib in the next; one on the 13th."""
    story = Story(database)
    firm = await story.firm()
    for at, model, units in (
        (timedelta(hours=1), "llm", {"input_tokens": 100, "cached_input_tokens": 40}),
        (timedelta(hours=1, minutes=59), "llm", {"output_tokens": 7}),
        (timedelta(hours=2), "vib", {"rows": 3}),
        (timedelta(days=1), "llm", {"output_tokens": 5}),
    ):
        story.clock._now = DAY + at
        await firm.use(model, **units)
    await story.counts()
    return firm


async def used(firm: Firm, **values: Any) -> list[UsageBucket]:
    wish = UsageBucketQuery(
        DAY, DAY + timedelta(days=2), **{"bucket_width": BucketWidth.DAY, **values}
    )
    async with firm.story.database.transaction() as session:
        return await list_usage_buckets(session, firm.account.id, wish)


def shown(found: list[UsageBucket]) -> list[tuple[Any, ...]]:
    return [
        (one.starts_at, one.model, one.calls, one.input_tokens, one.output_tokens) for one in found
    ]


async def test_daily_usage_buckets_sum_calls_and_tokens(firm: Firm) -> None:
    found = await used(firm)
    assert shown(found) == [
        (DAY, None, 3, 100, 7),
        (DAY + timedelta(days=1), None, 1, 0, 5),
    ]
    # 60 x 500 + 40 x 100 + 7 x 2000 for llm, 3 x 1,000,000 for vib.
    assert (found[0].cached_input_tokens, found[0].cost_nano) == (40, 48_000 + 3_000_000)


async def test_hourly_usage_buckets_are_grouped_by_model(firm: Firm) -> None:
    found = await used(firm, bucket_width=BucketWidth.HOUR, by_model=True)
    assert shown(found) == [
        (DAY + timedelta(hours=1), "llm", 2, 100, 7),
        (DAY + timedelta(hours=2), "vib", 1, 0, 0),
        (DAY + timedelta(days=1), "llm", 1, 0, 5),
    ]


async def test_usage_buckets_are_filtered_by_model_operation_and_key(firm: Firm) -> None:
    assert [one.calls for one in await used(firm, models=["vib"])] == [1]
    assert [one.calls for one in await used(firm, operations=["chat"])] == [2, 1]
    assert [one.calls for one in await used(firm, operations=["predictions"])] == [1]
    assert await used(firm, operations=["embeddings"]) == []
    key = ids.new_id()
    await sql(
        firm.story.database,
        "update usage_total set key_id = :key where model = 'vib'",
        key=key,
    )
    (one,) = await used(firm, key_ids=[key], by_key=True)
    assert (one.key_id, one.calls) == (key, 1)
    assert {one.key_id for one in await used(firm, by_key=True)} > {key}


async def test_usage_buckets_exclude_other_accounts(firm: Firm) -> None:
    assert await used(await firm.story.firm("Other")) == []


async def test_usage_buckets_exclude_unbilled_calls(firm: Firm) -> None:
    await sql(firm.story.database, "update usage_total set settlement = 'unknown'")
    assert await used(firm) == []


async def test_aggregation_time_is_the_time_of_the_last_aggregation(firm: Firm) -> None:
    async with firm.story.database.transaction() as session:
        assert await get_aggregation_time(session) == firm.story.clock.now()


async def test_usage_bucket_query_uses_the_account_hour_index(firm: Firm) -> None:
    """The account's hours are found by index in a table with 20,000 other rows."""
    database = firm.story.database
    await sql(
        database,
        "insert into usage_total select gen_random_uuid(), now() - n * interval '1 hour', 'm', "
        "gen_random_uuid(), gen_random_uuid(), 'chat', 'complete', false, gen_random_uuid(), "
        "1, 1, 1, 1, 1, 1, 1, 1 from generate_series(1, 20000) n",
    )
    await sql(database, "analyze usage_total")
    plan = await sql(
        database,
        "explain select sum(calls) from usage_total where account_id = :account and "
        "hour >= :since and hour < :until",
        account=firm.account.id,
        since=DAY,
        until=DAY + timedelta(days=31),
    )
    assert "ix_usage_total_account_id_hour" in "".join(row[0] for row in plan)
