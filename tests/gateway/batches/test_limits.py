"""Limits of batches: the hold, X-Max-Cost, invalid files, keys, open batches, the window."""

import asyncio
from dataclasses import replace
from typing import Any

import openai
import pytest

from billing.metering.quotas import add_credit_entry, set_credit_limit
from billing.tables import CreditReason
from gateway.access.api_keys import revoke_key
from gateway.batches import creation, offers
from tests.support.billing.making import sql
from tests.support.builders import CHAT, EMBEDDING, PLENTY, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.batching import (
    Batcher,
    chat_line,
    chat_lines,
    extra,
    jsonl,
    nano,
)


async def max_cost(batcher: Batcher, lines: list[dict[str, Any]]) -> int:
    """The highest cost of a batch in nano-units, from an error of X-Max-Cost."""
    with pytest.raises(openai.BadRequestError) as raised:
        await batcher.create(lines, extra_headers={"X-Max-Cost": "0.000000001"})
    assert raised.value.code == "max_cost_exceeded"
    text = str(raised.value)
    return nano(text.split("can cost up to ")[1].split(" ")[0])


async def change_credit(batcher: Batcher, amount: int) -> None:
    gateway = batcher.gateway
    async with gateway.parts.database.transaction() as session:
        await set_credit_limit(session, gateway.parts.clock, gateway.account.id, amount)
    await gateway.caught_up()


class TestHold:
    async def test_credit_for_the_whole_batch_suffices_exactly(self, batcher: Batcher) -> None:
        lines = chat_lines(12)
        cost = await max_cost(batcher, lines)
        await change_credit(batcher, cost - 1)
        with pytest.raises(openai.RateLimitError) as raised:
            await batcher.create(lines)
        assert (raised.value.type, raised.value.code) == ("insufficient_quota", "credit_exhausted")
        database = batcher.gateway.parts.database
        for table in ("batch", "batch_line", "gateway_process where pid = 0"):
            assert await sql(database, f"select count(*) from {table}") == [(0,)]
        await change_credit(batcher, cost)
        batch = await batcher.run(lines)
        assert batch.status == "completed"
        assert nano(extra(batch, "max_cost")) == cost
        assert 0 < nano(extra(batch, "cost")) < cost
        assert not (await batcher.gateway.reconciled()).differences

    async def test_open_batch_keeps_other_calls_from_its_money_and_returns_the_rest(
        self, batcher: Batcher
    ) -> None:
        lines = chat_lines(12)
        cost = await max_cost(batcher, lines)
        await change_credit(batcher, cost)
        runner = batcher.gateway.parts.batch_runner
        await runner.stop()
        batch = await batcher.create(lines)
        held = await batcher.held(batch.id)
        assert [borrowed for borrowed, _ in held] == [cost, cost]  # of credit and budget
        answer = await batcher.gateway.chat("one", max_tokens=1)
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "insufficient_quota"
        await runner.start()
        batch = await batcher.ended(batch.id)
        assert batch.status == "completed"
        assert await batcher.held(batch.id) == []
        await batcher.gateway.until(200, "one", max_tokens=1)

    async def test_concurrent_batches_never_hold_more_than_the_credit(
        self, batcher: Batcher
    ) -> None:
        lines = chat_lines(4)
        cost = await max_cost(batcher, lines)
        await change_credit(batcher, 2 * cost + cost // 2)
        files = [await batcher.upload(lines) for _ in range(5)]
        runner = batcher.gateway.parts.batch_runner
        await runner.stop()
        made = await asyncio.gather(
            *(
                batcher.client.batches.create(
                    input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
                )
                for file in files
            ),
            return_exceptions=True,
        )
        refused = [one for one in made if isinstance(one, openai.RateLimitError)]
        assert len(refused) == 3, made
        await runner.start()
        for one in made:
            if not isinstance(one, BaseException):
                assert (await batcher.ended(one.id)).status == "completed"
        assert len(batcher.upstream.received) == 8
        assert not (await batcher.gateway.reconciled()).differences

    async def test_lowered_credit_does_not_end_a_running_batch(self, batcher: Batcher) -> None:
        batcher.upstream.delay_s = 0.1
        batch = await batcher.create(chat_lines(20))
        await change_credit(batcher, 0)
        assert (await batcher.ended(batch.id)).status == "completed"
        gateway = batcher.gateway
        async with gateway.parts.database.transaction() as session:
            await add_credit_entry(
                session, gateway.parts.clock, gateway.account.id, CreditReason.TOP_UP, 10**9
            )
        assert not (await gateway.reconciled()).differences

    async def test_max_cost_of_the_request_applies_to_the_whole_batch(
        self, batcher: Batcher
    ) -> None:
        lines = chat_lines(3)
        cost = await max_cost(batcher, lines)
        batch = await batcher.run(lines, extra_headers={"X-Max-Cost": f"{cost / 1e9:.9f}"})
        assert batch.status == "completed"

    async def test_request_limits_do_not_apply_to_lines(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        async with limited(replace(PLENTY, requests=1, tokens=1)) as gateway:
            batcher = Batcher(gateway, upstream)
            batch = await batcher.run(chat_lines(5))
            assert batch.status == "completed"
            await batcher.client.close()


class TestInvalidFiles:
    async def test_malformed_line_is_reported_with_its_number(self, batcher: Batcher) -> None:
        lines: list[Any] = chat_lines(10_000)
        lines[9_998] = '{"custom_id": "line-9998", "method": "POST"'
        batch = await batcher.create(lines)
        assert batch.status == "failed"
        assert batch.errors is not None
        assert batch.errors.data is not None
        (error,) = batch.errors.data
        assert (error.code, error.line) == ("invalid_json_line", 9_999)
        database = batcher.gateway.parts.database
        assert await sql(database, "select count(*) from batch_line") == [(0,)]
        assert not batcher.upstream.received

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (chat_line("b", "x", model="no-such-model"), "mismatched_model"),
            (chat_line("line-0", "x"), "duplicate_custom_id"),
            (chat_line("b", "x", temperature=9), "invalid_value"),
            (chat_line("b", "x", stream=True), "unsupported_parameter"),
            ({**chat_line("b", "x"), "url": "/v1/embeddings"}, "invalid_url"),
        ],
    )
    async def test_invalid_line_fails_the_batch_before_anything_is_sent(
        self, batcher: Batcher, line: dict[str, Any], code: str
    ) -> None:
        batch = await batcher.create([*chat_lines(1), line])
        assert batch.status == "failed"
        assert batch.errors is not None
        assert [(one.code, one.line) for one in batch.errors.data or ()] == [(code, 2)]
        assert not batcher.upstream.received

    @pytest.mark.parametrize("model", ["no-such-model", "auto", EMBEDDING])
    async def test_model_that_cannot_be_called_fails_the_batch(
        self, batcher: Batcher, model: str
    ) -> None:
        batch = await batcher.create([chat_line("a", "x", model=model)])
        assert batch.errors is not None
        (error,) = batch.errors.data or []
        assert error.code in ("model_not_found", "model_not_supported")
        assert error.param == "body.model"

    @pytest.mark.parametrize(
        "tool",
        [
            {"type": "file_search", "vector_store_ids": ["vs_" + "0" * 32]},
            {"type": "specialist"},
        ],
    )
    async def test_tool_of_the_server_is_rejected(
        self, batcher: Batcher, tool: dict[str, Any]
    ) -> None:
        batch = await batcher.create([chat_line("a", "x", tools=[tool])])
        assert batch.errors is not None
        assert [one.param for one in batch.errors.data or ()] == ["body.tools"]

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"previous_response_id": "resp_1"}, "body.previous_response_id"),
            ({"background": True, "store": True}, "body.background"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "body.input"),
        ],
    )
    async def test_response_that_is_more_than_its_body_is_rejected(
        self, batcher: Batcher, fields: dict[str, Any], param: str
    ) -> None:
        path = "/v1/responses"
        body = {"model": CHAT, "input": "hi", **fields}
        line = {"custom_id": "a", "method": "POST", "url": path, "body": body}
        batch = await batcher.create([line], path)
        assert batch.errors is not None
        assert [one.param for one in batch.errors.data or ()] == [param]

    async def test_file_of_another_purpose_or_endpoint_is_rejected(self, batcher: Batcher) -> None:
        files = batcher.client.files
        other = await files.create(file=("in.jsonl", jsonl(chat_lines(1))), purpose="evals")
        for file, endpoint in ((other.id, "/v1/chat/completions"), ("file_x", "/v1/fine_tuning")):
            with pytest.raises(openai.APIStatusError) as raised:
                await batcher.client.batches.create(
                    input_file_id=file,
                    endpoint=endpoint,  # type: ignore[arg-type]
                    completion_window="24h",
                )
            assert raised.value.status_code == 400


