"""Batches with the official OpenAI client: results, files, price, cancellation, expiry."""

import asyncio
from typing import Any

import openai
import pytest

from gateway.batches.runner import BatchRunner
from gateway.identity.audit_log import list_account_entries
from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from tests.support.billing.making import sql
from tests.support.builders import CHAT, EMBEDDING, SPECIALIST, client, customer
from tests.support.fakes.first_tokens import choosing
from tests.support.gateway.batching import Batcher, chat_line, chat_lines, extra, nano


class TestResults:
    async def test_output_file_has_the_responses_in_file_order(self, batcher: Batcher) -> None:
        batcher.upstream.replies = lambda _model, prompt: f"answer to {prompt}"
        batch = await batcher.run(chat_lines(30), metadata={"job": "nightly"})
        assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
        assert batch.metadata == {"job": "nightly"}
        assert (batch.model, batch.endpoint) == (CHAT, "/v1/chat/completions")
        counts = batch.request_counts
        assert counts is not None
        assert (counts.total, counts.completed, counts.failed) == (30, 30, 0)
        lines = await batcher.results(batch)
        assert [line["custom_id"] for line in lines] == [f"line-{n}" for n in range(30)]
        texts = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
        assert texts == [f"answer to ask {n}" for n in range(30)]
        assert {line["response"]["status_code"] for line in lines} == {200}
        assert len({line["id"] for line in lines}) == 30
        rows = {row["request_id"]: row for row in await batcher.gateway.rows(30)}
        assert {line["response"]["request_id"] for line in lines} == rows.keys()

    async def test_usage_and_cost_are_those_of_the_rows_at_half_the_list_price(
        self, batcher: Batcher
    ) -> None:
        batch = await batcher.run(chat_lines(5))
        rows = await batcher.gateway.rows(5)
        assert batch.usage is not None
        assert batch.usage.input_tokens == sum(row["input_tokens"] for row in rows) > 0
        assert batch.usage.output_tokens == sum(row["output_tokens"] for row in rows) > 0
        assert nano(extra(batch, "cost")) == sum(nano(row["cost"]) for row in rows)
        assert {row["service_tier"] for row in rows} == {"batch"}
        assert {row["tags"]["batch"] for row in rows} == {batch.id}
        await batcher.gateway.chat("ask 1", max_tokens=3)
        direct = next(row for row in await batcher.gateway.rows(6) if not row["service_tier"])
        in_batch = next(row for row in rows if row["input_tokens"] == direct["input_tokens"])
        assert 2 * nano(in_batch["cost"]) == nano(direct["cost"])

    @pytest.mark.parametrize(
        ("endpoint", "body"),
        [
            ("/v1/embeddings", {"model": EMBEDDING, "input": "pump seal leaks"}),
            ("/v1/completions", {"model": CHAT, "prompt": "seal", "max_tokens": 2}),
            ("/v1/predictions", {"model": SPECIALIST, "instances": [{"torque": 40.0}]}),
            ("/v1/responses", {"model": CHAT, "input": "seal", "max_output_tokens": 2}),
        ],
    )
    async def test_other_endpoints_run_in_batches(
        self, batcher: Batcher, endpoint: str, body: dict[str, Any]
    ) -> None:
        lines = [
            {"custom_id": f"c{n}", "method": "POST", "url": endpoint, "body": body}
            for n in range(2)
        ]
        batch = await batcher.run(lines, endpoint)
        assert batch.request_counts is not None
        assert (batch.status, batch.request_counts.completed) == ("completed", 2), batch
        assert len(await batcher.results(batch)) == 2

    async def test_decisions_run_in_batches_within_the_hold(self, batcher: Batcher) -> None:
        batcher.upstream.chances = choosing({"true": 0.9, "false": 0.1})
        question = {"type": "predicate", "instructions": "The pump leaks."}
        body = {"model": CHAT, "input": "Oil at the seal.", "questions": [question] * 3}
        line = {"custom_id": "d", "method": "POST", "url": "/v1/decisions", "body": body}
        batch = await batcher.run([line], "/v1/decisions")
        (found,) = await batcher.results(batch)
        chances = [one["probability"] for one in found["response"]["body"]["answers"]]
        assert chances == pytest.approx([0.9] * 3)
        (row,) = await batcher.gateway.rows(1)
        assert (row["service_tier"], row["output_tokens"]) == ("batch", 6)
        assert nano(extra(batch, "cost")) == nano(row["cost"]) > 0

    async def test_specialist_decides_as_the_model_of_a_line(self, batcher: Batcher) -> None:
        batcher.upstream.predicts = {"failure_probability": 0.75, "failure": 1}
        part = {"type": "input_json", "data": EXAMPLE_ROW}
        question = {"type": "predicate", "instructions": "It fails."}
        body = {
            "model": SPECIALIST,
            "input": [{"role": "user", "content": [part]}],
            "questions": [question],
        }
        line = {"custom_id": "d", "method": "POST", "url": "/v1/decisions", "body": body}
        batch = await batcher.run([line], "/v1/decisions")
        (found,) = await batcher.results(batch)
        assert found["response"]["body"]["answers"][0]["probability"] == 0.75
        (row,) = await batcher.gateway.rows(1)
        assert (row["service_tier"], row["rows"]) == ("batch", 1)
        named = {**question, "specialist": {"model": SPECIALIST}}
        line["body"] = {**body, "model": CHAT, "questions": [named]}
        failed = await batcher.run([line], "/v1/decisions")
        assert failed.errors is not None
        assert failed.errors.data is not None
        assert failed.errors.data[0].param == "body.questions"

    async def test_failed_lines_are_in_the_error_file(self, batcher: Batcher) -> None:
        lines = [chat_line("good", "ask"), chat_line("long", "too-long text")]
        batch = await batcher.run([*lines, chat_line("broken", "rubbish")])
        assert batch.status == "completed"
        assert batch.request_counts is not None
        assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 2)
        first, second = await batcher.errors(batch)
        assert (first["custom_id"], first["response"]["status_code"]) == ("long", 400)
        code = first["response"]["body"]["error"]["code"]
        assert code == "context_length_exceeded"
        assert second["response"]["body"]["error"]["code"] == "model_failed"
        settled = [row["settlement"] for row in await batcher.gateway.rows(5)]
        assert settled.count("platform_fault") == 3  # it is tried three times

    async def test_results_survive_unusual_texts(self, batcher: Batcher) -> None:
        batcher.upstream.replies = lambda _model, _prompt: "one\ntwo \u2028 密封"
        batch = await batcher.run([chat_line("密封 \u00e9", "ask")])
        (line,) = await batcher.results(batch)
        assert line["custom_id"] == "密封 \u00e9"
        content = line["response"]["body"]["choices"][0]["message"]["content"]
        assert content == "one\ntwo \u2028 密封"


