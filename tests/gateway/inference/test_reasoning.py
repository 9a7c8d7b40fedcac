"""Reasoning through a gateway: thoughts and their tokens in responses, rows, limits and metrics."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.reasoning import REASONING
from tests.support.pricing import list_price


@pytest.fixture
async def thinking(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY, catalog=REASONING) as gateway:
        yield gateway


ASKED: dict[str, Any] = {"max_tokens": 40, "reasoning_effort": "low"}


async def test_response_and_row_have_reasoning_as_a_part_of_the_output(
    thinking: Gateway,
) -> None:
    answer = await thinking.chat("one two", **ASKED)
    message = answer.json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == "thought " * 8
    usage = answer.json()["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 8}
    row = await thinking.row()
    assert (row["output_tokens"], row["reasoning_tokens"]) == (40, 8)
    assert row["cost"] == list_price(row, CHAT)


async def test_stream_has_reasoning_deltas_and_the_same_usage(thinking: Gateway) -> None:
    answer = await thinking.chat(
        "one", **ASKED, stream=True, stream_options={"include_usage": True}
    )
    events = [json.loads(one[6:]) for one in answer.text.split("\n\n")[:-2]]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    thoughts = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    assert thoughts == ["thought "] * 8
    assert [delta.get("reasoning") for delta in deltas[:9]] == [*thoughts, None]
    assert events[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 8}
    row = await thinking.row()
    assert (row["output_tokens"], row["reasoning_tokens"]) == (40, 8)


async def test_thoughts_are_off_without_effort(thinking: Gateway, upstream: FakeUpstream) -> None:
    answer = await thinking.chat("one", max_tokens=4)
    assert "reasoning" not in answer.json()["choices"][0]["message"]
    assert upstream.received[-1]["reasoning_effort"] == "none"
    assert (await thinking.row())["reasoning_tokens"] is None


async def test_model_without_reasoning_refuses_effort_before_sending(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    answer = await gateway.chat("one", reasoning_effort="high")
    error = error_of(answer)
    assert answer.status_code == 400
    assert (error["code"], error["param"]) == ("unsupported_parameter", "reasoning_effort")
    assert upstream.received == []
    row = await gateway.row()
    assert (row["settlement"], row["error_param"]) == ("refused", "reasoning_effort")


async def test_max_cost_limits_reasoning_and_answer_together(
    thinking: Gateway, upstream: FakeUpstream
) -> None:
    """The output that X-Max-Cost pays for includes the thoughts, and leaves room for an answer."""
    quote = (await thinking.http.post("/v1/quote", json=_body("high"))).json()
    prices = quote["price_nano_per_unit"]
    most = 40 * prices["output_tokens"] + quote["input_tokens"] * prices["input_tokens"]
    answer = await thinking.http.post(
        "/v1/chat/completions",
        json=_body("high"),
        headers={"x-max-cost": f"{most / 1e9:.9f}"},
    )
    assert answer.status_code == 200, answer.text
    sent = upstream.received[-1]
    assert 40 <= sent["max_tokens"] < 100
    assert sent["thinking_token_budget"] == sent["max_tokens"] * 3 // 4
    row = await thinking.row()
    assert row["reasoning_tokens"] == sent["thinking_token_budget"]
    assert float(row["cost"]) <= most / 1e9


async def test_quote_counts_reasoning_within_the_output_limit(thinking: Gateway) -> None:
    for effort in ("none", "high"):
        body = {**_body(effort), "max_completion_tokens": 50}
        quote = (await thinking.http.post("/v1/quote", json=body)).json()
        assert quote["max_output_tokens"] == 50


async def test_reasoning_tokens_are_counted_in_metrics(thinking: Gateway) -> None:
    await thinking.chat("one", **ASKED)
    await thinking.row()
    thinking.parts.call_metrics.flush()
    text = (await thinking.http.get("/metrics")).text
    assert f'maas_reasoning_tokens_total{{model="{CHAT}"}} 8.0' in text


async def test_models_list_the_efforts_at_which_they_reason(thinking: Gateway) -> None:
    models = (await thinking.http.get("/v1/models")).json()["data"]
    efforts = {model["id"]: model["reasoning_efforts"] for model in models}
    assert efforts.pop(CHAT) == ["low", "medium", "high"]
    assert set(map(tuple, efforts.values())) == {()}


async def test_auto_without_a_model_that_reasons_is_refused(
    thinking: Gateway, upstream: FakeUpstream
) -> None:
    """No model that `auto` may select here can reason, and an answer without is not sold for it."""
    answer = await thinking.chat("one", model="auto", **ASKED)
    assert error_of(answer)["param"] == "reasoning_effort"
    assert upstream.received == []


def _body(effort: str) -> dict[str, Any]:
    return {
        "model": CHAT,
        "messages": [{"role": "user", "content": "one two three"}],
        "reasoning_effort": effort,
    }
