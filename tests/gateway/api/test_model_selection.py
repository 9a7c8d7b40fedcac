"""`model: "auto"` through a gateway: model selection, response headers and billing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from models.catalog import Catalog
from tests.support.builders import (
    CATALOG,
    CHAT,
    CONTROL_CHART,
    PLENTY,
    SPECIALIST,
    Gateway,
    Limited,
)
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.choices import SWIFT, chat, two
from tests.support.gateway.errors import error_of

OEE = "OEE: 480 min planned, 430 run, 0.9 min each, 440 made, 432 good"
POINTS = {"points": [1.0, 2.0], "centre": 1.0, "deviation": 0.5}


@pytest.fixture
async def both(limited: Limited) -> AsyncIterator[Gateway]:
    async with limited(PLENTY, catalog=two()) as gateway:
        yield gateway


class TestTextModelSelection:
    async def test_auto_uses_and_bills_the_cheapest_model(
        self, both: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await both.http.post("/v1/chat/completions", json=chat())
        assert (answer.status_code, answer.json()["model"]) == (200, CHAT)
        assert answer.headers["x-maas-model"] == CHAT
        assert answer.headers["x-maas-route-reason"].endswith("; cheapest of 2")
        assert "x-maas-suggested-model" not in answer.headers
        assert upstream.received[0]["model"] == CHAT
        row = await both.row()
        assert (row["model"], row["cost"]) == (CHAT, answer.headers["x-maas-cost"])

    async def test_latency_budget_selects_the_faster_model(
        self, both: Gateway, upstream: FakeUpstream
    ) -> None:
        headers = {"X-Maas-Latency-Ms": "100"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert answer.headers["x-maas-model"] == SWIFT
        assert "the only one within 100 ms" in answer.headers["x-maas-route-reason"]
        assert upstream.received[0]["model"] == SWIFT
        row = await both.row()
        assert (row["model"], row["cost"]) == (SWIFT, "0.000077000")

    async def test_latency_budget_below_every_model_selects_the_fastest(
        self, both: Gateway
    ) -> None:
        headers = {"X-Maas-Latency-Ms": "5"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert answer.headers["x-maas-model"] == SWIFT
        assert "none is known to respond within 5 ms" in answer.headers["x-maas-route-reason"]

    async def test_non_numeric_latency_budget_is_rejected(self, both: Gateway) -> None:
        headers = {"X-Maas-Latency-Ms": "soon"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        error = error_of(answer)
        assert (answer.status_code, error["param"]) == (400, "X-Maas-Latency-Ms")

    async def test_stream_sends_the_selected_model_in_headers(self, both: Gateway) -> None:
        body = chat(stream=True)
        async with both.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.headers["x-maas-model"] == CHAT
            text = (await answer.aread()).decode()
        assert f'"model":"{CHAT}"' in text
        assert (await both.row())["model"] == CHAT

    async def test_matching_specialist_is_suggested_in_a_header(self, both: Gateway) -> None:
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt=OEE))
        suggested = CATALOG.models[answer.headers["x-maas-suggested-model"]]
        assert suggested.route is not None
        assert suggested.route.task == "oee"
        assert (await both.row())["model"] == CHAT

    async def test_suggestion_is_based_on_the_last_user_message(self, both: Gateway) -> None:
        picture = {"url": "data:image/png;base64,iVBORw0KGgo="}
        parts = [{"type": "text", "text": OEE}, {"type": "image_url", "image_url": picture}]
        messages = [
            {"role": "user", "content": "Write a poem"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": parts},
            {"role": "tool", "content": "write a poem"},
        ]
        body = {"model": "auto", "messages": messages, "max_tokens": 5}
        answer = await both.http.post("/v1/chat/completions", json=body)
        assert "x-maas-suggested-model" in answer.headers

    @pytest.mark.parametrize("prompt", [OEE, [OEE], [1, 2, 3]])
    async def test_completion_with_a_text_prompt_gets_a_suggestion(
        self, both: Gateway, prompt: Any
    ) -> None:
        body = {"model": "auto", "prompt": prompt, "max_tokens": 5}
        answer = await both.http.post("/v1/completions", json=body)
        assert (answer.status_code, answer.headers["x-maas-model"]) == (200, CHAT)
        assert ("x-maas-suggested-model" in answer.headers) is isinstance(prompt, str)

    async def test_explicit_model_returns_no_routing_headers(self, both: Gateway) -> None:
        answer = await both.http.post("/v1/chat/completions", json=chat(CHAT))
        assert not {name for name in answer.headers if name.startswith("x-maas-route")}
        assert "x-maas-model" not in answer.headers

    async def test_auto_is_rejected_for_embeddings(self, both: Gateway) -> None:
        """Vectors of different embedding models are not comparable."""
        answer = await both.http.post("/v1/embeddings", json={"model": "auto", "input": "a"})
        assert (answer.status_code, error_of(answer)["code"]) == (400, "model_not_supported")

    async def test_auto_is_rejected_for_open_inference(self, both: Gateway) -> None:
        tensor = {"name": "points", "shape": [1], "datatype": "FP32", "data": [1]}
        answer = await both.http.post("/v2/models/auto/infer", json={"inputs": [tensor]})
        assert (answer.status_code, answer.json()["code"]) == (400, "model_not_supported")

    async def test_quote_prices_the_model_that_auto_selects(self, both: Gateway) -> None:
        first = await both.http.post("/v1/quote", json=chat())
        headers = {"X-Maas-Latency-Ms": "100"}
        second = await both.http.post("/v1/quote", json=chat(), headers=headers)
        assert [one.json()["model"] for one in (first, second)] == [CHAT, SWIFT]

    async def test_repeated_idempotency_key_replays_the_auto_response(self, both: Gateway) -> None:
        headers = {"Idempotency-Key": "k"}
        first, second = [
            await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
            for _ in range(2)
        ]
        assert first.content == second.content
        assert "x-maas-model" not in second.headers
        assert sum(row["cost"] != "0.000000000" for row in await both.rows(2)) == 1


class TestRowModelSelection:
    async def test_columns_select_the_specialist(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        body = {"model": "auto", "instances": [POINTS, POINTS]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert (answer.status_code, answer.json()["model"]) == (200, CONTROL_CHART)
        assert answer.headers["x-maas-model"] == CONTROL_CHART
        assert answer.headers["x-maas-route-reason"] == "columns; the only one"
        assert {one["name"] for one in upstream.received[0]["inputs"]} == POINTS.keys()
        assert upstream.received[0]["inputs"][1]["datatype"] == "FP64"
        row = await gateway.row()
        assert (row["model"], row["rows"], row["cost"]) == (CONTROL_CHART, 2, "0.001000000")

    async def test_unmatched_columns_name_the_nearest_specialist(self, gateway: Gateway) -> None:
        row = {"points": [1.0, 2.0], "centre": 1.0}
        body = {"model": "auto", "instances": [row]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        error = error_of(answer)
        assert (answer.status_code, error["param"]) == (400, "instances")
        assert f"{CONTROL_CHART} (lacking 'deviation')" in error["message"]
        assert (await gateway.row())["cost"] == "0.000000000"

    async def test_task_selects_among_specialists_with_the_same_columns(
        self, limited: Limited
    ) -> None:
        chart = CATALOG.models[CONTROL_CHART]
        assert chart.route is not None
        twin = replace(
            CATALOG.models[SPECIALIST], route=replace(chart.route, task="machine_failure")
        )
        own = Catalog({**CATALOG.models, SPECIALIST: twin})
        body = {"model": "auto", "instances": [POINTS]}
        async with limited(PLENTY, catalog=own) as gateway:
            models = [
                (await gateway.http.post("/v1/predictions", json={**body, "task": task})).json()
                for task in ("Will the milling machine fail?", "控制图有没有判异", "")
            ]
        assert [one["model"] for one in models] == [SPECIALIST, CONTROL_CHART, CONTROL_CHART]


class TestRouteEndpoint:
    async def test_text_returns_specialist_confidence_and_runners_up(self, both: Gateway) -> None:
        answer = await both.http.post("/v1/route", json={"input": OEE})
        told = answer.json()
        model = CATALOG.models[told["model"]]
        assert model.route is not None
        assert (told["object"], told["task"]) == ("route", model.route.task)
        assert (told["endpoint"], set(told["columns"])) == ("/v1/predictions", model.route.inputs)
        assert told["confidence"] > told["runners_up"][0]["confidence"]
        assert len(told["runners_up"]) == 3
        assert told["price_nano_per_unit"] == model.prices["CNY"]
        assert (told["currency"], told["latency_ms"]) == ("CNY", model.latency_ms)

    async def test_language_task_returns_a_chat_model_and_fallbacks(self, both: Gateway) -> None:
        question = {"input": "写一首诗", "latency_ms": 100}
        told = (await both.http.post("/v1/route", json=question)).json()
        assert (told["model"], told["task"]) == (SWIFT, "language")
        assert (told["endpoint"], told["columns"]) == ("/v1/chat/completions", [])
        told = (await both.http.post("/v1/route", json={"input": "write a poem"})).json()
        assert (told["model"], told["fallbacks"]) == (CHAT, [SWIFT])

    async def test_rows_return_the_specialist_of_their_columns(self, both: Gateway) -> None:
        told = (await both.http.post("/v1/route", json={"instances": [POINTS]})).json()
        assert (told["model"], told["task"], told["confidence"]) == (CONTROL_CHART, None, None)
        assert told["runners_up"] == []

    async def test_route_request_is_not_metered(
        self, both: Gateway, upstream: FakeUpstream
    ) -> None:
        await both.http.post("/v1/route", json={"input": "write a poem"})
        assert await both.rows(0) == []
        assert not upstream.received

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "input"),
            ({"input": " "}, "input"),
            ({"input": 5}, "input"),
            ({"input": "a", "latency_ms": 0}, "latency_ms"),
            ({"input": "a", "model": "b"}, "model"),
            ({"instances": [{"x": 1}]}, "instances"),
        ],
    )
    async def test_invalid_field_is_rejected_by_name(
        self, both: Gateway, body: dict[str, Any], param: str
    ) -> None:
        answer = await both.http.post("/v1/route", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)

    async def test_invalid_api_key_returns_401(self, both: Gateway) -> None:
        headers = {"authorization": "Bearer no"}
        answer = await both.http.post("/v1/route", json={"input": "a"}, headers=headers)
        assert answer.status_code == 401