class TestOtherLimits:
    async def test_revoked_key_ends_the_batch_with_its_finished_lines(
        self, batcher: Batcher
    ) -> None:
        batcher.upstream.delay_s = 0.1
        batch = await batcher.create(chat_lines(60))
        gateway = batcher.gateway
        async with asyncio.timeout(60):
            while not batcher.upstream.generated and not await sql(  # noqa: ASYNC110
                gateway.parts.database, "select 1 from batch where completed > 0"
            ):
                await asyncio.sleep(0.02)
        async with gateway.parts.database.transaction() as session:
            await revoke_key(session, gateway.parts.clock, gateway.account.id, gateway.key.row.id)
        await gateway.caught_up()
        database = gateway.parts.database
        async with asyncio.timeout(60):
            while not await sql(database, "select 1 from batch where finished_at is not null"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        ((status, errors, completed, spent),) = await sql(
            database, "select status, errors, completed, spent_nano from batch"
        )
        assert (status, errors[0]["code"]) == ("failed", "api_key_revoked")
        assert 0 < completed < 60
        ((billed,),) = await sql(database, "select sum(cost_nano) from usage")
        assert spent == billed
        assert not (await gateway.reconciled()).differences
        assert batch.id

    async def test_number_of_open_batches_is_limited(
        self, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(creation, "MAX_OPEN_BATCHES", 1)
        batcher.upstream.delay_s = 0.2
        batch = await batcher.create(chat_lines(10))
        with pytest.raises(openai.RateLimitError) as raised:
            await batcher.create(chat_lines(1))
        assert raised.value.code == "too_many_batches"
        await batcher.client.batches.cancel(batch.id)
        await batcher.ended(batch.id)

    async def test_batch_that_exceeds_the_window_at_measured_speed_is_refused(
        self, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batcher.upstream.delay_s = 0.1
        first = await batcher.run(chat_lines(20))
        assert extra(first, "estimated_seconds") is None  # nothing was measured yet
        rows = await batcher.gateway.rows(20)
        mean_s = sum(row["duration_ms"] for row in rows) / 20 / 1000
        batcher.upstream.delay_s = 0.0
        batch = await batcher.create(chat_lines(80))
        assert extra(batch, "estimated_seconds") == round(80 * mean_s / 8)
        await batcher.ended(batch.id)
        monkeypatch.setattr(offers, "WINDOW_HOURS", 0)
        with pytest.raises(openai.BadRequestError) as raised:
            await batcher.create(chat_lines(8000))
        assert raised.value.code == "completion_window_too_short"
