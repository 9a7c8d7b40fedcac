"""`/v1/messages`: answers, billing, limits and errors as of any call, in Anthropic's shape."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.gateway.messages.dialogue import WEATHER, body, post
from tests.support.builders import (
    CHAT,
    PLENTY,
    SPECIALIST,
    Gateway,
    Limited,
    credit,
    word_tokenizer,
)
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.message_events import events, text_of
from tests.support.pricing import list_price


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object, in Anthropic's shape and with the id of the request."""
    value = answer.json()
    assert set(value) == {"type", "error", "request_id"}
    assert value["type"] == "error"
    assert value["request_id"] == answer.headers["request-id"]
    error: dict[str, Any] = value["error"]
    return error


class TestAnswer:
    async def test_message_is_billed_as_a_chat(self, gateway: Gateway) -> None:
        answer = await post(gateway, "cached two three", system="Be brief.")
        message = answer.json()
        assert message["content"] == [{"type": "text", "text": "word " * 5}]
        assert (message["model"], message["stop_reason"]) == (CHAT, "max_tokens")
        assert message["usage"] == {
            "input_tokens": 2,
            "output_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1,
        }
        row = await gateway.row()
        assert (row["operation"], row["settlement"]) == ("messages", "complete")
        assert row["cost"] == answer.headers["x-maas-cost"] == list_price(row, CHAT)
        assert message["id"] == f"msg_{row['request_id'].removeprefix('req_')}"

    async def test_model_gets_a_chat(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        await post(gateway, "hi", system="Be brief.", stop_sequences=["END"], tools=[WEATHER],
                   metadata={"user_id": "u"})  # fmt: skip
        sent = upstream.received[-1]
        assert [one["role"] for one in sent["messages"]] == ["system", "user"]
        assert sent["stop"] == ["END"]
        assert sent["tools"][0]["function"]["name"] == "weather"
        assert "metadata" not in sent

    async def test_key_is_accepted_in_x_api_key(self, gateway: Gateway) -> None:
        headers = {"x-api-key": gateway.key.secret, "anthropic-version": "2023-06-01"}
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            assert (
                await client.post("/v1/messages", json=body(), headers=headers)
            ).status_code == 200
            listed = await client.get("/v1/usage", headers=headers)
        assert len(listed.json()["data"]) == 1

    async def test_budget_of_thoughts_becomes_an_effort(
        self, thinking: Gateway, upstream: FakeUpstream
    ) -> None:
        budget = {"type": "enabled", "budget_tokens": 64}
        message = (await post(thinking, "one", thinking=budget, max_tokens=200)).json()
        assert upstream.received[-1]["reasoning_effort"] == "medium"
        assert [block["type"] for block in message["content"]] == ["thinking", "text"]
        assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 64}

    async def test_thinking_is_no_error_for_a_model_that_cannot(self, gateway: Gateway) -> None:
        budget = {"type": "enabled", "budget_tokens": 1024}
        assert (await post(gateway, thinking=budget)).status_code == 200

    async def test_retry_with_idempotency_key_gets_the_same_message(self, gateway: Gateway) -> None:
        headers = {"idempotency-key": "m1"}
        first = await post(gateway, headers=headers)
        second = await post(gateway, headers=headers)
        assert second.headers["idempotent-replayed"] == "true"
        assert second.json()["content"] == first.json()["content"]
        rows = await gateway.rows(2)
        assert [row["settlement"] for row in rows] == ["replayed", "complete"]

    async def test_auto_selects_a_model(self, gateway: Gateway) -> None:
        answer = await post(gateway, model="auto")
        assert answer.json()["model"] == answer.headers["x-maas-model"]


