"""Batches that do not go as planned: interrupted checks, risen prices, an unavailable model."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.plan_changes import start_plan
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from gateway.batches import creation
from gateway.batches.batches import claim_next
from gateway.batches.lines import insert_lines
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import CHAT
from tests.support.gateway.batching import Batcher, chat_line, chat_lines, extra, nano

DEARER = f"""
plan = "dear"
names = {{ en = "Dear", zh = "贵" }}
currency = "CNY"

[[price]]
model = "{CHAT}"
meter = "input_tokens"
price = "0.001"

[[price]]
model = "{CHAT}"
meter = "output_tokens"
price = "0.001"
"""


async def test_batch_whose_check_was_interrupted_is_failed_and_its_lines_are_deleted(
    batcher: Batcher,
) -> None:
    runner, database = batcher.gateway.parts.batch_runner, batcher.gateway.parts.database
    await runner.stop()
    batch = await batcher.create(chat_lines(3))
    # As a process leaves it that is lost before it holds the cost.
    await sql(
        database,
        "update batch set status = 'validating', created_at = now() - interval '16 minutes'",
    )
    await runner.start()
    batch = await batcher.ended(batch.id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [one.code for one in batch.errors.data or ()] == ["internal_error"]
    assert await sql(database, "select count(*) from batch_line") == [(0,)]
    assert not batcher.upstream.received


async def test_batch_that_was_failed_while_its_lines_were_stored_is_not_started(
    batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stood still for 16 minutes, and another one ended the batch. Lines stored since
    then are deleted, no money is held, and the answer says that the batch has failed."""
    database, clock = batcher.gateway.parts.database, batcher.gateway.parts.clock

    async def store_late(session: AsyncSession, *rest: Any) -> None:
        await sql(database, "update batch set created_at = now() - interval '16 minutes'")
        async with database.transaction() as other:
            assert await claim_next(other, clock, ids.new_id()) is None
        await insert_lines(session, *rest)

    monkeypatch.setattr(creation, "insert_lines", store_late)
    batch = await batcher.create(chat_lines(3))
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [one.code for one in batch.errors.data or ()] == ["internal_error"]
    assert (await batcher.client.batches.retrieve(batch.id)).status == "failed"
    assert await sql(database, "select count(*) from batch_line") == [(0,)]
    assert await sql(database, "select 1 from gateway_process where host = 'hold'") == []
    assert not batcher.upstream.received


async def test_lines_that_risen_prices_no_longer_fit_into_the_hold_get_an_error(
    batcher: Batcher,
) -> None:
    gateway = batcher.gateway
    await gateway.parts.batch_runner.stop()
    batch = await batcher.create(chat_lines(3))
    plan, clock = parse_plan_file(DEARER, lambda _currency: {}), gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        version = await publish_plan(session, clock, plan)
        await start_plan(session, clock, gateway.account.id, version)
    await gateway.parts.batch_runner.start()
    batch = await batcher.ended(batch.id)
    codes = [line["response"]["body"]["error"]["code"] for line in await batcher.errors(batch)]
    assert codes == ["batch_hold_exhausted"] * 3
    assert (batch.status, nano(extra(batch, "cost"))) == ("completed", 0)
    assert not (await gateway.reconciled()).differences


async def test_batch_waits_while_the_model_is_overloaded(batcher: Batcher) -> None:
    batcher.upstream.does += ["busy"] * 3
    batch = await batcher.run(chat_lines(4))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (4, 0)
    assert len(batcher.upstream.received) == 7


@pytest.mark.parametrize("tags", ["order=A-17", "a=1,b=2"])
async def test_tags_of_the_creation_are_those_of_all_calls(batcher: Batcher, tags: str) -> None:
    batch = await batcher.run([chat_line("a", "x")], extra_headers={"X-Maas-Tags": tags})
    row = await batcher.gateway.row()
    own = dict(pair.split("=") for pair in tags.split(","))
    assert row["tags"] == {**own, "batch": batch.id}
