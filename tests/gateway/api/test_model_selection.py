"""`model: "auto"` through a gateway: what is chosen, told and billed."""

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


class TestText:
    async def test_the_cheapest_answers_and_is_billed(
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

    async def test_a_budget_buys_the_faster(self, both: Gateway, upstream: FakeUpstream) -> None:
        headers = {"X-Maas-Latency-Ms": "100"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert answer.headers["x-maas-model"] == SWIFT
        assert "the only one within 100 ms" in answer.headers["x-maas-route-reason"]
        assert upstream.received[0]["model"] == SWIFT
        row = await both.row()
        assert (row["model"], row["cost"]) == (SWIFT, "0.000077000")

    async def test_a_budget_that_none_holds(self, both: Gateway) -> None:
        headers = {"X-Maas-Latency-Ms": "5"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        assert answer.headers["x-maas-model"] == SWIFT
        assert "none is known to answer within 5 ms" in answer.headers["x-maas-route-reason"]

    async def test_a_budget_that_is_none(self, both: Gateway) -> None:
        headers = {"X-Maas-Latency-Ms": "soon"}
        answer = await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
        error = error_of(answer)
        assert (answer.status_code, error["param"]) == (400, "X-Maas-Latency-Ms")

    async def test_a_stream_tells_before_it_begins(self, both: Gateway) -> None:
        body = chat(stream=True)
        async with both.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.headers["x-maas-model"] == CHAT
            text = (await answer.aread()).decode()
        assert f'"model":"{CHAT}"' in text
        assert (await both.row())["model"] == CHAT

    async def test_a_specialist_that_would_do_it_is_named(self, both: Gateway) -> None:
        answer = await both.http.post("/v1/chat/completions", json=chat(prompt=OEE))
        suggested = CATALOG.models[answer.headers["x-maas-suggested-model"]]
        assert suggested.route is not None
        assert suggested.route.task == "oee"
        assert (await both.row())["model"] == CHAT

    async def test_words_are_those_of_the_users_last_message(self, both: Gateway) -> None:
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
    async def test_plain_completions(self, both: Gateway, prompt: Any) -> None:
        body = {"model": "auto", "prompt": prompt, "max_tokens": 5}
        answer = await both.http.post("/v1/completions", json=body)
        assert (answer.status_code, answer.headers["x-maas-model"]) == (200, CHAT)
        assert ("x-maas-suggested-model" in answer.headers) is isinstance(prompt, str)

    async def test_a_model_that_is_named_tells_nothing(self, both: Gateway) -> None:
        answer = await both.http.post("/v1/chat/completions", json=chat(CHAT))
        assert not {name for name in answer.headers if name.startswith("x-maas-route")}
        assert "x-maas-model" not in answer.headers

    async def test_no_embedding_model_is_chosen(self, both: Gateway) -> None:
        """Vectors of one model mean nothing beside those of another."""
        answer = await both.http.post("/v1/embeddings", json={"model": "auto", "input": "a"})
        assert (answer.status_code, error_of(answer)["code"]) == (400, "model_not_supported")

    async def test_none_is_chosen_under_the_protocol(self, both: Gateway) -> None:
        tensor = {"name": "points", "shape": [1], "datatype": "FP32", "data": [1]}
        answer = await both.http.post("/v2/models/auto/infer", json={"inputs": [tensor]})
        assert (answer.status_code, answer.json()["code"]) == (400, "model_not_supported")

    async def test_a_quote_is_of_the_model_that_would_be_chosen(self, both: Gateway) -> None:
        first = await both.http.post("/v1/quote", json=chat())
        headers = {"X-Maas-Latency-Ms": "100"}
        second = await both.http.post("/v1/quote", json=chat(), headers=headers)
        assert [one.json()["model"] for one in (first, second)] == [CHAT, SWIFT]

    async def test_a_repetition_gets_the_first_answer(self, both: Gateway) -> None:
        headers = {"Idempotency-Key": "k"}
        first, second = [
            await both.http.post("/v1/chat/completions", json=chat(), headers=headers)
            for _ in range(2)
        ]
        assert first.content == second.content
        assert "x-maas-model" not in second.headers
        assert sum(row["cost"] != "0.000000000" for row in await both.rows(2)) == 1


class TestRows:
    async def test_the_columns_choose(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        body = {"model": "auto", "instances": [POINTS, POINTS]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert (answer.status_code, answer.json()["model"]) == (200, CONTROL_CHART)
        assert answer.headers["x-maas-model"] == CONTROL_CHART
        assert answer.headers["x-maas-route-reason"] == "columns; the only one"
        assert {one["name"] for one in upstream.received[0]["inputs"]} == POINTS.keys()
        assert upstream.received[0]["inputs"][1]["datatype"] == "FP64"
        row = await gateway.row()
        assert (row["model"], row["rows"], row["cost"]) == (CONTROL_CHART, 2, "0.001000000")

    async def test_columns_of_none_name_the_nearest(self, gateway: Gateway) -> None:
        row = {"points": [1.0, 2.0], "centre": 1.0}
        body = {"model": "auto", "instances": [row]}
        answer = await gateway.http.post("/v1/predictions", json=body)
        error = error_of(answer)
        assert (answer.status_code, error["param"]) == (400, "instances")
        assert f"{CONTROL_CHART} (lacking 'deviation')" in error["message"]
        assert (await gateway.row())["cost"] == "0.000000000"

    async def test_of_several_the_task_chooses(self, limited: Limited) -> None:
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


class TestRoute:
    async def test_of_words(self, both: Gateway) -> None:
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

    async def test_of_what_is_language(self, both: Gateway) -> None:
        question = {"input": "写一首诗", "latency_ms": 100}
        told = (await both.http.post("/v1/route", json=question)).json()
        assert (told["model"], told["task"]) == (SWIFT, "language")
        assert (told["endpoint"], told["columns"]) == ("/v1/chat/completions", [])
        told = (await both.http.post("/v1/route", json={"input": "write a poem"})).json()
        assert (told["model"], told["fallbacks"]) == (CHAT, [SWIFT])

    async def test_of_rows(self, both: Gateway) -> None:
        told = (await both.http.post("/v1/route", json={"instances": [POINTS]})).json()
        assert (told["model"], told["task"], told["confidence"]) == (CONTROL_CHART, None, None)
        assert told["runners_up"] == []

    async def test_is_not_metered(self, both: Gateway, upstream: FakeUpstream) -> None:
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
    async def test_what_is_wrong_is_named(
        self, both: Gateway, body: dict[str, Any], param: str
    ) -> None:
        answer = await both.http.post("/v1/route", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)

    async def test_is_for_keys_only(self, both: Gateway) -> None:
        headers = {"authorization": "Bearer no"}
        answer = await both.http.post("/v1/route", json={"input": "a"}, headers=headers)
        assert answer.status_code == 401