class TestStream:
    async def test_stream_ends_with_usage_and_cost(self, gateway: Gateway) -> None:
        answer = await post(gateway, stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = events(answer)
        assert found[0]["message"]["usage"]["input_tokens"] == 2
        assert text_of(found).startswith(' "usage":{1}')
        delta = found[-2]
        row = await gateway.row()
        assert delta["x_maas_cost"] == row["cost"]
        assert delta["usage"]["output_tokens"] == row["output_tokens"] == 5
        assert delta["delta"]["stop_reason"] == "max_tokens"
        assert found[-1] == {"type": "message_stop"}

    async def test_stream_of_unknown_usage_is_still_whole(self, gateway: Gateway) -> None:
        found = events(await post(gateway, "no-usage", stream=True))
        assert found[-1] == {"type": "message_stop"}
        assert (await gateway.row())["settlement"] == "unknown"

    @pytest.mark.parametrize("prompt", ["die-midway", "error-midway", "rubbish-midway"])
    async def test_fault_midway_is_an_error_event_and_not_billed(
        self, gateway: Gateway, prompt: str
    ) -> None:
        *_, last = events(await post(gateway, prompt, stream=True))
        assert last["type"] == "error"
        assert last["error"]["code"] == "model_failed"
        row = await gateway.row()
        assert (row["settlement"], last["request_id"]) == ("platform_fault", row["request_id"])

    async def test_replayed_stream_has_the_same_events(self, gateway: Gateway) -> None:
        headers = {"idempotency-key": "m1"}
        first = events(await post(gateway, headers=headers, stream=True))
        second = events(await post(gateway, headers=headers, stream=True))
        assert text_of(second) == text_of(first)
        assert second[-2]["x_maas_cost"] == first[-2]["x_maas_cost"]


class TestErrors:
    @pytest.mark.parametrize(
        ("fields", "status", "kind", "param"),
        [
            ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens"),
            ({"model": "claude-sonnet-4-5"}, 404, "not_found_error", "model"),
            ({"model": SPECIALIST}, 400, "invalid_request_error", "model"),
            ({"nope": 1}, 400, "invalid_request_error", "nope"),
        ],
    )
    async def test_request_is_refused_in_anthropics_shape(
        self, gateway: Gateway, fields: Any, status: int, kind: str, param: str
    ) -> None:
        answer = await post(gateway, **fields)
        error = error_of(answer)
        assert (answer.status_code, error["type"], error["param"]) == (status, kind, param)
        row = await gateway.row()
        assert (row["operation"], row["error_code"]) == ("messages", error["code"])

    async def test_unknown_model_names_those_that_exist(self, gateway: Gateway) -> None:
        assert CHAT in error_of(await post(gateway, model="claude-opus-4"))["message"]

    async def test_missing_key_is_an_authentication_error(self, gateway: Gateway) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            answer = await client.post("/v1/messages", json=body())
        assert answer.status_code == 401
        assert error_of(answer)["type"] == "authentication_error"

    @pytest.mark.parametrize(
        ("prompt", "status", "kind"),
        [("busy", 529, "overloaded_error"), ("fault", 502, "api_error"),
         ("too-long", 400, "invalid_request_error")],
    )  # fmt: skip
    async def test_failed_model_has_anthropics_status(
        self, gateway: Gateway, prompt: str, status: int, kind: str
    ) -> None:
        answer = await post(gateway, prompt)
        assert (answer.status_code, error_of(answer)["type"]) == (status, kind)

    async def test_used_up_credit_is_a_billing_error(self, limited: Limited) -> None:
        async with limited(credit(1)) as gateway:
            answer = await post(gateway)
        assert (answer.status_code, error_of(answer)["type"]) == (402, "billing_error")
        assert answer.headers["x-should-retry"] == "false"

    async def test_rate_limit_says_when_to_retry(self, limited: Limited) -> None:
        async with limited(replace(PLENTY, requests=1)) as gateway:
            await post(gateway)
            answer = await post(gateway)
        assert (answer.status_code, error_of(answer)["type"]) == (429, "rate_limit_error")
        assert int(answer.headers["retry-after"]) > 0

    async def test_call_beyond_its_cost_limit_is_not_sent(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await post(gateway, headers={"x-max-cost": "0.0001"}, max_tokens=500)
        assert error_of(answer)["code"] == "max_cost_exceeded"
        assert upstream.received == []

    async def test_unreadable_tool_call_is_not_billed(self, gateway: Gateway) -> None:
        answer = await post(gateway, "no-choices")
        assert (answer.status_code, error_of(answer)["code"]) == (502, "model_failed")
        assert (await gateway.row())["cost"] == "0.000000000"

    @pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/batches")])
    async def test_other_addresses_answer_in_the_same_shape(
        self, gateway: Gateway, method: str, path: str
    ) -> None:
        answer = await gateway.http.request(method, f"/v1/messages{path}")
        assert answer.status_code in (404, 405)
        assert answer.json()["type"] == "error"


class TestCountTokens:
    async def test_prompt_is_counted_by_the_models_tokenizer(self, gateway: Gateway) -> None:
        word_tokenizer(gateway.parts.settings.data_dir)
        asked = body("one two three")
        del asked["max_tokens"]
        answer = await gateway.http.post("/v1/messages/count_tokens", json=asked)
        assert answer.json() == {"input_tokens": 3}
        assert answer.headers["x-maas-input-tokens-are"] == "counted"

    async def test_prompt_with_tools_is_estimated(self, gateway: Gateway) -> None:
        word_tokenizer(gateway.parts.settings.data_dir)
        asked = body("one two three", tools=[WEATHER])
        answer = await gateway.http.post("/v1/messages/count_tokens", json=asked)
        assert answer.headers["x-maas-input-tokens-are"] == "estimated"
        assert 3 < answer.json()["input_tokens"] < 20

    async def test_prompt_is_bounded_by_its_size_without_a_tokenizer(
        self, gateway: Gateway
    ) -> None:
        answer = await gateway.http.post("/v1/messages/count_tokens", json=body("one two"))
        assert answer.headers["x-maas-input-tokens-are"] == "bounded"
        assert answer.json()["input_tokens"] >= 2

    async def test_count_needs_a_key_and_a_known_model(self, gateway: Gateway) -> None:
        path = "/v1/messages/count_tokens"
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            assert (await client.post(path, json=body())).json()["type"] == "error"
        answer = await gateway.http.post(path, json=body(model="claude-x"))
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")

    async def test_count_is_limited_and_not_billed(self, limited: Limited) -> None:
        async with limited(replace(PLENTY, requests=1)) as gateway:
            first, second = [
                await gateway.http.post("/v1/messages/count_tokens", json=body()) for _ in range(2)
            ]
            assert (first.status_code, second.status_code) == (200, 429)
            assert json.loads(second.text)["error"]["type"] == "rate_limit_error"
            await gateway.rows(0)


class TestModels:
    async def test_anthropics_clients_get_text_models_in_their_shape(
        self, gateway: Gateway
    ) -> None:
        headers = {"anthropic-version": "2023-06-01"}
        listed = (await gateway.http.get("/v1/models", headers=headers)).json()
        names = [one["id"] for one in listed["data"]]
        assert CHAT in names
        assert SPECIALIST not in names
        assert (listed["has_more"], listed["last_id"]) == (False, names[-1])
        one = (await gateway.http.get(f"/v1/models/{CHAT}", headers=headers)).json()
        assert (one["type"], one["id"]) == ("model", CHAT)
