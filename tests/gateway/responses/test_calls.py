"""Calls of `/v1/responses` with the official client: answers, streams, cost, limits, errors."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import Response

from tests.support.builders import CHAT, Gateway, Limited, credit, word_tokenizer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of

PATH = "/v1/responses"
ASKED: dict[str, Any] = {"model": CHAT, "input": "one two", "max_output_tokens": 4}


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without comments."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [json.loads(block.split("\ndata: ", 1)[1]) for block in blocks]


class TestWholeResponse:
    async def test_client_reads_text_usage_and_status(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "3 bar"
        response = await client.responses.create(**ASKED, instructions="Be brief.")
        assert response.output_text == "3 bar"
        assert (response.status, response.model) == ("completed", CHAT)
        assert response.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (2, 4)
        assert response.instructions == "Be brief."
        row = await gateway.row()
        assert (row["operation"], row["cost"]) == ("responses", "0.000009000")
        assert response.id.removeprefix("resp_") == row["request_id"].removeprefix("req_")
        (sent,) = upstream.received
        assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
        assert sent["max_tokens"] == 4

    async def test_cost_is_in_the_headers_and_equals_the_row(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json=ASKED)
        Response.model_validate(answer.json())
        assert answer.headers["x-maas-cost"] == (await gateway.row())["cost"]

    async def test_answer_that_reached_its_limit_is_incomplete(self, client: AsyncOpenAI) -> None:
        response = await client.responses.create(**ASKED)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"

    async def test_model_is_selected_for_auto(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json={**ASKED, "model": "auto"})
        assert answer.json()["model"] == answer.headers["x-maas-model"]

    async def test_tags_and_repeated_key_work_as_for_a_chat(self, gateway: Gateway) -> None:
        headers = {"x-maas-tags": "order=A-17", "idempotency-key": "order 1"}
        first, second = [
            await gateway.http.post(PATH, json=ASKED, headers=headers) for _ in range(2)
        ]
        assert second.headers["idempotent-replayed"] == "true"
        assert first.content == second.content
        again, billed = await gateway.rows(2)
        assert (billed["tags"], again["settlement"]) == ({"order": "A-17"}, "replayed")

    async def test_structured_output_is_parsed_by_the_client(
        self, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = '{"pressure": 3}'
        schema = {"type": "object", "properties": {"pressure": {"type": "number"}}}
        wanted: Any = {"type": "json_schema", "name": "reading", "schema": schema, "strict": True}
        response = await client.responses.create(**ASKED, text={"format": wanted})
        assert json.loads(response.output_text) == {"pressure": 3}
        sent = upstream.received[0]["response_format"]["json_schema"]
        assert sent == {"name": "reading", "schema": schema, "strict": True}
        assert response.text is not None
        assert response.text.format is not None
        assert response.text.format.type == "json_schema"


class TestStreamedResponse:
    async def test_client_accumulates_the_events(
        self, gateway: Gateway, client: AsyncOpenAI, upstream: FakeUpstream
    ) -> None:
        upstream.says = "the pump has 3 bar"
        async with client.responses.stream(**ASKED) as stream:
            numbers = [event.sequence_number async for event in stream]
            final = await stream.get_final_response()
        assert numbers == sorted(set(numbers))
        assert final.output_text == "the pump has 3 bar"
        assert (final.status, (await gateway.row())["streamed"]) == ("completed", True)

    async def test_last_event_has_usage_and_the_cost_of_the_row(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json={**ASKED, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        *events, last = events_of(answer.text)
        assert [events[0]["type"], last["type"]] == ["response.created", "response.incomplete"]
        row = await gateway.row()
        assert Decimal(last["x_maas_cost"]) == Decimal(row["cost"]) > 0
        assert last["x_maas_currency"] == "CNY"
        assert last["response"]["usage"]["output_tokens"] == row["output_tokens"] == 4
        assert "[DONE]" not in answer.text

    async def test_repeated_key_replays_the_same_events(self, gateway: Gateway) -> None:
        headers = {"idempotency-key": "order 1"}
        body = {**ASKED, "stream": True}
        first, second = [
            await gateway.http.post(PATH, json=body, headers=headers) for _ in range(2)
        ]
        assert first.content == second.content

    async def test_credit_that_ends_cuts_the_answer(
        self, limited: Limited, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        word_tokenizer(tmp_path)
        async with limited(credit(3_400_000)) as gateway:
            body = {"model": CHAT, "input": "endless words", "stream": True}
            answer = await gateway.http.post(PATH, json=body)
            row = await gateway.row()
        last = events_of(answer.text)[-1]
        assert upstream.received[-1]["max_tokens"] == 1_699
        assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
        assert last["x_maas_cost"] == row["cost"] == "0.003399000"

    @pytest.mark.parametrize("prompt", ["die-midway", "error-midway", "rubbish-midway"])
    async def test_fault_midway_is_an_error_event_and_a_failed_response(
        self, gateway: Gateway, client: AsyncOpenAI, prompt: str
    ) -> None:
        stream = await client.responses.create(
            model=CHAT, input=prompt, max_output_tokens=9, stream=True
        )
        events: list[Any] = [event async for event in stream]
        *_, error, failed = events
        assert (error.type, failed.type) == ("error", "response.failed")
        assert failed.response.error.model_extra["maas_code"] == "model_failed"
        assert failed.response.status == "failed"
        row = await gateway.row()
        assert (row["settlement"], row["cost"]) == ("platform_fault", "0.000000000")

    async def test_abandoned_stream_is_billed_for_what_was_generated(
        self, gateway: Gateway, client: AsyncOpenAI
    ) -> None:
        stream = await client.responses.create(
            model=CHAT, input="drip two three", max_output_tokens=1000, stream=True
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        row = await gateway.row()
        assert (row["settlement"], row["input_tokens"]) == ("client_abort", 3)
        assert row["output_tokens"] > 0


class TestReasoning:
    async def test_effort_of_a_model_that_cannot_reason_is_rejected(
        self, client: AsyncOpenAI
    ) -> None:
        with pytest.raises(BadRequestError) as caught:
            await client.responses.create(**ASKED, reasoning={"effort": "high"})
        assert (caught.value.param, caught.value.code) == (
            "reasoning.effort", "unsupported_parameter")  # fmt: skip
        assert "`reasoning.effort`" in caught.value.message


class TestErrors:
    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"model": "nothing"}, 404, "model_not_found"),
            ({"input": 5}, 400, "invalid_value"),
            ({"tools": [{"type": "web_search"}]}, 400, "unsupported_parameter"),
            ({"previous_response_id": "resp_1"}, 400, "previous_response_not_found"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 400,
             "previous_response_not_found"),
            ({"messages": []}, 400, "unknown_parameter"),
        ],
    )  # fmt: skip
    async def test_invalid_request_gets_an_error_in_openai_shape(
        self, gateway: Gateway, fields: dict[str, Any], status: int, code: str
    ) -> None:
        answer = await gateway.http.post(PATH, json={**ASKED, **fields})
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        assert set(error_of(answer)) == {"message", "type", "param", "code"}

    async def test_too_low_max_cost_is_rejected(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json=ASKED, headers={"x-max-cost": "0.000000001"})
        assert error_of(answer)["code"] == "max_cost_exceeded"

    async def test_rejection_of_a_stream_before_its_first_event_has_a_status(
        self, gateway: Gateway
    ) -> None:
        body = {**ASKED, "input": "refuse-late", "stream": True}
        answer = await gateway.http.post(PATH, json=body)
        assert answer.status_code == 400
        assert "error" in answer.json()

    async def test_unreadable_answer_of_the_model_is_not_billed(self, gateway: Gateway) -> None:
        answer = await gateway.http.post(PATH, json={**ASKED, "input": "rubbish"})
        assert (answer.status_code, error_of(answer)["code"]) == (502, "model_failed")
        assert (await gateway.row())["settlement"] == "platform_fault"