class TestLists:
    async def test_batches_are_listed_newest_first(self, batcher: Batcher) -> None:
        made = [(await batcher.run(chat_lines(1))).id for _ in range(3)]
        page = await batcher.client.batches.list(limit=2)
        assert [one.id for one in page.data] == [made[2], made[1]]
        assert page.has_next_page()
        assert [one.id async for one in page] == made[::-1]

    async def test_batch_of_another_account_is_not_found(self, batcher: Batcher) -> None:
        batch, gateway = await batcher.run(chat_lines(1)), batcher.gateway
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        headers = {"authorization": f"Bearer {key.secret}"}
        async with client(gateway.url, headers) as http:
            for method, path in (("get", ""), ("post", "/cancel")):
                answer = await http.request(method, f"/v1/batches/{batch.id}{path}")
                assert answer.status_code == 404
                assert answer.json()["error"]["code"] == "batch_not_found"
            content = await http.get(f"/v1/files/{batch.output_file_id}/content")
            assert content.status_code == 404
            listed = (await http.get("/v1/batches")).json()
            assert listed["data"] == []


class TestCancellation:
    async def test_cancelled_batch_finishes_its_current_lines_only(self, batcher: Batcher) -> None:
        batcher.upstream.delay_s = 0.2
        batch = await batcher.create(chat_lines(60))
        await _until_answered(batcher, batch.id)
        cancelled = await batcher.client.batches.cancel(batch.id)
        assert cancelled.status == "cancelling"
        sent = len(batcher.upstream.received)
        batch = await batcher.ended(batch.id)
        assert batch.status == "cancelled"
        assert batch.cancelled_at is not None
        assert batch.request_counts is not None
        completed = batch.request_counts.completed
        # The lines that were in flight, and those that a worker had already taken.
        assert completed == len(batcher.upstream.received) <= sent + 8
        assert len(await batcher.results(batch)) == completed
        unsent = await batcher.errors(batch)
        assert len(unsent) == 60 - completed
        assert {line["error"]["code"] for line in unsent} == {"batch_cancelled"}
        assert unsent[-1]["custom_id"] == "line-59"
        assert unsent[-1]["response"] is None
        assert await batcher.held(batch.id) == []
        assert not (await batcher.gateway.reconciled()).differences
        with pytest.raises(openai.ConflictError, match="cannot be cancelled"):
            await batcher.client.batches.cancel(batch.id)

    async def test_creation_and_cancellation_are_audited(self, batcher: Batcher) -> None:
        batcher.upstream.delay_s = 0.1
        batch = await batcher.create(chat_lines(20))
        await batcher.client.batches.cancel(batch.id)
        await batcher.ended(batch.id)
        gateway = batcher.gateway
        async with gateway.parts.database.transaction() as session:
            entries = await list_account_entries(session, gateway.account.id)
        actions = [entry.action for entry in entries if entry.subject == batch.id]
        assert actions == ["batch.canceled", "batch.created"]


