"""Background responses: queued, answered, cancelled, billed once after crashes, cleaned up."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError
from sqlalchemy import text, update
from sqlmodel import select

from gateway.responses import rows
from gateway.responses.content import ContentPart
from gateway.tables import SavedResponse
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.background_responses import (
    ASKED,
    BACKGROUND,
    END_PROCESS,
    PATH,
    PATIENCE_S,
    ended,
    saved,
)
from tests.support.gateway.errors import error_of
from tests.support.waiting import until_true


class TestQueuedResponse:
    async def test_response_is_queued_at_once_and_answered_later(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says, upstream.delay_s = "3 bar", 0.1
        queued = await client.responses.create(**BACKGROUND, metadata={"order": "A"})
        assert (queued.status, queued.background, queued.output) == ("queued", True, [])
        found = await ended(client, queued.id)
        assert (found.status, found.output_text) == ("completed", "3 bar")
        assert (found.id, found.created_at) == (queued.id, queued.created_at)
        assert (found.background, found.metadata) == (True, {"order": "A"})
        billed, acknowledged = await gateway.rows(2)
        assert billed["cost"] == found.model_extra["x_maas_cost"] != "0.000000000"
        assert (acknowledged["cost"], acknowledged["output_tokens"]) == ("0.000000000", 0)
        assert (await gateway.reconciled()).differences == ()

    async def test_conversation_goes_on_in_the_background(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        first = await client.responses.create(**ASKED, store=True)
        more = {**BACKGROUND, "input": "Why?", "previous_response_id": first.id}
        queued = await client.responses.create(**more)
        found = await ended(client, queued.id)
        assert found.previous_response_id == first.id
        contents = [one["content"] for one in upstream.received[-1]["messages"]]
        assert contents == ["one two", "3 bar", "Why?"]
        third = await client.responses.create(**ASKED, previous_response_id=found.id)
        assert third.status == "completed"

    async def test_invalid_request_is_rejected_at_once(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json={**BACKGROUND, "model": "nothing"})
        assert error_of(answer)["code"] == "model_not_found"
        assert await saved(gateway) == []

    async def test_error_of_the_call_fails_the_response(self, client: AsyncOpenAI) -> None:
        queued = await client.responses.create(**{**BACKGROUND, "input": "too-long text"})
        found = await ended(client, queued.id)
        assert found.status == "failed"
        assert found.error.model_extra["maas_code"] == "context_length_exceeded"

    async def test_headers_of_the_request_apply_to_the_call(self, gateway: Gateway) -> None:
        headers = {"x-maas-tags": "order=A-17", "x-max-cost": "0.000000001"}
        answer = await gateway.http.post(PATH, json=BACKGROUND, headers=headers)
        refused, _ = await gateway.rows(2)
        assert (refused["error_code"], refused["tags"]) == (
            "max_cost_exceeded", {"order": "A-17"})  # fmt: skip
        assert answer.json()["status"] == "queued"

    async def test_hosted_tools_are_denied_in_the_background_too(self, gateway: Gateway) -> None:
        """A value that is neither `allow` nor `deny` is an error where the header applies."""
        text = "Milling machine: 1300 rpm, torque 65 Nm. Will the milling machine fail?"
        body = {**BACKGROUND, "model": "auto", "input": text}
        await gateway.http.post(PATH, json=body, headers={"x-maas-hosted-tools": "perhaps"})
        (row,) = await gateway.rows(1)
        assert row["error_code"] == "invalid_value"

    async def test_open_responses_of_an_account_are_limited(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await gateway.parts.background_runner.stop()
        monkeypatch.setattr(rows, "MAX_OPEN", 1)
        await gateway.http.post(PATH, json=BACKGROUND)
        answer = await gateway.http.post(PATH, json=BACKGROUND)
        assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")


class TestStream:
    async def test_stream_of_a_queued_response_has_its_answer_and_costs_nothing_itself(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        stream = await client.responses.create(**BACKGROUND, stream=True)
        events: list[Any] = [event async for event in stream]
        assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        last = events[-1]
        assert (last.type, last.response.output_text) == ("response.completed", "3 bar")
        acknowledged, billed = sorted(await gateway.rows(2), key=lambda row: row["cost"])
        assert last.response.model_extra["x_maas_cost"] == billed["cost"]
        assert (acknowledged["cost"], acknowledged["settlement"]) == ("0.000000000", "complete")

    async def test_client_that_left_continues_after_the_last_event_that_it_has(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says, upstream.delay_s = "3 bar", 0.2
        stream = await client.responses.create(**BACKGROUND, stream=True)
        first: Any = await anext(aiter(stream))
        await stream.close()
        more = await client.responses.retrieve(first.response.id, stream=True, starting_after=0)
        rest: list[Any] = [event async for event in more]
        assert [event.sequence_number for event in rest] == list(range(1, len(rest) + 1))
        assert rest[-1].response.output_text == "3 bar"
        again = await client.responses.retrieve(first.response.id, stream=True, starting_after=0)
        assert [event async for event in again] == rest

    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [("POST", "/cancel", "response_cancelled"), ("DELETE", "", "response_not_found")],
    )
    async def test_stream_of_a_stopped_response_ends_with_the_reason(
        self, gateway: Gateway, method: str, path: str, code: str
    ) -> None:
        await gateway.parts.background_runner.stop()
        body = {**BACKGROUND, "stream": True}
        async with gateway.http.stream("POST", PATH, json=body) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            created = json.loads((await anext(lines)).removeprefix("data: "))
            await gateway.http.request(method, f"{PATH}/{created['response']['id']}{path}")
            texts = [line async for line in lines if line.startswith("data: ")]
        (error,) = [json.loads(text.removeprefix("data: ")) for text in texts]
        assert (error["type"], error["code"], error["sequence_number"]) == ("error", code, 1)


class TestExactlyOnce:
    async def test_repeated_key_queues_one_response(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        key = {"idempotency-key": "order 1"}
        first = await client.responses.create(**BACKGROUND, extra_headers=key)
        again = await client.responses.create(**BACKGROUND, extra_headers=key)
        assert again.id == first.id
        await ended(client, first.id)
        assert len(upstream.received) == 1

    async def test_key_whose_answer_was_lost_in_a_crash_queues_nothing_more(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        key = {"idempotency-key": "order 1"}
        first = await client.responses.create(**BACKGROUND, extra_headers=key)
        async with gateway.parts.database.transaction() as session:
            await session.execute(text("delete from kept_answer where idempotency_key = 'order 1'"))
        again = await client.responses.create(**BACKGROUND, extra_headers=key)
        assert again.id == first.id

    async def test_response_that_was_answered_before_a_crash_is_billed_once(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        # Else the response may have ended, and its request been deleted, before it is read here.
        await gateway.parts.background_runner.stop()
        queued = await client.responses.create(**BACKGROUND)
        before = (await saved(gateway))[0].request
        await gateway.parts.background_runner.start()
        first = await ended(client, queued.id)
        # As if the process had been lost before it stored the response.
        async with gateway.parts.database.transaction() as session:
            values = {"status": "in_progress", "process_id": ids.new_id(), "request": before}
            await session.execute(update(SavedResponse).values(**values))
            await session.execute(text(END_PROCESS))
        second = await ended(client, queued.id)
        assert second.output_text == first.output_text == "3 bar"
        assert len(upstream.received) == 1
        costs = [row["cost"] for row in await gateway.rows(3)]
        assert sum(cost != "0.000000000" for cost in costs) == 1

    async def test_stopped_process_leaves_its_responses_to_others(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        queued = await client.responses.create(**{**BACKGROUND, "input": "hang on"})
        async with asyncio.timeout(PATIENCE_S):
            while not upstream.running:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.01)
        await gateway.parts.background_runner.stop()
        (row,) = await saved(gateway)
        assert (row.status, row.process_id) == ("in_progress", None)
        upstream.does = ["go"]
        await gateway.parts.background_runner.start()
        assert (await ended(client, queued.id)).status in ("completed", "incomplete")


class TestCancellation:
    async def test_queued_response_is_cancelled_and_never_sent(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        await gateway.parts.background_runner.stop()
        queued = await client.responses.create(**BACKGROUND)
        cancelled = await client.responses.cancel(queued.id)
        assert cancelled.status == "cancelled"
        assert (await client.responses.cancel(queued.id)).status == "cancelled"
        await gateway.parts.background_runner.start()
        second = await client.responses.create(**BACKGROUND)
        await ended(client, second.id)
        assert len(upstream.received) == 1
        assert (await client.responses.retrieve(queued.id)).status == "cancelled"

    async def test_answer_of_a_cancelled_response_is_not_stored(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.delay_s = 0.3
        queued = await client.responses.create(**BACKGROUND)
        async with asyncio.timeout(PATIENCE_S):
            while not upstream.running:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.01)
        await client.responses.cancel(queued.id)
        await gateway.rows(2)
        found = await client.responses.retrieve(queued.id)
        assert (found.status, found.output) == ("cancelled", [])


class TestCleanUp:
    async def test_expired_response_is_not_found_and_deleted(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        made = await client.responses.create(**ASKED, store=True)
        now = gateway.parts.clock.now()
        (row,) = await saved(gateway)
        assert row.expires_at - row.created_at >= timedelta(days=30)
        async with gateway.parts.database.transaction() as session:
            await session.execute(update(SavedResponse).values(expires_at=now))
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(made.id)
        async with gateway.parts.database.transaction() as session:
            await rows.delete_expired_responses(session, gateway.parts.clock.now())
        assert await saved(gateway) == []

    async def test_stream_of_a_lost_process_is_marked_as_failed(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        made = await client.responses.create(**ASKED, store=True)
        lost: dict[str, Any] = {"status": "in_progress", "process_id": ids.new_id()}
        async with gateway.parts.database.transaction() as session:
            (row,) = await session.scalars(select(SavedResponse))
            content = gateway.parts.response_store.content(row.account_id)
            begun = {**content.open_response(row.id, row.response), "output": []}
            lost["response"] = content.seal(row.id, ContentPart.RESPONSE, begun)
            await session.execute(update(SavedResponse).values(**lost))
        assert (await client.responses.retrieve(made.id)).status == "in_progress"
        async with gateway.parts.database.transaction() as session:
            await session.execute(text(END_PROCESS))
            await rows.delete_expired_responses(session, gateway.parts.clock.now())
        found = await client.responses.retrieve(made.id)
        assert (found.status, found.output) == ("failed", [])
        assert found.error is not None
        assert found.error.code == "server_error"


async def test_response_that_cannot_be_decrypted_is_tried_again_after_the_longest_delay(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    """As after a change of the secret key, when nothing is left to show as failed."""
    runner, database = gateway.parts.background_runner, gateway.parts.database
    await runner.stop()
    await client.responses.create(**BACKGROUND)
    damaged = "update saved_response set request = 'x', response = 'x', attempts = 11"
    await sql(database, damaged)
    await runner.start()

    async def is_released() -> bool:
        (row,) = await saved(gateway)
        return (row.attempts, row.process_id) == (12, None)

    await until_true(is_released)
    (row,) = await saved(gateway)
    assert row.retry_at is not None
    assert row.retry_at > gateway.parts.clock.now()
