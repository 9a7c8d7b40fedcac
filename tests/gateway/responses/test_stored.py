"""Stored responses: conversations, retrieval, input items, deletion, other tenants, encryption."""

from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from sqlalchemy import text

from gateway.responses import rows, store
from tests.support.builders import CHAT, Gateway, customer
from tests.support.builders import client as http_client
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.openai_client import openai_client
from tests.support.waiting import until_true

PATH = "/v1/responses"
ASKED: dict[str, Any] = {"model": CHAT, "input": "How much pressure?", "max_output_tokens": 6}


class TestConversation:
    async def test_next_turn_has_the_messages_of_the_earlier_ones(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        first = await client.responses.create(**ASKED, store=True, instructions="Be brief.")
        second = await client.responses.create(
            model=CHAT, input="And now?", previous_response_id=first.id, store=True
        )
        third = await client.responses.create(
            model=CHAT, input="Really?", previous_response_id=second.id
        )
        assert third.previous_response_id == second.id
        assert [one["content"] for one in upstream.received[-1]["messages"]] == [
            "How much pressure?", "3 bar", "And now?", "3 bar", "Really?"]  # fmt: skip

    async def test_response_is_not_stored_unless_asked(self, client: AsyncOpenAI) -> None:
        first = await client.responses.create(**ASKED)
        assert first.model_extra is not None
        assert first.model_extra["store"] is False
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(first.id)
        with pytest.raises(BadRequestError) as caught:
            await client.responses.create(**ASKED, previous_response_id=first.id)
        assert caught.value.code == "previous_response_not_found"

    async def test_referenced_item_is_read_from_its_response(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        first = await client.responses.create(**ASKED, store=True)
        reference: Any = {"type": "item_reference", "id": first.output[0].id}
        again: Any = {"role": "user", "content": "Why?"}
        await client.responses.create(model=CHAT, input=[reference, again])
        assert upstream.received[-1]["messages"][0] == {"role": "assistant", "content": "3 bar"}

    async def test_stored_conversation_has_a_maximum_size(
        self, gateway: Gateway, client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "MAX_CONVERSATION_BYTES", 1_000)
        long: dict[str, Any] = {**ASKED, "input": "brief " * 200}
        assert (await client.responses.create(**long)).status == "incomplete"
        answer = await gateway.http.post(PATH, json={**long, "store": True})
        assert (answer.status_code, error_of(answer)["param"]) == (400, "input")

    async def test_stored_responses_of_an_account_are_limited(
        self, gateway: Gateway, client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rows, "MAX_STORED", 1)
        first = await client.responses.create(**ASKED, store=True)
        answer = await gateway.http.post(PATH, json={**ASKED, "store": True})
        assert error_of(answer)["code"] == "too_many_responses"
        await client.responses.delete(first.id)
        await client.responses.create(**ASKED, store=True)


class TestRetrieval:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_stored_response_equals_the_answer(
        self, gateway: Gateway, upstream: FakeUpstream, stream: bool
    ) -> None:
        upstream.says = "3 bar"
        made: Any
        async with openai_client(gateway) as client:
            if stream:
                async with client.responses.stream(**ASKED, store=True) as events:
                    made = await events.get_final_response()
            else:
                made = await client.responses.create(**ASKED, store=True)
            found: Any = await client.responses.retrieve(made.id)
        assert found.output_text == made.output_text
        assert (found.status, found.usage) == (made.status, made.usage)
        assert [item.id for item in found.output] == [item.id for item in made.output]

    async def test_stored_response_is_streamed_again(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        made = await client.responses.create(**ASKED, store=True)
        stream = await client.responses.retrieve(made.id, stream=True, starting_after=1)
        events: list[Any] = [event async for event in stream]
        assert [events[0].sequence_number, events[-1].type] == [2, "response.completed"]
        assert events[-1].response.output_text == "3 bar"
        assert len(await gateway.rows(1)) == 1

    async def test_input_items_are_listed_in_both_orders(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        first = await client.responses.create(**ASKED, store=True)
        second = await client.responses.create(
            model=CHAT, input="And now?", previous_response_id=first.id, store=True
        )
        newest: Any = await client.responses.input_items.list(second.id)
        assert [item.content[0].text for item in newest.data] == [
            "And now?",
            "3 bar",
            "How much pressure?",
        ]
        page: Any = await client.responses.input_items.list(second.id, order="asc", limit=2)
        assert (page.data[1].id, page.has_more) == (first.output[0].id, True)
        rest = [one async for one in page]
        assert len(rest) == 3

    async def test_unknown_position_of_the_list_is_rejected(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        made = await client.responses.create(**ASKED, store=True)
        answer = await gateway.http.get(f"{PATH}/{made.id}/input_items", params={"after": "msg_x"})
        assert error_of(answer)["param"] == "after"

    async def test_content_is_encrypted_at_rest(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "secret pressure"
        await client.responses.create(**{**ASKED, "input": "secret question"}, store=True)
        async with gateway.parts.database.transaction() as session:
            (row,) = await session.execute(text("select items, response from saved_response"))
        assert b"secret" not in row.items + row.response

    async def test_response_of_another_account_is_not_found(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        made = await client.responses.create(**ASKED, store=True)
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        headers = {"authorization": f"Bearer {key.secret}"}
        async with http_client(gateway.url, headers) as http:
            for method, path in (
                ("get", ""), ("delete", ""), ("post", "/cancel"), ("get", "/input_items"),
            ):  # fmt: skip
                answer = await http.request(method, f"{PATH}/{made.id}{path}")
                assert (answer.status_code, error_of(answer)["code"]) == (
                    404, "response_not_found")  # fmt: skip
            body = {**ASKED, "previous_response_id": made.id}
            assert (await http.post(PATH, json=body)).status_code == 400
        assert (await client.responses.retrieve(made.id)).id == made.id


class TestDeletion:
    async def test_deleted_response_is_gone(self, client: AsyncOpenAI) -> None:
        made = await client.responses.create(**ASKED, store=True)
        await client.responses.delete(made.id)
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(made.id)

    async def test_stream_of_a_deleted_response_ends_and_nothing_is_stored(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        stream = await client.responses.create(
            model=CHAT, input="drip two", max_output_tokens=20, stream=True, store=True
        )
        kinds: list[str] = []
        async for event in stream:
            kinds.append(event.type)
            if event.type == "response.created":
                running = await client.responses.retrieve(event.response.id)
                assert running.status == "in_progress"
                await client.responses.delete(event.response.id)
        assert kinds[-1] == "response.incomplete"
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(running.id)
        assert (await gateway.row())["settlement"] == "complete"

    async def test_failed_stream_is_stored_as_failed(self, client: AsyncOpenAI) -> None:
        stream = await client.responses.create(
            model=CHAT, input="die-midway", max_output_tokens=9, stream=True, store=True
        )
        last: Any = [event async for event in stream][-1]
        assert last.type == "response.failed"
        found = await client.responses.retrieve(last.response.id)
        assert (found.status, found.error is not None) == ("failed", True)

    async def test_stream_that_its_client_left_is_stored_as_cancelled(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        stream = await client.responses.create(
            model=CHAT, input="drip two", max_output_tokens=1000, stream=True, store=True
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        row = await gateway.row()
        assert row["settlement"] == "client_abort"
        response_id = row["request_id"].replace("req_", "resp_")

        async def is_stored() -> bool:
            return (await client.responses.retrieve(response_id)).status == "cancelled"

        await until_true(is_stored)  # the usage row is written first

    async def test_response_that_is_not_in_the_background_cannot_be_cancelled(
        self, client: AsyncOpenAI
    ) -> None:
        made = await client.responses.create(**ASKED, store=True)
        with pytest.raises(BadRequestError):
            await client.responses.cancel(made.id)

    async def test_refused_call_stores_nothing(self, gateway: Gateway) -> None:
        answer: httpx.Response = await gateway.http.post(
            PATH, json={**ASKED, "input": "too-long", "store": True}
        )
        assert answer.status_code == 400
        async with gateway.parts.database.transaction() as session:
            count = await session.scalar(text("select count(*) from saved_response"))
        assert count == 0