class TestExpiry:
    async def test_expired_batch_keeps_finished_lines(self, batcher: Batcher) -> None:
        batcher.upstream.delay_s = 0.2
        batch = await batcher.create(chat_lines(60))
        await _until_answered(batcher, batch.id)
        await sql(batcher.gateway.parts.database, "update batch set expires_at = now()")
        # The row that the turn works with was read before.
        await _end_turn(batcher.gateway.parts.batch_runner)
        batch = await batcher.ended(batch.id)
        assert batch.status == "expired"
        assert batch.expired_at is not None
        assert batch.request_counts is not None
        done = batch.request_counts.completed
        assert len(await batcher.results(batch)) == done > 0
        unsent = await batcher.errors(batch)
        assert len(unsent) == 60 - done
        assert {line["error"]["code"] for line in unsent} == {"batch_expired"}


async def _until_answered(batcher: Batcher, batch_id: str) -> None:
    async with asyncio.timeout(60):
        while True:
            batch = await batcher.client.batches.retrieve(batch_id)
            if batch.request_counts is not None and batch.request_counts.completed:
                return
            await asyncio.sleep(0.02)


async def _end_turn(runner: BatchRunner) -> None:
    """Cancel the running turn and start the runner again, as a restart of the process does."""
    await runner.stop()
    await runner.start()


async def test_repeated_idempotency_key_creates_one_batch(batcher: Batcher) -> None:
    file = await batcher.upload(chat_lines(2))
    made = [
        await batcher.client.batches.create(
            input_file_id=file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            extra_headers={"Idempotency-Key": "once"},
        )
        for _ in range(2)
    ]
    assert made[0].id == made[1].id
    await batcher.ended(made[0].id)
    page = await batcher.client.batches.list()
    assert [one.id for one in page.data] == [made[0].id]
    assert len(batcher.upstream.received) == 2


async def test_repeated_idempotency_key_is_answered_after_the_file_is_deleted(
    batcher: Batcher,
) -> None:
    file = await batcher.upload(chat_lines(1))
    fields: Any = {
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    once = {"Idempotency-Key": "kept"}
    first = await batcher.client.batches.create(**fields, extra_headers=once)
    await batcher.ended(first.id)
    await batcher.client.files.delete(file)
    assert (await batcher.client.batches.create(**fields, extra_headers=once)).id == first.id
    with pytest.raises(openai.NotFoundError):
        await batcher.client.batches.create(**fields, extra_headers={"Idempotency-Key": "new"})
